"""The 400 characters that the lecture's LSTM wrote, beside as many of ours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import devices
from explorer.experiment import Experiment
from explorer.jobs.courtesy import COURTESY
from explorer.jobs.job import Job
from explorer.lecture import printed
from explorer.models.sampling import Sampling
from explorer.ui import parts, state
from explorer.ui.char_rnn import writing

if TYPE_CHECKING:
    from explorer.models.generate import Character


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """Both texts, each character coloured by how much the model on the page expected it."""
    here = state.char_rnn()
    with parts.refusals():
        with COURTESY.asking(), devices.one_thread():
            author = writing.author_of(page, experiment, job)
            theirs = _judged(author, author.stamp)
            ours = _ours(author, author.stamp, int(here.value("lecture_seed", 0)))
        left, right = st.columns(2, gap="medium")
        with left:
            st.markdown("**The lecture's LSTM**, as the notes print it")
            _text(theirs, printed.WRITTEN[len(printed.PROMPT) :])
        with right:
            st.markdown(f"**Here:** {experiment.rung.class_name}, {parts.escape(author.name)}")
            _text(ours, "")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Seed", 0, 10**6, 0, key=here.key("lecture_seed"), width=130, on_change=COURTESY.expect)
            st.caption(
                "The same prompt, 400 characters, temperature 1: `print(get_next_n('for thos', 400))`. "
                "The darker a character, the less the model on this page expects it there."
            )


@st.cache_resource(max_entries=64, show_spinner=False)
def _judged(_author: writing.Author, stamp: state.Stamp) -> "Sequence[Character]":
    """What was printed after the prompt, as the author would have it; nothing where that has no memory."""
    from explorer.models import generate

    if not _author.model.stateful:
        return []
    return generate.surprises(_author.model, _author.vocabulary, printed.WRITTEN)[len(printed.PROMPT) :]


@st.cache_resource(max_entries=64, show_spinner=False)
def _ours(_author: writing.Author, stamp: state.Stamp, seed: int) -> "Sequence[Character]":
    """As many characters by the author."""
    from explorer.models import generate

    asked = Sampling(printed.PROMPT, 400, 1.0, seed=seed)
    return list(generate.sample(_author.model, _author.vocabulary, asked, _author.window))


def _text(characters: "Sequence[Character]", plain: str) -> None:
    if not characters:
        st.html(parts.written(printed.PROMPT + plain, [], False))
        return
    st.html(parts.written(printed.PROMPT, characters, True))
    mean = sum(c.surprise for c in characters) / len(characters)
    st.caption(f"{mean:.2f} nats a character to the model on this page")
