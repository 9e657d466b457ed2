"""About the pictures: their statistics, and why the lecture takes so small a set."""

import streamlit as st

from explorer.data import Pictures
from explorer.data.pictures import MEAN, STD
from explorer.data.statistics import channel_statistics
from explorer.ladders import Page
from explorer.ui import behind, state


def show(page: str, pictures: Pictures) -> None:
    """Two folds."""
    behind.fold(
        page, "stats", "stats: each colour's mean and deviation", ":material/palette:", lambda: _stats(pictures)
    )
    behind.fold(page, "rigor", "Why so small a set? A note on rigour", ":material/science:", _rigor)


@st.cache_data(max_entries=4, show_spinner=False)
def _measured(_pictures: Pictures, name: str, count: int) -> tuple[list[float], list[float]]:
    mean, std = channel_statistics(_pictures.train_x)
    return mean.tolist(), std.tolist()


def _stats(pictures: Pictures) -> None:
    mean, std = _measured(pictures, pictures.source.name, len(pictures.train_y))
    st.dataframe(
        [
            {
                "colour": name,
                "mean, notes": MEAN[i],
                "mean, these pictures": mean[i],
                "deviation, notes": STD[i],
                "deviation, these pictures": std[i],
            }
            for i, name in enumerate(("red", "green", "blue"))
        ],
        hide_index=True,
        column_config={
            f"{what}, {whose}": st.column_config.NumberColumn(format="%.4f")
            for what in ("mean", "deviation")
            for whose in ("notes", "these pictures")
        },
    )
    st.code("stats = (np.array([ 0.4914 ,  0.48216,  0.44653]), np.array([ 0.24703,  0.24349,  0.26159]))")
    st.caption(
        "Every pixel has its colour's mean taken off and is divided by its deviation, so that the network begins with "
        "numbers around 0 of size 1. The notes' numbers are used in training, whatever pictures are here."
    )


def _rigor() -> None:
    st.markdown(
        "The lecture asks for **rigour**: change one thing, keep the rest, repeat. That needs experiments which end in "
        "minutes, so it takes 32 × 32 pixels; and to understand one part of an algorithm, MNIST's 28 × 28 grey digits "
        "are a great place to start, whatever people say about them."
    )
    st.caption(
        "A race trains several networks on the same batches from the same seed. The rungs' notes above give the median "
        "of three seeds: one run alone may be off by 0.01."
    )
    if st.button(
        "A fair race: does depth alone help?", icon=":material/sports_score:", key=state.cifar10().key("fair")
    ):
        state.open(Page.BATCHNORM, race="fair")
