"""The "Try this" steps of a page: what it tells them, and how they are drawn."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.experiment import Experiment
from explorer.lecture.steps import PAGES, Step, Told, finished
from explorer.ui import state

if TYPE_CHECKING:
    from explorer.jobs.job import Job


def state_of(experiment: Experiment, job: "Job[Any] | None") -> Told:
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
    state.place(page).did.add(word)


def try_this(page: str, told: Told | None = None) -> None:
    """The page's steps; one stays ticked once it was done in this session."""
    here, steps = state.place(page), PAGES[page]
    here.ticked |= finished(page, {**(told or {}), "done": here.did})
    with st.expander(f"Try this · {len(here.ticked)} of {len(steps)}", icon=":material/checklist:"):
        st.markdown("\n\n".join(_line(step, step.id in here.ticked) for step in steps))


def _line(step: Step, done: bool) -> str:
    sign = ":green[:material/check_circle:]" if done else ":material/radio_button_unchecked:"
    return f"{sign} **{step.title}**{' *(done)*' * done}. {step.text}"
