"""The "Try this" steps of a page: what it tells them, and how they are drawn."""

from typing import TYPE_CHECKING

import streamlit as st

from explorer.experiment import Experiment
from explorer.lecture import steps as lessons

if TYPE_CHECKING:
    from explorer.runs.jobs import Job


def state_of(experiment: Experiment, job: "Job | None") -> lessons.State:
    """What a training page tells its steps: its settings and its run."""
    ran = job.experiment if job is not None and job.experiment is not None else experiment
    return {
        "model": ran.model,
        "changes": ran.changes(),
        "state": job.state if job is not None else "",
        "epochs": len(job.history.snapshot().epochs) if job is not None else 0,
    }


def did(page: str, word: str) -> None:
    """Remember that something was done on a page, for its steps."""
    st.session_state.setdefault(f"{page}.did", set()).add(word)


def try_this(page: str, state: lessons.State | None = None) -> None:
    """The page's steps; one stays ticked once it was done in this session."""
    steps = lessons.PAGES[page]
    told = {**(state or {}), "done": st.session_state.get(f"{page}.did", set())}
    ticked: set[str] = st.session_state.setdefault(f"{page}.ticked", set())
    ticked |= lessons.finished(page, told)
    with st.expander(f"Try this · {len(ticked)} of {len(steps)}", icon=":material/checklist:"):
        for step in steps:
            sign = ":green[:material/check_circle:]" if step.id in ticked else ":material/radio_button_unchecked:"
            told_off = " *(done)*" if step.id in ticked else ""
            st.markdown(f"{sign} **{step.title}**{told_off}. {step.text}")
