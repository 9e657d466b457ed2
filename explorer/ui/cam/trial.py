"""A slot for a test photo beside what was just learnt: its answer and its heat appear right there."""

import streamlit as st

from explorer.cam.explain import explain
from explorer.cam.heat import COLORMAPS, overlay
from explorer.data.photos import MAX_BYTES, read_many
from explorer.errors import ExplorerError
from explorer.runs.own_classes import Trained
from explorer.ui import parts, state
from explorer.ui.cam.answer import says
from explorer.ui.cam.networks import OWN, LoadedNetwork
from explorer.ui.cam.uploads import TYPES, fresh, refusals, taken, uploaded, uploader

WIDE = 340  # pixels of the picture
OPACITY = 0.5


def show(trained: Trained) -> None:
    """Where a test photo comes in, and what the visitor's classifier says of it."""
    here = state.cam_classes()
    camera = here.value("camera", False)
    name = here.key("test", "camera" if camera else "upload")
    if camera:
        st.camera_input("Try it on", key=fresh(name), on_change=_take, args=(name,))
    else:
        uploader("Try it on a photo that it has not seen", TYPES, name, MAX_BYTES, _take)
    refusals(here.test_refused)
    if here.test is None:
        return
    stamp = (trained.stamp, here.test)
    if here.tried is None or here.tried[0] != stamp:
        try:
            here.tried = (stamp, explain(trained.network, here.test))
        except ExplorerError as error:
            parts.refused(error)
            return
    found = here.tried[1]
    loaded = LoadedNetwork(OWN, trained.stamp, trained.network, trained.learnt_from)
    picture = overlay(here.test.rgb, found.heat.values, found.geometry, OPACITY, COLORMAPS[0], smooth=True)
    st.html(says(loaded, found))
    height, width = picture.shape[:2]
    winner = loaded.name(found.winner)
    st.image(picture, width=min(WIDE, round(WIDE * width / height)), alt=f"The test photo, taken for {winner}")
    if here.test.digest in trained.learnt_from:
        st.caption(":material/school: It has learnt from this very photo. Ask about one it has not seen.")


def _take(name: str) -> None:
    """Callback: the photo to try; a bad file is named and changes nothing."""
    files, here = uploaded(name), state.cam_classes()
    photos, here.test_refused = read_many((file.name, file.getvalue()) for file in files[:1])
    taken(name, files)
    if photos:
        here.test = photos[0]
