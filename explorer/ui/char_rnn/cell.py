"""The cell of the rung on the page, with the numbers of one unit at one character in its formulas."""

from typing import Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import diagrams, formulas
from explorer.figures.unit import over_text
from explorer.jobs.job import Job
from explorer.ui import parts, plot, state
from explorer.ui.char_rnn import writing
from explorer.ui.char_rnn.batch import visible

MOST = 48  # characters that are read


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """Formulas, numbers and the cell's drawing with this unit's gates; nothing for a rung without such a cell."""

    from explorer.models import generate
    from explorer.probes import gates

    here = state.char_rnn()
    st.markdown("**The cell, in numbers**")
    with parts.refusals():
        author = writing.author_of(page, experiment, job)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            text = st.text_input(
                "It reads", "for those who think", max_chars=MOST, key=here.key("cell_text"), width=300
            )
            tokens = generate.encode_prompt(text, author.vocabulary, next(author.model.parameters()).device)[:, 0]
            traced = gates.trace(author.model, tokens)
            last = len(traced.layers[-1]["h"]) - 1
            lively = int(traced.liveliest()[0])
            units = traced.layers[-1]["h"].shape[1]
            unit = st.number_input(
                "Unit",
                0,
                units - 1,
                lively,
                key=here.key("cell_unit", *map(str, author.stamp)),
                width=130,
                help="Of the last layer. It begins with the one that moves most over this text.",
            )
        letters = [visible(c) for c in author.vocabulary.decode(tokens.tolist())]
        at = (
            int(
                st.select_slider(
                    "At the character",
                    range(last + 1),
                    min(7, last),
                    format_func=lambda place: f"{place + 1}: {letters[place]}",
                    key=here.key("cell_at", last),
                )
            )
            if last
            else 0
        )
        found = gates.worked(author.model, traced, tokens, at, int(unit))
        if len(found.gates) == 3:
            parts.drawing(diagrams.gru_cell(found.gates["z"], found.gates["r"]))
        elif len(found.gates) == 4:
            parts.drawing(diagrams.lstm_cell(found.gates["f"], found.gates["i"], found.gates["o"]))
        left, right = st.columns(2, gap="medium")
        with left:
            st.latex(formulas.aligned(formulas.general(found)))
        with right:
            st.latex(formulas.aligned(formulas.with_numbers(found)))
        st.caption(
            f"First for all units at once, then unit {unit} of {parts.escape(author.name)} when it reads "
            f"“{parts.escape(letters[at])}”: in each bracket first what comes from the character, then what comes from "
            "the state before. The drawing's lines are as strong as this unit's gates are open."
        )
        plot.chart(
            page,
            "unit",
            ("unit", *author.stamp, text, int(unit), at),
            lambda: over_text({name: values[:, int(unit)] for name, values in traced.layers[-1].items()}, letters, at),
            "The unit's state and gates at each character of the text.",
            "The same unit over the whole text: what it holds, and how far its gates are open.",
        )


def has_one(experiment: Experiment) -> bool:
    """Whether the rung has a cell whose formulas stand here."""
    return experiment.model in ("char-rnn", "char-seq", "stateful", "rnn-cell", "gru", "gru-cell", "lstm")
