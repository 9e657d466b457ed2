"""Adaptive pooling as a toy: drag the size of what comes in, and see what each cell looks at."""

import numpy as np
import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import pooling
from explorer.models.pooling import CHOICES, GlobalPool, bins
from explorer.ui import parts, state


def show(experiment: Experiment) -> None:
    """A map whose size, cells and pooling one chooses."""
    here = state.cifar10()
    st.caption(
        "`AdaptiveMaxPool2d` is told how many cells to **give**, and works out how large each must be. With 1 it sees "
        "the whole map, whatever its size, so the same network takes pictures of any size."
    )
    left, right = st.columns([2, 3], gap="medium")
    with left:
        size = st.slider("What comes in, pixels a side", 1, 16, 7, key=here.key("pool_size"))
        cells = st.slider("What it is to give, cells a side", 1, 4, 1, key=here.key("pool_cells"))
        kind = st.segmented_control(
            "Each cell gives its", list(CHOICES), default="max", required=True, key=here.key("pool_kind")
        )
        cells = min(cells, size)
        found = bins(size, cells)
        spans = sorted({last - first for first, last in found})
        st.caption(
            f"Each cell looks at {' or '.join(map(str, spans))} pixels a side"
            + (", and neighbours share a pixel." if sum(b - a for a, b in found) > size else ".")
        )
    with right:
        values = np.random.default_rng(7).gamma(1.1, 1.2, (16, 16))[:size, :size].round(1)
        parts.drawing(pooling.adaptive(values.tolist(), found, kind or "max"))
    if experiment.model == "builder":
        st.caption(
            f"Your network pools by **{experiment.pool}**: set *Pooling* among the model's settings. *both* gives the "
            "last layer twice as many numbers, as the lecture says one ideally does."
        )
        parts.code(GlobalPool)
    else:
        st.caption("The rungs pool by max, as the lecture does. **Your own** lets you choose mean, max or both.")
