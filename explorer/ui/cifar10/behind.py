"""Behind the vision ladder's curves: the pictures, the network, its code, the lecture's numbers, the loop."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.data import Pictures
from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.models.sizes import picture_sides
from explorer.runs.jobs import Job
from explorer.ui import behind, beside, loop, parts
from explorer.ui.cifar10 import about, convolution, network, pictures, pooling, residual

TABS = {
    "pictures": "The pictures",
    "network": "The network",
    "code": "The model's code",
    "notes": "The lecture's numbers",
    "loop": "The training loop",
}


def show(page: str, experiment: Experiment, job: Job[Any] | None, shown: Pictures) -> None:
    """The tabs; only the open one is drawn."""
    behind.tabs(
        page,
        TABS,
        {
            "pictures": partial(_pictures, page, shown, experiment),
            "network": partial(_network, page, experiment, job, shown),
            "code": partial(_code, page, experiment, job),
            "notes": partial(_numbers, page, experiment, job),
            "loop": partial(loop.show, page, experiment, job),
        },
    )


def _pictures(page: str, shown: Pictures, experiment: Experiment) -> None:
    pictures.show(page, shown, experiment)
    about.show(page, shown)


def _code(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    network.code(experiment)
    if experiment.model in ("resnet", "resnet2", "builder"):
        draw = partial(residual.show, page, experiment, job)
        behind.fold(page, "boosting", "Residuals, and boosting", ":material/stacked_bar_chart:", draw)


def _network(page: str, experiment: Experiment, job: Job[Any] | None, shown: Pictures) -> None:
    sides = picture_sides(experiment)
    parts.drawing(diagrams.conv_ladder(sides) if sides else diagrams.shared_weights())
    network.show(page, experiment)
    draw = partial(convolution.show, page, experiment, job, shown)
    behind.fold(page, "conv", "One convolution, pixel by pixel", ":material/center_focus_weak:", draw)
    behind.fold(page, "pooling", "Adaptive pooling: a toy", ":material/grid_on:", partial(pooling.show, experiment))


def _numbers(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    beside.show(page, experiment, job)
    st.caption(
        "Measured by others: the notes on a split with some cars in both parts, the notebook trained on all 50,000 "
        "pictures and validated on the test set. Both print accuracy averaged over batches; ours is exact."
    )
    beside.links(experiment)
