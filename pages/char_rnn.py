"""Character RNNs: the language ladder on Nietzsche's text."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.ladders import Page
from explorer.ui import board, cards, claim, controls, live, parts, played, runbar, steps
from explorer.ui.char_rnn import behind, writing

PAGE = Page.CHAR_RNN

experiment = controls.current(PAGE, "gru")
parts.title("Character RNN", "text_fields")
claim.strip(PAGE)
controls.rung_picker(PAGE, experiment)
rung = experiment.rung
st.markdown(f"**{rung.class_name}** · {rung.idea}")
bar = runbar.bar(PAGE, live.phase(live.find(PAGE)))
experiment = controls.show(PAGE, experiment, bar)
job = board.training(PAGE, experiment, bar, lambda history: writing.over_training(PAGE, history))

played.choice(PAGE, experiment, job, "the last")
st.header("Let it write", anchor=False)
writing.panel(PAGE, experiment, job)

st.header("Behind it", anchor=False)
behind.show(PAGE, experiment, job)

steps.try_this(PAGE, steps.state_of(experiment, job))
cards.did_you_notice(PAGE)
