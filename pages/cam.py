"""Class activation maps: which pixels made the network say so, and the same for classes of one's own."""

import streamlit as st

from explorer.ui import start

start.enter()

from explorer.ui import cam_answer, cam_classes, cam_inside, cam_photo, cards, parts, steps

parts.title(
    "Class activation maps", "center_focus_strong",
    "Which pixels did the network look at? Drop a photo: it says cat or dog, how sure it is, and draws the heat "
    "where the evidence lies. Then teach it classes of your own."
)  # fmt: skip
cam_photo.dress()
key, look = cam_answer.sidebar()
cam_photo.bring()
here, source = cam_photo.small_pictures() if key in cam_answer.small_keys() else cam_photo.samples()
shown = cam_photo.choose(here)
parts.source_note(source)
looker = cam_answer.network(key)
answer = cam_answer.explain(looker, shown, look) if looker and shown else None
if answer:
    cam_answer.show(answer)
elif looker:
    st.info("Drop a photo above, or take one. The course's own photos are not here.", icon=":material/add_a_photo:")

if answer:
    st.header("Behind the answer", anchor=False)
    cam_inside.show(answer)

st.header("Teach it your own classes", anchor=False)
cam_classes.show()

steps.try_this(cam_photo.PAGE)
cards.did_you_notice(cam_photo.PAGE)
