"""Behind the vision ladder's curves: the pictures, the network, its code, the lecture's numbers, the loop."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.data import Pictures
from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.models.sizes import picture_sides
from explorer.runs.jobs import Job
from explorer.ui import behind, beside, board, parts
from explorer.ui.cifar10 import network, pictures


def show(page: str, experiment: Experiment, job: Job[Any] | None, shown: Pictures) -> None:
    """The tabs; only the open one is drawn."""
    behind.tabs(
        page,
        {
            "The pictures": partial(pictures.show, page, shown, experiment),
            "The network": partial(_network, page, experiment),
            "The model's code": partial(network.code, experiment),
            "The lecture's numbers": partial(_numbers, page, experiment, job),
            "The training loop": board.training_loop,
        },
    )


def _network(page: str, experiment: Experiment) -> None:
    sides = picture_sides(experiment)
    parts.drawing(diagrams.conv_ladder(sides) if sides else diagrams.shared_weights())
    network.show(page, experiment)


def _numbers(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    beside.show(page, experiment, job)
    st.caption(
        "Measured by others: the notes on a split with some cars in both parts, the notebook trained on all 50,000 "
        "pictures and validated on the test set. Both print accuracy averaged over batches; ours is exact."
    )
    beside.links(experiment)
