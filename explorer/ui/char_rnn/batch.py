"""One mini-batch, drawn as the lecture draws it: its x beside its y, where the next one begins, what the loss sees."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from explorer.data import peek, text
from explorer.data.peek import Peek
from explorer.data.vocabulary import PADDING, UNKNOWN
from explorer.experiment import Experiment
from explorer.figures import batches
from explorer.ladders import Cut
from explorer.training import learner
from explorer.ui import parts, state

FEW = 12  # rows shown unless all are asked for


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Experiment: repr})
def _peek(_corpus: text.Corpus, checksum: str, experiment: Experiment, number: int) -> Peek:
    return peek.peek(_corpus, experiment, number)


def show(experiment: Experiment) -> None:
    """A batch of the first epoch, chosen by its number."""
    here = state.char_rnn()
    with parts.refusals():
        corpus = text.of(experiment)
        data = experiment.replace(lr=1e-3, epochs=1)  # what does not change a batch does not make another one
        streams = experiment.rung.cut == Cut.STREAM
        with st.container(horizontal=True, vertical_alignment="bottom"):
            number = st.number_input("Batch", 1, peek.batches(corpus, data), 1, key=here.key("batch"), width=130)
            said = st.segmented_control(
                "As", ["letters", "numbers"], default="letters", required=True, key=here.key("batch_as")
            )
            every = st.toggle(f"All {experiment.batch_size}", key=here.key("batch_all"))
        found = _peek(corpus, corpus.source.checksum, data, int(number) - 1)
        _explain(experiment, found, corpus)
        letters = [visible(c) for c in corpus.vocabulary.itos]
        word: Callable[[int], str] = letters.__getitem__ if said == "letters" else str
        rows = found.x.shape[1] if every else min(FEW, found.x.shape[1])
        y = found.y if found.y.ndim == 2 else found.y[None]
        then = found.then if streams else found.then[:0]
        parts.drawing(
            batches.beside(
                _cells(found.x, rows, word),
                _cells(y, rows, word),
                _cells(then, rows, word),
                [str(i + 1) for i in range(rows)],
            )
        )
        if rows < found.x.shape[1]:
            st.caption(
                f"The first {rows} of {found.x.shape[1]} rows. PyTorch holds this turned: time down, rows across."
            )
        if found.y.ndim == 2:
            st.markdown("**What the loss sees**")
            parts.drawing(batches.flattened(len(found.x), found.x.shape[1], len(corpus.vocabulary)))
            st.caption(
                "Softmax takes rank 2 (or 4), so the predictions are laid flat with `.view(-1, vocab_size)`, and the "
                "actual characters likewise. `dim=-1` says: over the alphabet."
            )
            parts.code(learner.cross_entropy)


def _explain(experiment: Experiment, found: Peek, corpus: text.Corpus) -> None:
    size = len(found.x)
    if experiment.rung.cut == Cut.STREAM:
        parts.drawing(batches.streams(found.x.shape[1], found.length, found.start, size))
        st.caption(
            f"{len(corpus.train):,} characters become {found.x.shape[1]} streams of {found.length:,}, read side by "
            f"side. This batch is **{size} × {found.x.shape[1]}**; y is x one character on, and the next batch's x "
            "begins with y's last character, so the hidden state of each row goes on where it was."
        )
        return
    step = "at every character" if experiment.rung.cut == Cut.SLIDING else f"every {size} characters"
    aim = "every next character" if found.y.ndim == 2 else "the one character after it"
    st.caption(
        f"A window of {size} begins {step}; the windows are shuffled. Beside each stands what is to be told: {aim}."
    )


def _cells(values: np.ndarray, rows: int, word: Callable[[int], str]) -> list[list[str]]:
    """(time, batch) as rows of words, a row a stream."""
    return [[word(int(token)) for token in values[:, row]] for row in range(rows)]


def visible(character: str) -> str:
    """A character that one can see: a sign for blanks and for what the alphabet adds."""
    return {" ": "␣", "\n": "⏎", "\t": "⇥", UNKNOWN: "□", PADDING: "▯", "\0": "\\0"}.get(character, character)
