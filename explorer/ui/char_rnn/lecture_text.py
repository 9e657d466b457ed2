"""The 400 characters that the lecture's LSTM wrote, beside as many of ours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.lecture import printed
from explorer.models.sampling import Sampling
from explorer.ui import parts, state
from explorer.ui.char_rnn import writing

if TYPE_CHECKING:
    from explorer.models.generate import Character


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """Both texts, each character coloured by how much the model on the page expected it."""
    from explorer.models import generate

    here = state.char_rnn()
    with parts.refusals():
        author = writing.author_of(page, experiment, job)
        seed = here.value("lecture_seed", 0)
        ours = list(
            generate.sample(
                author.model, author.vocabulary, Sampling(printed.PROMPT, 400, 1.0, seed=int(seed)), author.window
            )
        )
        theirs = printed.WRITTEN[len(printed.PROMPT) :]
        left, right = st.columns(2, gap="medium")
        with left:
            st.markdown("**The lecture's LSTM**, as the notes print it")
            judged = generate.surprises(author.model, author.vocabulary, printed.WRITTEN) if _remembers(author) else []
            _text(judged[len(printed.PROMPT) :], theirs)
        with right:
            st.markdown(f"**Here:** {experiment.rung.class_name}, {parts.escape(author.name)}")
            _text(ours, "")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Seed", 0, 10**6, 0, key=here.key("lecture_seed"), width=130)
            st.caption(
                "The same prompt, 400 characters, temperature 1: `print(get_next_n('for thos', 400))`. "
                "The darker a character, the less the model on this page expects it there."
            )


def _remembers(author: writing.Author) -> bool:
    return bool(author.model.stateful)


def _text(characters: "Sequence[Character]", plain: str) -> None:
    if not characters:
        st.html(parts.written(printed.PROMPT + plain, [], False))
        return
    st.html(parts.written(printed.PROMPT, characters, True))
    mean = sum(c.surprise for c in characters) / len(characters)
    st.caption(f"{mean:.2f} nats a character to the model on this page")
