"""The top of the home page, drawn before anything else is imported: what this is, and one button that starts it."""

import functools
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.ladders import Page
from explorer.ui import links, menu, parts, state

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

VIEWS = {"map": "The map", "claims": "The claims", "noticed": "Did you notice?", "data": "Data and weights"}


class Start(NamedTuple):
    """The button."""

    pressed: bool
    place: "DeltaGenerator"  #: under it: for what came of it


def show() -> Start:
    """The title, the button and the drawing."""
    left, right = st.columns([11, 10], gap="medium", vertical_alignment="center")
    with left:
        st.title("Lesson 7, in motion", anchor=False)
        st.markdown(
            "A lecture as experiments, from three characters to an LSTM and from a plain net to a ResNet. Press "
            "**Start** and a network begins to read Nietzsche."
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            pressed = st.button(
                "Start",
                type="primary",
                icon=":material/play_arrow:",
                key=state.home().key("start"),
                help="Trains a small GRU, live, on the lecture's text.",
            )
            st.page_link(menu.page(Page.CAM), label="or bring a photo", icon=":material/center_focus_strong:")
    with right:
        parts.drawing(_network())
    return Start(pressed, left)


@functools.cache
def _network() -> str:
    return diagrams.unrolled(Experiment.of("stateful", bptt=6)) + diagrams.arrows_legend()


def choose() -> str:
    """Which part of the page is shown: one of the words in :data:`VIEWS`."""
    shown = st.segmented_control(
        "Show",
        list(VIEWS.values()),
        required=True,
        key=links.tab("show", state.home().key("view"), VIEWS),
        label_visibility="collapsed",
        persist_state="session",
    )
    return next(word for word, label in VIEWS.items() if label == shown)
