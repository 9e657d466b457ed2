"""Several jobs of one visitor: nothing ends but what was asked to."""

import pytest

from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.store.words import State
from tests.pages.conftest import open_page, texts, wait

pytestmark = pytest.mark.data
LONG = {"model": "gru", "hidden": "16", "n_fac": "8", "epochs": "200", "schedule": "constant"}


def newest() -> Job:
    return queue.registry().all()[-1]


def test_a_measurement_leaves_the_visitors_training_alone() -> None:
    at = open_page("char_rnn", **LONG)
    at.button(key="char_rnn.train").click().run()
    training = newest()
    wait(at, lambda: training.state == State.RUNNING)
    at.switch_page("pages/home.py").run()
    at.button_group(key="home.view").set_value("The claims").run()
    measure = next(button for button in at.button if (button.key or "").startswith("measure."))
    measure.click().run()
    claim = newest()
    assert claim.kind == "claim" and not at.exception
    wait(at, lambda: claim.state != State.QUEUED)
    assert training.state == State.RUNNING, training.message


def test_a_run_started_elsewhere_waits_for_ones_own_and_says_so() -> None:
    at = open_page("char_rnn", **LONG)
    at.button(key="char_rnn.train").click().run()
    first = newest()
    wait(at, lambda: first.state == State.RUNNING)
    at.query_params.clear()
    at.switch_page("pages/cifar10.py").run()
    at.button(key="cifar10.train").click().run()
    second = newest()
    assert second is not first and not at.exception
    at.run()
    assert (first.state, second.state) == (State.RUNNING, State.QUEUED)
    assert "Waits for a run of your own" in texts(at)
    at.button(key=f"{second.id}.instead.{first.id}").click().run()
    wait(at, lambda: first.state == State.STOPPED and second.state != State.QUEUED)


def test_restart_ends_the_run_it_stands_for() -> None:
    at = open_page("char_rnn", **LONG)
    at.button(key="char_rnn.train").click().run()
    first = newest()
    wait(at, lambda: first.state == State.RUNNING)
    at.button(key="char_rnn.train").click().run()
    assert newest() is not first
    wait(at, lambda: first.state == State.STOPPED)
