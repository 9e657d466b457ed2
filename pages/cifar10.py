"""CIFAR-10: the vision ladder, from fully connected to ResNet."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.errors import SettingsError
from explorer.figures import diagrams
from explorer.models import vision
from explorer.models.sizes import picture_sides
from explorer.ui import board, cards, controls, parts, state, steps
from explorer.ui.cifar10 import network, pictures
from explorer.ui.state import Page

PAGE = Page.CIFAR10
st.html(cards.STYLE)

experiment = controls.current(PAGE, "convnet")
parts.title(
    "CIFAR-10",
    "grid_view",
    "50,000 pictures of ten classes. From a fully connected net at 47 % to a ResNet at 90 %, a rung is one idea more.",
)
controls.rung_picker(PAGE, experiment)
experiment = controls.sidebar(PAGE, experiment)
rung = experiment.rung
st.markdown(f"**{rung.class_name}** · {rung.idea}")
if rung.note:
    st.caption(f":material/science: {rung.note}")
try:
    vision.check(experiment)
except SettingsError as error:
    st.error(parts.escape(str(error)), icon=":material/error:")
    st.stop()
shown = pictures.load()
if shown is None:
    st.stop()
job = board.training(PAGE, experiment)
with st.container(horizontal=True, vertical_alignment="center"):
    if st.button("Find a learning rate for this model", icon=":material/speed:"):
        state.find_rate(rung.key)
    if st.button("Look inside while it trains", icon=":material/layers:"):
        state.open(Page.BATCHNORM)

st.header("What it gets wrong", anchor=False)
pictures.mistakes(PAGE, experiment, job, shown)

st.header("Behind it", anchor=False)
tabs = st.tabs(["The pictures", "The network", "The model's code", "The lecture's numbers", "The training loop"])
with tabs[0]:
    pictures.show(PAGE, shown, experiment)
with tabs[1]:
    sides = picture_sides(experiment)
    parts.drawing(diagrams.conv_ladder(sides) if sides else diagrams.shared_weights())
    network.show(PAGE, experiment)
with tabs[2]:
    network.code(experiment)
with tabs[3]:
    if rung.figures:
        parts.reference_table(rung)
    st.caption(
        "Measured by others: the notes on a split with some cars in both parts, the notebook trained on all 50,000 "
        "pictures and validated on the test set. Both print accuracy averaged over batches; ours is exact."
    )
with tabs[4]:
    board.training_loop()

steps.try_this(PAGE, steps.state_of(experiment, job))
cards.did_you_notice(PAGE)
