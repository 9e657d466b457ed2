"""Character RNNs: the language ladder on Nietzsche's text."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.figures import diagrams
from explorer.models import cells, char_rnn
from explorer.ui import board, cards, controls, parts, steps
from explorer.ui.char_rnn import text, writing
from explorer.ui.state import Page

PAGE = Page.CHAR_RNN
st.html(cards.STYLE)

experiment = controls.current(PAGE, "gru")
parts.title(
    "Character RNN",
    "text_fields",
    "A network reads Nietzsche one character at a time and learns to guess the next. All it is told is which one came.",
)
controls.rung_picker(PAGE, experiment)
experiment = controls.sidebar(PAGE, experiment)
rung = experiment.rung
st.markdown(f"**{rung.class_name}** · {rung.idea}")
if rung.note:
    st.caption(f":material/science: {rung.note}")
job = board.training(PAGE, experiment, lambda history: writing.over_training(PAGE, history))

st.header("Let it write", anchor=False)
writing.panel(PAGE, experiment, job)

st.header("Behind it", anchor=False)
tabs = st.tabs(["The text", "The model's code", "Where the memory goes", "The lecture's numbers", "The training loop"])
with tabs[0]:
    text.show(PAGE, experiment)
with tabs[1]:
    parts.drawing(diagrams.unrolled(experiment) + diagrams.arrows_legend())
    if rung.key in ("gru", "gru-cell"):
        parts.drawing(diagrams.gru_cell())
    if rung.key == "lstm":
        parts.drawing(diagrams.lstm_cell())
    parts.code(
        rung.model_class,
        "As it runs here. The lecture keeps the hidden state in the model as "
        "`self.h`; here it is passed in and out, and the loss takes the softmax.",
    )
    if rung.key == "rnn-cell":
        parts.code(cells.rnn_cell)
    if rung.key == "gru-cell":
        parts.code(cells.gru_gates)
        parts.code(cells.gru_cell)
    if rung.cut == "stream":
        parts.code(char_rnn.repackage, "What the lecture calls `repackage_var`: keep the state, forget its history.")
with tabs[2]:
    st.markdown(
        "**Is the memory thrown away on the short last batch?** The lecture's code resets the state when a batch is "
        "*narrower* than the one before, and a reader of the notes asks whether that loses what was learnt. It never "
        "fires here: with 64 parallel streams it is the **length** of the last batch that shrinks, not its width. "
        "The state flows from the end of one epoch into the next.\n\n"
        "See what losing it would cost: set **Reset the hidden state** to *batch* (the preset *Forgetful* of the "
        "stateful RNN) and train; then *never*. Truncated back-propagation is something else: after each batch the "
        "state's **history** is cut, so gradients reach back `bptt` characters, while the state itself runs on."
    )
with tabs[3]:
    if rung.figures:
        parts.reference_table(rung)
        st.caption("Measured by others, on their machines; the notebook kept line breaks, which lowers its losses.")
    else:
        st.caption("The notes print no figure for this rung.")
with tabs[4]:
    board.training_loop()

steps.try_this(PAGE, steps.state_of(experiment, job))
cards.did_you_notice(PAGE)
