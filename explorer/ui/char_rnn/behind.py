"""Behind the character RNNs' curves: the text, the model, its memory, the lecture's numbers, the loop."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.ladders import Cut
from explorer.models import cells, char_rnn
from explorer.runs.jobs import Job
from explorer.ui import behind, beside, board, parts
from explorer.ui.char_rnn import lecture_text, text


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """The tabs; only the open one is drawn."""
    behind.tabs(
        page,
        {
            "The text": partial(text.show, page, experiment),
            "The model's code": partial(_code, experiment),
            "Where the memory goes": _memory,
            "The lecture's numbers": partial(_numbers, page, experiment, job),
            "The training loop": board.training_loop,
        },
    )


def _code(experiment: Experiment) -> None:
    rung = experiment.rung
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
    if rung.cut == Cut.STREAM:
        parts.code(char_rnn.repackage, "What the lecture calls `repackage_var`: keep the state, forget its history.")


def _memory() -> None:
    st.markdown(
        "**Is the memory thrown away on the short last batch?** The lecture's code resets the state when a batch is "
        "*narrower* than the one before, and a reader of the notes asks whether that loses what was learnt. It never "
        "fires here: with 64 parallel streams it is the **length** of the last batch that shrinks, not its width. "
        "The state flows from the end of one epoch into the next.\n\n"
        "See what losing it would cost: set **Reset the hidden state** to *batch* (the preset *Forgetful* of the "
        "stateful RNN) and train; then *never*. Truncated back-propagation is something else: after each batch the "
        "state's **history** is cut, so gradients reach back `bptt` characters, while the state itself runs on."
    )


def _numbers(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    beside.show(page, experiment, job)
    if experiment.rung.figures:
        st.caption("Measured by others, on their machines; the notebook kept line breaks, which lowers its losses.")
    st.subheader("The text that the lecture's model wrote", anchor=False)
    lecture_text.show(page, experiment, job)
    beside.links(experiment)
