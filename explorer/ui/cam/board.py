"""The CAM page's board: the answer and what lies behind it."""

import streamlit as st

from explorer.ladders import Page
from explorer.ui import claim, live, state
from explorer.ui.cam import answer, behind
from explorer.ui.cam.networks import LoadedNetwork
from explorer.ui.cam.options import ViewOptions
from explorer.ui.cam.photos import ShownPhoto


@st.fragment
def show(loaded: LoadedNetwork, shown: ShownPhoto, options: ViewOptions) -> None:
    """What the network says of the photo. Its controls, another class or another opacity, draw nothing else anew."""
    here = state.place(Page.CAM)
    done, said = len(here.did), claim.said(Page.CAM)
    found = answer.ask(loaded, shown, options)
    if found is None:
        return
    answer.show(found)
    st.header("Behind the answer", anchor=False)
    behind.show(found)
    if len(here.did) > done or claim.said(Page.CAM) != said:
        live.redraw()  # the page's steps have one more that is done, or the claim's strip says something else
