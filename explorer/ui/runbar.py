"""The run bar of a page: what one sets, presses and reads while a job is at work, in sight however far one scrolls."""

import html
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import streamlit as st

from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.store.words import State
from explorer.ui import app, parts, state
from explorer.ui.live import AT_WORK, Phase


class Tone(StrEnum):
    """How a number's note is meant."""

    PLAIN = "plain"
    BETTER = "better"
    WORSE = "worse"


@dataclass(frozen=True)
class Number:
    """One number of the row: its name, its value in words, and what to hold it against."""

    name: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN
    help: str = ""  #: shown on hovering


def bar(page: str, phase: Phase) -> AbstractContextManager[Any]:
    """The bar's frame, to be drawn into; it stays at the top of the window while the page's job is at work.

    Args:
        page: or the section that has the job, by its name.
        phase: of its job, see :func:`explorer.ui.live.phase`.
    """
    word = "runbar-atwork" if phase in AT_WORK else "runbar"
    return st.container(key=state.key(page, word), gap="small")


def status(job: Job[Any], numbers: Sequence[Number] = ()) -> None:
    """What a job is doing and for how long yet, and its numbers: one slim row, redrawn with the job."""
    if job.owner != app.owner():
        st.badge("somebody else's run: you are watching", icon=":material/visibility:", color="gray")
    if job.state == State.QUEUED:
        _queued(job)
    row(job.state, advancement(job), numbers, None if job.ended else job.progress)


def row(word: str, note: str, numbers: Iterable[Number], progress: float | None = None) -> None:
    """A state, what there is to say about it, and numbers; with a line under them as long as ``progress``."""
    _, colour = parts.STATE_LOOKS[word]
    first = (
        f'<div class="x-state"><dt class="x-{colour}">{html.escape(word)}</dt><dd>{html.escape(note)}</dd></div>'
        if note
        else f'<div class="x-state"><dt></dt><dd class="x-{colour}">{html.escape(word)}</dd></div>'
    )
    line = (
        f'<div class="x-progress" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * progress:.0f}"><i style="width:{min(1.0, progress):.1%}"></i></div>'
        if progress is not None
        else ""
    )
    st.html(f'<dl class="x-row">{first}{"".join(map(_cell, numbers))}</dl>{line}')


def _cell(number: Number) -> str:
    title = f' title="{html.escape(number.help)}"' if number.help else ""
    note = f' <small class="x-{number.tone}">{html.escape(number.note)}</small>' if number.note else ""
    return f"<div{title}><dt>{html.escape(number.name)}</dt><dd>{html.escape(number.value)}{note}</dd></div>"


def _queued(job: Job[Any]) -> None:
    """What a job waits for, and a way to stop those of one's own that are before it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(parts.escape(queue.waits_for(job)), width="content")
        for other in job.before():
            if other.owner == app.owner():
                st.button(
                    f"Stop {parts.escape(other.title)}",
                    icon=":material/stop:",
                    on_click=other.stop,
                    key=state.key(job.id, "instead", other.id),
                )


def advancement(job: Job[Any]) -> str:
    """How far a run is; while it really runs also for how long yet, and how fast."""
    if job.ended or job.state == State.QUEUED:
        return ""
    said = [f"{job.progress:.0%}"]
    if job.state == State.RUNNING:
        said += [f"{parts.seconds(job.eta)} left"] if job.eta is not None else []
        said += [pace(job.pace.rate)] if job.pace.rate else []
    return " · ".join(said)


def pace(rate: float) -> str:
    """Steps a second in words; seconds a step where one takes longer than that."""
    if rate < 0.95:
        return f"{1 / rate:,.0f} s a step"
    steps = f"{rate:,.0f}"
    return f"{steps} step{'' if steps == '1' else 's'}/s"
