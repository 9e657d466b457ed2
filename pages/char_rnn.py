"""Character RNNs: the language ladder on Nietzsche's text."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.ladders import Page
from explorer.ui import board, cards, claim, controls, parts, played, runbar, steps
from explorer.ui.char_rnn import behind, writing

PAGE = Page.CHAR_RNN

experiment = controls.current(PAGE, "gru")
parts.title("Character RNN", "text_fields")
claim.strip(PAGE)
controls.rung_picker(PAGE, experiment)
rung = experiment.rung
st.markdown(f"**{rung.class_name}** · {rung.idea}")
shown = board.Shown.on(PAGE, experiment)
bar = runbar.bar(PAGE, shown.phase)
board.training(PAGE, experiment, shown, lambda history: writing.over_training(PAGE, history))
under = st.container()

played.choice(PAGE, experiment, shown.job, "the last")
st.header("Let it write", anchor=False)
text = st.container()

st.header("Behind it", anchor=False)
board.settings(PAGE, shown, bar, under, lambda now: behind.show(PAGE, now, shown.job))
with text:  # last, as the first text takes longest
    writing.panel(PAGE, experiment, shown.job)

steps.try_this(PAGE, steps.state_of(experiment, shown.job))
cards.did_you_notice(PAGE)
