"""Behind the character RNNs' curves: the text, the model, its memory, the lecture's numbers, the loop."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.ladders import Cut
from explorer.models import cells, char_rnn
from explorer.runs.jobs import Job
from explorer.ui import activations, behind, beside, live, loop, parts, played
from explorer.ui.char_rnn import alphabet, batch, cell, lecture_text, next_character, text, writing

TABS = {
    "text": "The text",
    "batch": "A mini-batch",
    "next": "The next character",
    "code": "The model's code",
    "layers": "Its activations",
    "memory": "Where the memory goes",
    "notes": "The lecture's numbers",
    "loop": "The training loop",
}


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """The tabs; only the open one is drawn."""
    behind.tabs(
        page,
        TABS,
        {
            "text": partial(_text, page, experiment),
            "batch": partial(batch.show, experiment),
            "next": partial(next_character.show, page, experiment, job),
            "code": partial(_code, page, experiment, job),
            "layers": partial(_activations, page, experiment, job),
            "memory": _memory,
            "notes": partial(_numbers, page, experiment, job),
            "loop": partial(loop.show, page, experiment, job),
        },
    )


def _text(page: str, experiment: Experiment) -> None:
    text.show(page, experiment)
    alphabet.show(page, experiment)


def _code(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    rung = experiment.rung
    parts.drawing(diagrams.unrolled(experiment) + diagrams.arrows_legend())
    if cell.has_one(experiment):
        cell.show(page, experiment, job)
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


def _activations(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    from explorer.probes.at_rest import at_rest
    from explorer.training import prepare

    with parts.refusals():
        author = writing.author_of(page, experiment, job)
        run, _, trained = live.shown(page, experiment, job)
        if played.own(page, experiment) is not None:
            trained = experiment
        data = prepare.text_for(trained, next(author.model.parameters()).device)
        if data.vocabulary != author.vocabulary:
            st.caption("These weights know other characters than the text that is here.")
            return
        x = next(iter(data.valid_batches())).x
        record = at_rest(author.model, x)
        of = f"{author.name[0].upper()}{author.name[1:]}, reading {x.numel():,} characters of the validation text"
        activations.show(page, (run, author.name), record, of)


def _memory() -> None:
    st.markdown(
        "**Is the memory thrown away on the short last batch?** A reader of the notes asks. The lecture's code resets "
        "the state when a batch is *narrower*; the last batch is *shorter*, so the state flows on into the next "
        "epoch.\n\n"
        "What would losing it cost? Train the **Stateful RNN** with its preset *Forgetful*, then without. Truncated "
        "back-propagation is something else: after each batch only the state's **history** is cut."
    )


def _numbers(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    beside.show(page, experiment, job)
    if experiment.rung.figures:
        st.caption("Measured by others, on their machines; the notebook kept line breaks, which lowers its losses.")
    st.subheader("The text that the lecture's model wrote", anchor=False)
    lecture_text.show(page, experiment, job)
    beside.links(experiment)
