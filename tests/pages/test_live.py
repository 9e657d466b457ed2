"""What follows a running job on a page."""

import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import paths
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.store.history import COLUMNS
from explorer.store.store import Run, Store
from explorer.store.words import State
from tests.pages.conftest import open_page, wait


def between_buttons_and_panel(before: str, after: str) -> None:
    """A page whose job changes its state just after its buttons were drawn."""
    import streamlit as st

    from explorer.jobs.job import Job
    from explorer.store import words
    from explorer.ui import live

    job = st.session_state.setdefault("job", Job(words.Kind.TRAIN, "a run", lambda job: None, state=before))
    phase = live.phase(job)
    st.button("Stop", disabled=phase == "ended")
    st.caption(f"drawn for {phase}")
    job.state = after
    live.panel("page", job, lambda job: None, phase)


@pytest.mark.parametrize(
    ("before", "after", "phase"),
    [
        (State.RUNNING, State.STOPPED, "ended"),
        (State.RUNNING, State.PAUSED, "paused"),
        (State.PAUSED, State.RUNNING, "going"),
        (State.RUNNING, State.STOPPING, "going"),
        (State.DONE, State.DONE, "ended"),
    ],
)
def test_buttons_follow_a_job_that_changes_while_the_page_is_drawn(before, after, phase) -> None:
    at = AppTest.from_function(between_buttons_and_panel, args=(before, after)).run()
    assert not at.exception
    assert at.caption[0].value == f"drawn for {phase}"
    assert at.button[0].disabled == (phase == "ended")


def _store_a_run(run: str, loss: float) -> None:
    """A run of five steps with one loss throughout, as an earlier server left it."""
    store, now = Store(), time.time()
    experiment = Experiment.of("gru", epochs=1)
    store.begin(Run(run, "somebody", "train", "GRU", experiment, "done", "", "cpu", "a text", now, now))
    rows = np.full((5, len(COLUMNS)), loss)
    rows[:, COLUMNS.index("step")] = np.arange(1, 6)
    store.append(run, rows)


def test_two_runs_read_back_from_disk_are_two_charts() -> None:
    _store_a_run("aaaa1111", 3.0)
    _store_a_run("bbbb2222", 2.0)
    at = open_page("char_rnn", run="aaaa1111")
    drawn = []
    for run in ("aaaa1111", "bbbb2222"):
        at.query_params["run"] = run
        at.run()
        assert not at.exception, at.exception
        drawn.append(at.session_state["char_rnn"].charts["loss"][1].figure.data[0].y[0])
    assert drawn == [3.0, 2.0]


def ending_while_it_is_drawn() -> None:
    """A page whose map is finished as soon as the page has taken the one before."""
    import numpy as np
    import streamlit as st

    from explorer.data import Source
    from explorer.jobs.job import Job
    from explorer.runs.grid import GridView
    from explorer.store import words
    from explorer.ui.batchnorm import grid

    def view(loss: float) -> GridView:
        return GridView((0.1,), (1,), ("none",), 3, 20, np.array([[[loss]]]), Source("", "real", ""))

    class Ending(Job):
        @property
        def result(self) -> GridView:
            found = self._result
            if self.state == words.State.RUNNING:
                self.state = words.State.DONE
                self.publish(view(1.0))
            return found

        @result.setter
        def result(self, found: GridView) -> None:
            self._result = found

    if "job" not in st.session_state:
        st.session_state.job = Ending(words.Kind.MAP, "", lambda job: None, state=words.State.RUNNING, result=view(2.0))
    grid._draw(st.session_state.job)


def test_what_a_job_did_while_it_was_drawn_is_drawn_next_time() -> None:
    at = AppTest.from_function(ending_while_it_is_drawn).run()
    shown = []
    for _ in range(2):
        assert not at.exception, at.exception
        shown.append(at.session_state["batchnorm.map"].charts["map"][1].figure.data[0].z.item())
        at.run()
    assert shown == [2.0, 1.0]


def place_of_a_job(place: str, owner: str) -> None:
    """A page with a job of its own, for a browser that is recognised."""
    import streamlit as st

    from explorer.jobs import queue
    from explorer.jobs.job import Job
    from explorer.store.words import Kind
    from explorer.ui import live, state

    state.session().owner = owner

    def submit(before: Job | None) -> Job:
        return queue.registry().submit(Job(Kind.EVALUATE, "measured", lambda job: job.publish("seen"), owner), before)

    job, _ = live.start_stop(place, "Measure", submit)
    st.caption(f"{job.id} {job.result}" if job else "nothing")


def test_whatever_was_started_in_a_place_is_found_again_after_a_reload_and_by_nobody_else() -> None:
    first = AppTest.from_function(place_of_a_job, args=("somewhere", "ann")).run()
    assert first.caption[0].value == "nothing"
    first.button(key="somewhere.start").click().run()
    job = queue.registry().last_at("somewhere", "ann")
    wait(first, lambda: job.ended)
    for place, owner, shown in (
        ("somewhere", "ann", f"{job.id} seen"),
        ("somewhere", "bob", "nothing"),
        ("elsewhere", "ann", "nothing"),
    ):
        again = AppTest.from_function(place_of_a_job, args=(place, owner)).run()
        assert not again.exception and again.caption[0].value == shown


def test_every_place_that_starts_a_job_finds_it_again() -> None:
    """Whoever submits in the pages' room remembers the job through live, or has it in the address as training has."""
    for path in sorted((paths.REPOSITORY / "explorer" / "ui").rglob("*.py")):
        text = path.read_text()
        if "registry().submit(" in text:
            found = ("live.start_stop(", "live.remember(", 'query_params["run"]')
            assert any(word in text for word in found), path
