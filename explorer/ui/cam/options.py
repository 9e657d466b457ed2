"""How a visitor looks at a photo: through which network, at how much of it, by which method, in which colours."""

from dataclasses import dataclass

import streamlit as st

from explorer.cam.heat import COLORMAPS
from explorer.cam.maps import Method
from explorer.cam.view import View
from explorer.ui import links, state
from explorer.ui.cam.networks import OWN, choices, title

VIEWS = {
    View.CROP: "The central square",
    View.PAD: "All of it, padded to a square",
    View.OWN_SHAPE: "All of it, at its own shape",
}
SEEN = links.one_of(VIEWS, lambda view: str(view).replace(" ", "-"))
METHODS = {
    Method.CAM: "CAM: the class's own map",
    Method.GRADCAM: "Grad-CAM",
    Method.GRADCAM_PLUS: "Grad-CAM++",
    Method.OCCLUSION: "Occlusion: hide it and see",
}


@dataclass(frozen=True)
class ViewOptions:
    """How the visitor wants to look."""

    view: View
    method: Method
    colormap: str
    smooth: bool
    opacity: float = 0.5  #: set under the picture


def _word(key: str) -> str:
    """A network in a link; one's own is nobody else's."""
    return "" if key == OWN else key


def sidebar() -> tuple[str, ViewOptions]:
    """The network's key and how to look, but for the opacity; every change is answered at once."""
    here = state.cam()
    with st.sidebar:
        keys = choices()
        if here.switch in keys:
            here.set("network", here.switch)
        elif here.value("network", "dogscats") not in keys:
            here.set("network", "dogscats")
        here.switch = ""
        key = st.selectbox(
            "Network",
            keys,
            format_func=title,
            key=links.bound("network", here.key("network"), links.one_of(keys, _word), "dogscats"),
            persist_state="session",
        )
        view = st.selectbox(
            "What it sees",
            VIEWS,
            format_func=VIEWS.__getitem__,
            key=links.bound("view", here.key("view"), SEEN, View.CROP),
            persist_state="session",
            help="The lecture crops. A fully convolutional network can also take a photo of any shape. "
            "Whatever it sees, the heat is drawn on the photo as you brought it.",
        )
        method = st.selectbox(
            "Method",
            METHODS,
            format_func=METHODS.__getitem__,
            key=links.bound("method", here.key("method"), links.one_of(METHODS), Method.CAM),
            persist_state="session",
            help="On this network CAM and Grad-CAM agree up to a factor. Occlusion greys one tile after the other "
            "and asks again: slower, and free of any assumption.",
        )
        colormap = st.selectbox(
            "Colours",
            COLORMAPS[:-1],
            key=links.bound("colours", here.key("colormap"), links.one_of(COLORMAPS[:-1]), COLORMAPS[0]),
            persist_state="session",
            help="The lecture uses *hot*. *jet*'s brightness goes up and down, so it shows edges that are not there.",
        )
        cells = st.toggle(
            "Show the cells",
            key=links.bound("cells", here.key("cells"), links.SWITCH, False),
            persist_state="session",
            help="The map's true resolution.",
        )
    return key, ViewOptions(view, method, colormap, not cells)
