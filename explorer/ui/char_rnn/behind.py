"""Behind the character RNNs' curves: the text, the model, its memory, the lecture's numbers, the loop."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from torch import nn

from explorer import devices
from explorer.data.vocabulary import Vocabulary
from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.jobs.job import Job
from explorer.ladders import Cut
from explorer.models import cells, char_rnn
from explorer.probes.activation_record import ActivationRecord
from explorer.probes.at_rest import at_rest
from explorer.store.store import Which
from explorer.training import checkpoint, prepare
from explorer.ui import activations, behind, beside, live, loop, parts, played, state
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
    with parts.refusals():
        run, _, trained = live.shown(page, experiment, job)
        if played.own(page, experiment) is not None:
            trained = experiment
        if played.at_work(page, experiment, job) is not None:
            author = writing.author_of(page, experiment, job)
            name = author.name
            stamp: state.Stamp = (run, name)
            found = _looked_at(copy.deepcopy(author.model), author.vocabulary, trained)
        else:
            path, name = played.weights(page, job, experiment, Which.FINAL)
            if path is None:
                st.caption(name)
                return
            stamp = (str(path), path.stat().st_mtime)
            found = _looked(path, path.stat().st_mtime, trained)
        if found is None:
            st.caption("These weights know other characters than the text that is here.")
            return
        record, characters = found
        of = f"{name[0].upper()}{name[1:]}, reading {characters:,} characters of the validation text"
        activations.show(page, stamp, record, of)


@st.cache_data(max_entries=32, show_spinner=False)
def _looked(path: Path, stamp: float, trained: Experiment) -> tuple[ActivationRecord, int] | None:
    """What :func:`_looked_at` finds of a weights file."""
    model, story = checkpoint.load(path, devices.choose())
    return _looked_at(model, story.vocabulary, trained)


def _looked_at(
    model: nn.Module, vocabulary: Vocabulary | None, trained: Experiment
) -> tuple[ActivationRecord, int] | None:
    """What the layers give for a batch of the validation text, and its characters; None where it has others.

    Args:
        model: nobody else's meanwhile, as it is watched.
    """
    data = prepare.text_for(trained, next(model.parameters()).device)
    if data.vocabulary != vocabulary:
        return None
    x = next(iter(data.valid_batches())).x
    return at_rest(model, x), x.numel()


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
