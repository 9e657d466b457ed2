"""One convolution of the network on the page, pixel by pixel, on a real picture."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
import torch

from explorer.data import Pictures
from explorer.data.photos import to_bytes
from explorer.data.pictures import MEAN, STD, enlarged
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.probes.convolution import Convolution, first_convolution
from explorer.store.store import Which
from explorer.training import checkpoint
from explorer.ui import parts, played, state
from explorer.ui.cifar10 import window


@st.cache_data(max_entries=32, show_spinner=False)
def _looked(path: Path, stamp: float, picture: np.ndarray) -> Convolution:
    """What the first convolution makes of a picture (3, 32, 32), uint8, in the size that its network sees."""
    model, story = checkpoint.load(path, torch.device("cpu"))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    seen = (torch.from_numpy(picture).float() / 255 - mean) / std
    return first_convolution(model, enlarged(seen[None], story.experiment.size)[0])


def _image(found: Convolution) -> bytes:
    """The picture as the network sees it, as a file."""
    pixels = found.picture.transpose(1, 2, 0) * np.array(STD) + np.array(MEAN)
    return to_bytes((255 * pixels).round().clip(0, 255).astype(np.uint8))


def show(page: str, experiment: Experiment, job: Job[Any] | None, pictures: Pictures) -> None:
    """A picture and a filter to choose, and the window one moves over it."""
    here = state.cifar10()
    with parts.refusals():
        path, words = played.weights(page, job, experiment, Which.BEST)
        if path is None:
            st.caption(words)
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            number = st.number_input(
                "Picture", 0, len(pictures.valid_y) - 1, 3, key=here.key("conv_picture"), width=140
            )
            picture = np.ascontiguousarray(pictures.valid_x[int(number)])
            found = _looked(path, path.stat().st_mtime, picture)
            filters = len(found.kernels)
            chosen = st.number_input("Filter", 1, filters, 1, key=here.key("conv_filter", filters), width=140)
            st.caption(f"{pictures.classes[pictures.valid_y[int(number)]]}; {words}")
        window.show(found, int(chosen) - 1, _image(found), here.key("conv"))
        k, step = found.kernels.shape[-1], found.stride
        st.caption(
            f"Move over either picture (or use the arrow keys): the {k} × {k} pixels under the frame times the "
            f"filter's weights, a colour each, summed, are **one** pixel on the right. Then the frame moves by {step}: "
            f"the same {k * k * 3} weights everywhere. Blue is below zero, orange above."
        )
