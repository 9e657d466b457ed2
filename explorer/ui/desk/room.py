"""What goes on: sessions, jobs and their buttons, drawn anew every two seconds."""

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.store.words import State
from explorer.ui import parts, state
from explorer.ui.desk import attendance

BY_TEACHER = "Stopped by the teacher."
MOST = 40  # jobs with buttons of their own


def show() -> None:
    """All of it."""

    @st.fragment(run_every=2.0, key="desk-room")
    def watch() -> None:
        jobs = list(queue.running())
        everybody = attendance.present()
        here = {seen.owner for seen in everybody}
        with st.container(horizontal=True):
            st.metric("Browsers here", len(here), f"{len(everybody)} pages open", delta_color="off", delta_arrow="off")
            st.metric("Training", sum(job.state == State.RUNNING for job in jobs))
            st.metric("Waiting", sum(job.state == State.QUEUED for job in jobs))
            st.metric("Paused", sum(job.state == State.PAUSED for job in jobs))
        _everything(jobs)
        for job in jobs[:MOST]:
            _row(job)
        if len(jobs) > MOST:
            st.caption(f"and {len(jobs) - MOST} more")
        if not jobs:
            st.caption("Nothing is running now.")
        with st.expander("Who is here", icon=":material/groups:"):
            st.dataframe(
                [
                    {
                        "browser": seen.name,
                        "page": seen.page or "home",
                        "here for": parts.seconds(time.time() - seen.since),
                    }
                    for seen in everybody
                ],
                hide_index=True,
                width="stretch",
            )

    watch()


def _everything(jobs: list[Job[Any]]) -> None:
    here = state.desk()
    with st.container(horizontal=True):
        for word, icon, act, some in (
            ("Pause all", "pause", _pause, (State.RUNNING, State.QUEUED)),  # else its turn is the next one's
            ("Resume all", "play_arrow", _resume, (State.PAUSED,)),
            ("Stop all", "stop", _stop, (State.RUNNING, State.PAUSED, State.QUEUED)),
        ):
            meant = [job for job in jobs if job.state in some]
            st.button(
                word,
                icon=f":material/{icon}:",
                key=here.key(word),
                disabled=not meant,
                on_click=_each,
                args=(act, meant),
            )


def _each(act: Callable[[Job[Any]], object], jobs: list[Job[Any]]) -> None:
    for job in jobs:
        act(job)


def _pause(job: Job[Any]) -> None:
    job.pause()


def _resume(job: Job[Any]) -> None:
    job.resume()


def _stop(job: Job[Any]) -> None:
    job.stop(BY_TEACHER)


def _row(job: Job[Any]) -> None:
    key = state.key("desk", job.id)
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        parts.state_badge(job.state, job.message)
        st.markdown(f"**{parts.escape(job.title)}** · {job.kind}", width="stretch")
        st.caption(f"browser {attendance.short(job.owner)}", width="content")
        left = job.eta
        words = queue.waits_for(job) if job.state == State.QUEUED else f"{job.progress:.0%}"
        if left is not None and job.state == State.RUNNING:
            words += f" · {parts.seconds(left)} left"
        st.caption(parts.escape(words), width="content")
        if job.state == State.PAUSED:
            st.button("Resume", icon=":material/play_arrow:", key=state.key(key, "resume"), on_click=job.resume)
        else:
            st.button(
                "Pause",
                icon=":material/pause:",
                key=state.key(key, "pause"),
                on_click=job.pause,
                disabled=job.state not in (State.RUNNING, State.QUEUED),
            )
        st.button("Stop", icon=":material/stop:", key=state.key(key, "stop"), on_click=_stop, args=(job,))
