"""Class activation maps: which pixels made the network say so, and the same for classes of one's own."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.ladders import Page
from explorer.ui import cards, claim, parts, steps
from explorer.ui.cam import board, classes, photos, two_fits
from explorer.ui.cam.networks import network, small_keys
from explorer.ui.cam.options import sidebar

parts.title("Class activation maps", "center_focus_strong", "Which pixels made the network say so?")
claim.strip(Page.CAM)
photos.dress()
key, options = sidebar()
photos.bring()
here, source = photos.small_pictures() if key in small_keys() else photos.samples()
shown = photos.choose(here)
parts.source_note(source)
loaded = network(key)
if loaded and shown:
    board.show(loaded, shown, options)
elif loaded:
    st.info("Drop a photo above, or take one. The photos that ship were deleted.", icon=":material/add_a_photo:")

two_fits.show()

st.header("Teach it your own classes", anchor=False)
classes.show()

steps.try_this(Page.CAM)
cards.did_you_notice(Page.CAM)
