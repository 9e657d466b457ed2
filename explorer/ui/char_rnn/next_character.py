"""``get_next('for thos')`` step by step: logits, divided by the temperature, softmax, one draw."""

from typing import Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.ui import parts, state
from explorer.ui.char_rnn import die, writing
from explorer.ui.char_rnn.batch import visible

MOST = 200  # characters of a prompt that grows


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """A prompt, what may follow it, and a die that one throws oneself."""
    from explorer.models import generate, next_character

    here = state.char_rnn()
    with parts.refusals():
        author = writing.author_of(page, experiment, job)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            prompt = st.text_input("Prompt", "for thos", max_chars=MOST, key=here.key("die_prompt"), width=260)
            if st.button("Begin again", icon=":material/restart_alt:", key=here.key("die_again")):
                here.set("die_tail", "")
            st.caption(f"Asked: {parts.escape(author.name)}.")
        tail = here.value("die_tail", "")
        found = next_character.next_character(author.model, author.vocabulary, prompt + tail, author.window)

        def append(character: str) -> None:
            here.set("die_tail", (tail + character)[-MOST:])

        st.html(parts.written(prompt, [generate.Character(tail, 0.0)] if tail else [], False))
        die.show(found, [visible(c) for c in found.characters], here.key("die"), append)
        st.caption(
            "The ten likeliest of "
            f"{len(found.characters)} characters. A low temperature sharpens the shares, a high one levels them; the "
            "order never changes. **Append** gives the drawn character back to the model and asks again."
        )
        parts.code(
            generate.choose,
            "The lecture draws with `torch.multinomial(p[-1].exp(), 1)`, at temperature 1. The draw behind *Write*:",
        )
