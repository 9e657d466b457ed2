"""CIFAR-10: the vision ladder, from fully connected to ResNet."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.experiment import Experiment
from explorer.ladders import Page
from explorer.ui import board, cards, claim, controls, parts, played, runbar, state, steps
from explorer.ui.cifar10 import behind, network, pictures

PAGE = Page.CIFAR10

experiment = controls.current(PAGE, "convnet")
parts.title("CIFAR-10", "grid_view")
claim.strip(PAGE)
controls.rung_picker(PAGE, experiment)
rung = experiment.rung
st.markdown(f"**{rung.class_name}** · {rung.idea}")
shown = board.Shown.on(PAGE, experiment)
bar = runbar.bar(PAGE, shown.phase)
drawing = st.container() if rung.key == "builder" else bar
board.training(PAGE, experiment, shown)
under = st.container()
with st.container(horizontal=True, vertical_alignment="center"):
    if st.button("Find a learning rate for this model", icon=":material/speed:"):
        state.find_rate(rung.key)
    if st.button("Look inside while it trains", icon=":material/layers:"):
        state.open(Page.BATCHNORM)

played.choice(PAGE, experiment, shown.job, "the best")
st.header("What it gets wrong", anchor=False)
photos = pictures.load(PAGE)
wrong = st.container()

st.header("Behind it", anchor=False)


def known(now: Experiment) -> bool:
    with drawing:
        return network.known(PAGE, now)


board.settings(PAGE, shown, bar, under, lambda now: behind.show(PAGE, now, shown.job, photos), known)
if photos is not None:
    with wrong:  # last, as it asks the model
        pictures.mistakes(PAGE, experiment, shown.job, photos)

steps.try_this(PAGE, steps.state_of(experiment, shown.job))
cards.did_you_notice(PAGE)
