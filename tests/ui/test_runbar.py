"""The row of the run bar: words of a run, and nothing that could be markup."""

import pytest
from streamlit.testing.v1 import AppTest


def a_row() -> None:
    from explorer.ui import runbar

    numbers = [runbar.Number("Accuracy", "57.6%", "<b>+1.4 points</b>", runbar.Tone.BETTER), runbar.Number("Loss", "–")]
    runbar.row("running", "21% · 35 s left", numbers, 0.21)
    runbar.row("done", "", numbers)


def test_the_row_says_state_numbers_and_progress_and_escapes_them() -> None:
    at = AppTest.from_function(a_row).run()
    assert not at.exception
    going, done = (str(html.value) for html in at.get("html"))
    assert (
        "running" in going and "21% · 35 s left" in going and "width:21.0%" in going and 'aria-valuenow="21"' in going
    )
    assert 'class="x-better">&lt;b&gt;+1.4 points' in going
    assert "x-progress" not in done and "done" in done


def a_bar(phase: str) -> None:
    from explorer.ui import live, runbar

    with runbar.bar("here", live.Phase(phase)):
        import streamlit as st

        st.caption("in it")


@pytest.mark.parametrize(("phase", "sticks"), [("none", False), ("going", True), ("paused", True), ("ended", False)])
def test_the_bar_is_held_at_the_top_only_while_a_job_is_at_work(phase, sticks) -> None:
    at = AppTest.from_function(a_bar, args=(phase,)).run()
    assert not at.exception and at.caption[0].value == "in it"
    assert ("runbar-atwork" in at.main.children[0].proto.id) == sticks
