"""A visitor's classifier as one file, out of the CAM page and in again."""

import secrets

import streamlit as st

from explorer.cam.classifier import MAX_FILE, load, save, shipped
from explorer.errors import ExplorerError, log_detail
from explorer.runs.own_classes import Trained
from explorer.ui import parts, state
from explorer.ui.cam import learn
from explorer.ui.cam.uploads import taken, uploaded, uploader


def show() -> None:
    """The classifier as one file, out and in."""
    here = state.cam_classes()
    if (trained := here.trained) is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.download_button(
                "Save the classifier",
                lambda: save(trained.network, trained.tuned),
                "classes.safetensors",
                icon=":material/download:",
                key=here.key("save"),
                on_click="ignore",
                help="The head and the names of the classes, and the body where it has learnt; no photo is in it.",
            )
    with st.expander("Load a classifier saved here", icon=":material/upload_file:"):
        uploader("A .safetensors file", ["safetensors"], here.key("load"), MAX_FILE, _load)
    if here.unreadable:
        st.error(parts.escape(here.unreadable), icon=":material/error:")
    here.unreadable = ""


def _load(widget: str) -> None:
    """Callback: take a saved classifier; a bad file is named and changes nothing."""
    files = uploaded(widget)
    for file in files:
        try:
            ours = shipped()
            network, _ = load(file.getvalue(), file.name, ours)
        except ExplorerError as error:
            log_detail(error)
            state.cam_classes().unreadable = str(error)
        else:
            learn.use(Trained(f"file-{secrets.token_hex(4)}", network, tuned=network.body is not ours.body))
    taken(widget, files)
