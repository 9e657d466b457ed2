"""CIFAR-10: the vision ladder, from fully connected to ResNet."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.errors import SettingsError
from explorer.ladders import Page
from explorer.models import vision
from explorer.ui import board, cards, claim, controls, live, parts, played, runbar, state, steps
from explorer.ui.cifar10 import behind, network, pictures

PAGE = Page.CIFAR10

experiment = controls.current(PAGE, "convnet")
parts.title("CIFAR-10", "grid_view")
claim.strip(PAGE)
controls.rung_picker(PAGE, experiment)
rung = experiment.rung
st.markdown(f"**{rung.class_name}** · {rung.idea}")
bar = runbar.bar(PAGE, live.phase(live.find(PAGE)))
experiment = controls.show(PAGE, experiment, bar)
try:
    vision.check(experiment)
except SettingsError as error:
    st.error(parts.escape(str(error)), icon=":material/error:")
    st.stop()
if rung.key == "builder":
    network.builder(PAGE, experiment)
job = board.training(PAGE, experiment, bar)
with st.container(horizontal=True, vertical_alignment="center"):
    if st.button("Find a learning rate for this model", icon=":material/speed:"):
        state.find_rate(rung.key)
    if st.button("Look inside while it trains", icon=":material/layers:"):
        state.open(Page.BATCHNORM)

played.choice(PAGE, experiment, job, "the best")
st.header("What it gets wrong", anchor=False)
shown = pictures.load(PAGE)
if shown is not None:
    pictures.mistakes(PAGE, experiment, job, shown)

st.header("Behind it", anchor=False)
behind.show(PAGE, experiment, job, shown)

steps.try_this(PAGE, steps.state_of(experiment, job))
cards.did_you_notice(PAGE)
