"""The Character RNN page, driven as a visitor drives it, on the real text."""

import os

import pytest

from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.store.words import State
from explorer.training import own_weights
from explorer.ui import internals
from tests.pages.conftest import numbers, open_page, texts, wait

pytestmark = pytest.mark.data
SMALL = {"model": "gru", "hidden": "16", "n_fac": "8", "epochs": "1", "schedule": "constant"}


def _job() -> Job:
    return queue.registry().all()[-1]


def test_something_real_is_on_screen_before_any_click() -> None:
    at = open_page("char_rnn")
    assert float(numbers(at)["Validation loss"].split()[0]) < 1.425
    assert "Recorded on the real data" in texts(at)
    assert len(at.get("html")) > 2, "text sampled from the shipped weights"


def test_a_run_trains_in_the_background_takes_a_new_rate_and_stops() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.train").click().run()
    job = _job()
    wait(at, lambda: len(job.history.snapshot()) > 30)
    assert job.id in at.query_params["run"]
    rate = next(slider for slider in at.select_slider if slider.label.startswith("Learning rate"))
    rate.set_value(0.01).run()
    wait(at, lambda: job.history.snapshot()["lr"][-1] == pytest.approx(0.01))
    assert any("lr" in mark.text for mark in job.history.snapshot().marks)
    at.button(key="char_rnn.stop").click().run()
    wait(at, lambda: job.state == State.STOPPED)
    steps = len(job.history.snapshot())
    at.button(key="char_rnn.write").click().run()
    assert not at.exception
    assert len(job.history.snapshot()) == steps


def test_one_step_is_one_step_and_rewind_gives_the_same_weights() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.step").click().run()
    first = _job()
    wait(at, lambda: first.state == State.PAUSED and first.history.snapshot()["step"].tolist() == [1])
    at.button(key="char_rnn.rewind").click().run()
    again = _job()
    assert again is not first
    wait(at, lambda: again.state == State.PAUSED)
    at.button(key="char_rnn.step").click().run()
    wait(at, lambda: again.history.snapshot()["step"].tolist() == [1])
    assert again.history.snapshot()["loss"][0] == first.history.snapshot()["loss"][0]


def test_a_setting_that_restarts_says_so_and_does_not_touch_the_run() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.train").click().run()
    job = _job()
    wait(at, lambda: len(job.history.snapshot()) > 5)
    bptt = next(slider for slider in at.select_slider if slider.label.startswith("bptt"))
    bptt.set_value(32).run()
    assert "**Restart**" in texts(at)
    assert job.experiment.bptt == 8


def test_a_link_is_an_experiment_and_its_mistakes_are_ignored() -> None:
    at = open_page("char_rnn", model="stateful", bptt="32", lr="ten")
    experiment = at.session_state["char_rnn"].experiment
    assert (experiment.model, experiment.bptt, experiment.lr) == ("stateful", 32, 1e-3)


def test_a_link_can_hide_controls() -> None:
    at = open_page("char_rnn", hide="bptt,seed")
    labels = [slider.label for slider in at.select_slider] + [number.label for number in at.number_input]
    assert not any(label.startswith("bptt") for label in labels)


def test_two_visitors_have_runs_of_their_own() -> None:
    one, two = open_page("char_rnn", **SMALL), open_page("char_rnn", **SMALL)
    one.button(key="char_rnn.train").click().run()
    mine = _job()
    two.button(key="char_rnn.train").click().run()
    theirs = _job()
    assert mine.owner != theirs.owner
    wait(one, lambda: len(mine.history.snapshot()) > 3)
    assert theirs.state == State.QUEUED
    one.button(key="char_rnn.stop").click().run()
    wait(two, lambda: len(theirs.history.snapshot()) > 3)


def test_a_text_of_ones_own_is_checked_used_and_no_longer_sent(monkeypatch) -> None:
    forgotten: list[str] = []
    monkeypatch.setattr(internals, "forget_uploads", lambda files: forgotten.extend(file.name for file in files))
    at, fox = open_page("char_rnn"), "The quick brown fox jumps over the lazy dog.\n" * 120
    at.session_state["char_rnn.fold.own"] = True
    at.run()

    def use() -> None:
        next(button for button in at.button if button.label == "Use this text").click().run()

    at.text_area[0].set_value("too short").run()
    use()
    assert "2,000" in at.error[0].value.replace("\\", "") and at.text_area[0].value == "too short"
    at.text_area[0].set_value(fox).run()
    weights = own_weights._place("gru", at.session_state["session"].owner)
    weights.parent.mkdir(parents=True)
    weights.touch()
    os.truncate(weights, 500_000_000)  # of which the disk has none, but a visitor's share is full
    use()
    assert "all of the 500 MB" in at.error[0].value
    weights.unlink()
    use()
    pasted = at.session_state["char_rnn"].experiment.data
    assert pasted.startswith("own-") and not at.error and not at.text_area[0].value
    uploader = next(one for one in at.file_uploader if one.label == "or upload it")
    uploader.upload("fox.txt", fox.upper().encode())
    at.run()
    use()
    assert at.session_state["char_rnn"].experiment.data not in ("auto", pasted) and forgotten == ["fox.txt"]
    assert not next(one for one in at.file_uploader if one.label == "or upload it").value


def test_after_the_highest_seed_comes_the_lowest() -> None:
    at = open_page("char_rnn", seed="2147483647")
    at.button(key="char_rnn.seed").click().run()
    assert not at.exception and at.session_state["char_rnn"].experiment.seed == 0
