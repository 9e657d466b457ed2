"""What follows a running job on a page."""

import pytest
from streamlit.testing.v1 import AppTest

from explorer import jobs


def between_buttons_and_panel(before: str, after: str) -> None:
    """A page whose job changes its state just after its buttons were drawn."""
    import streamlit as st

    from explorer import jobs
    from explorer.ui import live

    job = st.session_state.setdefault("job", jobs.Job("train", "a run", lambda job: None, state=before))
    phase = live.phase(job)
    st.button("Stop", disabled=phase == "ended")
    st.caption(f"drawn for {phase}")
    job.state = after
    live.panel("page", job, lambda job: None, phase)


@pytest.mark.parametrize(
    ("before", "after", "phase"),
    [
        (jobs.RUNNING, jobs.STOPPED, "ended"),
        (jobs.RUNNING, jobs.PAUSED, "paused"),
        (jobs.PAUSED, jobs.RUNNING, "going"),
        (jobs.RUNNING, jobs.STOPPING, "going"),
        (jobs.DONE, jobs.DONE, "ended"),
    ],
)
def test_buttons_follow_a_job_that_changes_while_the_page_is_drawn(before, after, phase) -> None:
    at = AppTest.from_function(between_buttons_and_panel, args=(before, after)).run()
    assert not at.exception
    assert at.caption[0].value == f"drawn for {phase}"
    assert at.button[0].disabled == (phase == "ended")
