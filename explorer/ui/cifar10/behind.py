"""Behind the vision ladder's curves: the pictures, the network, its code, the lecture's numbers, the loop."""

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from explorer import devices
from explorer.data import Pictures
from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.jobs.job import Job
from explorer.models.sizes import picture_sides
from explorer.probes.activation_record import ActivationRecord
from explorer.probes.at_rest import at_rest
from explorer.store.store import Which
from explorer.training import checkpoint, prepare
from explorer.ui import activations, behind, beside, loop, parts, played
from explorer.ui.cifar10 import about, convolution, network, pictures, pooling, residual

TABS = {
    "pictures": "The pictures",
    "network": "The network",
    "code": "The model's code",
    "layers": "Its activations",
    "notes": "The lecture's numbers",
    "loop": "The training loop",
}
PICTURES = 200  # of the validation set, whose activations are looked at


def show(page: str, experiment: Experiment, job: Job[Any] | None, shown: Pictures | None) -> None:
    """The tabs; only the open one is drawn. ``shown`` is None as long as there are no pictures yet."""
    behind.tabs(
        page,
        TABS,
        {
            "pictures": partial(_pictures, page, shown, experiment),
            "network": partial(_network, page, experiment, job, shown),
            "code": partial(_code, page, experiment, job, shown),
            "layers": partial(_activations, page, experiment, job, shown),
            "notes": partial(_numbers, page, experiment, job),
            "loop": partial(loop.show, page, experiment, job),
        },
    )


def _not_yet() -> None:
    st.caption("The pictures are not here yet; how far they are is said above.")


def _pictures(page: str, shown: Pictures | None, experiment: Experiment) -> None:
    if shown is None:
        return _not_yet()
    pictures.show(page, shown, experiment)
    about.show(page, shown)


def _code(page: str, experiment: Experiment, job: Job[Any] | None, shown: Pictures | None) -> None:
    network.code(experiment)
    if experiment.model in ("resnet", "resnet2", "builder"):
        draw = partial(residual.show, page, experiment, job) if shown else _not_yet
        behind.fold(page, "boosting", "Residuals, and boosting", ":material/stacked_bar_chart:", draw)


@st.cache_data(max_entries=32, show_spinner=False)
def _looked(path: Path, stamp: float) -> tuple[ActivationRecord, int]:
    """What the layers of a weights file give for some validation pictures, as many of each class; and for how many."""
    model, story = checkpoint.load(path, device := devices.choose())
    data = prepare.pictures_for(story.experiment, device)
    prepare.check_data(story, data, path.name)
    x = next(iter(data.thinned(max(1, len(data.valid_y) // PICTURES)).valid_batches())).x
    return at_rest(model, x), len(x)


def _activations(page: str, experiment: Experiment, job: Job[Any] | None, shown: Pictures | None) -> None:
    if shown is None:
        return _not_yet()
    with parts.refusals():
        path, words = played.weights(page, job, experiment, Which.BEST)
        if path is None:
            st.caption(words)
            return
        record, pictures = _looked(path, path.stat().st_mtime)
        of = f"{words[0].upper()}{words[1:]}, looking at {pictures} validation pictures"
        activations.show(page, (str(path), path.stat().st_mtime), record, of)


def _network(page: str, experiment: Experiment, job: Job[Any] | None, shown: Pictures | None) -> None:
    sides = picture_sides(experiment)
    parts.drawing(diagrams.conv_ladder(sides) if sides else diagrams.shared_weights())
    network.show(page, experiment)
    draw = partial(convolution.show, page, experiment, job, shown) if shown else _not_yet
    behind.fold(page, "conv", "One convolution, pixel by pixel", ":material/center_focus_weak:", draw)
    behind.fold(page, "pooling", "Adaptive pooling: a toy", ":material/grid_on:", partial(pooling.show, experiment))


def _numbers(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    beside.show(page, experiment, job)
    st.caption(
        "Measured by others: the notes on a split with some cars in both parts, the notebook trained on all 50,000 "
        "pictures and validated on the test set. Both print accuracy averaged over batches; ours is exact."
    )
    beside.links(experiment)
