"""The training board: what it sends to a run, and what it says about one."""

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from explorer.experiment import Experiment
from explorer.figures import style
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.series import smooth
from explorer.store.history import COLUMNS, EpochRow, Snapshot
from explorer.store.words import Kind, State
from explorer.ui import app, board, plot, runbar, transport
from tests.pages.conftest import numbers, open_page, texts, wait

SMALL = {"model": "gru", "hidden": "16", "n_fac": "8", "epochs": "50", "schedule": "constant"}


class Tab:
    """A page's session, on which a run's live settings are moved."""

    def __init__(self, monkeypatch, owner: str = "me") -> None:
        self.monkeypatch, self.owner, self.state = monkeypatch, owner, {}

    def draw(self, job: Job, experiment: Experiment) -> list[str]:
        """Run the page once; what it says is set otherwise than in the run."""
        self.monkeypatch.setattr(st, "session_state", self.state)
        self.monkeypatch.setattr(app, "owner", lambda: self.owner)
        return transport.apply_live_changes("page", job, experiment)


def running(**settings: object) -> Job:
    return Job(Kind.TRAIN, "a run", lambda job: None, "me", Experiment.of("gru", **settings), state=State.RUNNING)


@pytest.mark.parametrize(
    ("moved", "sent", "said"),
    [
        ([{"lr": 5e-3}], [("lr", 5e-3)], []),
        ([{"bptt": 16}, {"lr": 5e-3}], [("lr", 5e-3)], ["bptt"]),
        ([{"epochs": 7}, {"lr": 5e-3}], [("lr", 5e-3)], ["Epochs"]),
        ([{"lr": 5e-3}, {"epochs": 7}], [("lr", 5e-3)], ["Epochs"]),
        ([{"lr": 5e-3}, {"lr": 1e-3}], [("lr", 5e-3), ("lr", 1e-3)], []),
        ([{"batch_size": 128}, {"batch_size": 64}], [], []),
        ([{"clip": 1.0, "weight_decay": 1e-4}], [("weight_decay", 1e-4), ("clip", 1.0)], []),
    ],
)
def test_each_live_setting_that_moves_is_sent_once_whatever_else_was_touched(monkeypatch, moved, sent, said) -> None:
    job, tab = running(), Tab(monkeypatch)
    experiment = job.experiment
    tab.draw(job, experiment)
    for changes in moved:
        experiment = experiment.replace(**changes)
        tab.draw(job, experiment)
    for _ in range(3):
        assert tab.draw(job, experiment) == said
    assert job._changes == sent


def test_what_was_set_for_one_run_is_never_sent_to_another(monkeypatch) -> None:
    first, second, tab = running(), running(lr=2e-3), Tab(monkeypatch)
    tab.draw(first, first.experiment)
    tab.draw(first, first.experiment.replace(lr=9e-3))
    assert tab.draw(second, second.experiment) == []
    assert tab.draw(second, second.experiment) == []
    assert second._changes == []


def test_a_second_tab_a_reload_and_a_watcher_send_nothing_and_are_told_what_the_run_uses(monkeypatch) -> None:
    job = running()
    tab, second, watcher = Tab(monkeypatch), Tab(monkeypatch), Tab(monkeypatch, "somebody else")
    for one in (tab, second, watcher):
        one.draw(job, job.experiment)
    faster = job.experiment.replace(lr=5e-3)
    tab.draw(job, faster)
    assert transport.in_use(job, faster) == ""
    reloaded = Tab(monkeypatch)
    assert reloaded.draw(job, faster) == reloaded.draw(job, faster) == []
    assert second.draw(job, job.experiment) == watcher.draw(job, job.experiment) == []
    assert transport.in_use(job, job.experiment) == "learning rate 0.005"
    watcher.draw(job, job.experiment.replace(lr=0.1))
    assert job._changes == [("lr", 5e-3)]


def test_another_rungs_sliders_are_not_this_runs(monkeypatch) -> None:
    job, tab = running(), Tab(monkeypatch)
    tab.draw(job, job.experiment)
    assert tab.draw(job, Experiment.of("lstm")) == ["Model"]
    assert tab.draw(job, job.experiment.replace(lr=5e-3)) == [], "back again: nothing has moved since"
    assert job._changes == []


@pytest.mark.parametrize(
    ("owner", "phase", "reads"),
    [
        ("me", "going", "Restart"),
        ("me", "paused", "Restart"),
        ("me", "ended", "Train"),
        ("somebody else", "going", "Train"),
    ],
)
def test_the_button_that_begins_a_run_is_called_what_it_reads(monkeypatch, owner, phase, reads) -> None:
    monkeypatch.setattr(app, "owner", lambda: owner)
    assert transport.begins(running(), phase) == reads


@pytest.mark.parametrize(
    ("rate", "words"),
    [(0.25, "4 s a step"), (0.97, "1 step/s"), (1.2, "1 step/s"), (2, "2 steps/s"), (1234, "1,234 steps/s")],
)
def test_a_pace_reads_as_one_would_say_it(rate, words) -> None:
    assert runbar.pace(rate) == words


def test_a_run_that_holds_has_no_pace_and_no_end_in_sight() -> None:
    job = running()
    job.progress, job.pace.seconds, job.pace.rate = 0.5, 10.0, 3.0
    assert runbar.advancement(job) == "50% · 10 s left · 3 steps/s"
    job.state = State.PAUSED
    assert runbar.advancement(job) == "50%"
    job.state, job.pace.rate, job.pace.seconds = State.RUNNING, 0.0, 0.1
    assert runbar.advancement(job) == "50%", "it has just begun"


def test_the_projectors_figure_is_a_copy() -> None:
    figure = style.figure("epochs", "loss")
    figure.add_scatter(x=[0, 1], y=[1, 2], mode="lines", line={"width": 2})
    before = figure.to_json()
    large = plot.for_projector(figure)
    assert (large.layout.font.size, large.data[0].line.width) == (17, 3)
    assert figure.to_json() == before


def history(steps: int, epochs: float, *rows: EpochRow) -> Snapshot:
    """So many steps over so many epochs."""
    columns = {name: np.full(steps, np.nan) for name in COLUMNS}
    columns["step"] = np.arange(1, steps + 1, dtype=float)
    columns["epoch"] = np.linspace(0, epochs, steps, endpoint=False)
    columns["loss"] = np.linspace(3, 2, steps)
    return Snapshot(columns, rows)


def test_an_epoch_that_was_validated_is_over() -> None:
    assert board.reached(history(20, 0.97)) == pytest.approx(0.97 * 19 / 20)
    assert board.reached(history(20, 1, EpochRow(1, 20, 2.0, 2.0, 0.3, 1.0))) == 1
    assert board.reached(history(0, 0)) == 0


def test_the_training_loss_is_known_from_the_first_step() -> None:
    some = history(7, 0.1)
    assert board._training_loss(some) == smooth(some["loss"])[-1]
    validated = history(20, 1, EpochRow(1, 20, 2.5, 2.0, 0.3, 1.0))
    assert board._training_loss(validated) == 2.5, "as it was printed"
    assert board._training_loss(history(21, 1.05, *validated.epochs)) != 2.5


@pytest.mark.data
def test_a_rate_moved_after_another_setting_reaches_the_run_once_and_the_tiles_count_along() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().find(at.session_state["char_rnn"].job)
    wait(at, lambda: len(job.history.snapshot()) > 5)
    assert 0 < float(numbers(at)["Training loss"]) < 10, "long before the first epoch is over"
    axis = at.session_state["char_rnn"].charts["loss"][1].figure.layout.xaxis
    assert 50 <= axis.range[1] < 52, "the run's plan, whatever the lecture's"

    def move(name: str, value: float) -> None:
        next(slider for slider in at.select_slider if f".{name}." in slider.key).set_value(value).run()

    move("batch_size", 128)
    assert "Set otherwise than in this run: Batch size. Press **Restart**" in texts(at)
    move("lr", 0.005)
    for _ in range(3):
        at.run()
    wait(at, lambda: job.history.snapshot()["lr"][-1] == pytest.approx(0.005))
    assert [mark.text for mark in job.history.snapshot().marks] == ["lr 0.005"]

    watcher = open_page("char_rnn", **SMALL, run=job.id)
    assert "Set otherwise" not in texts(watcher)
    assert "it now uses learning rate 0.005" in texts(watcher)
    reloaded = open_page("char_rnn", **SMALL, lr="0.005", run=job.id)
    assert "Set otherwise" not in texts(reloaded) and "it now uses" not in texts(reloaded)
    assert len(job.history.snapshot().marks) == 1


def a_chart(key: str) -> None:
    """A page with one chart."""
    from explorer.figures import style
    from explorer.ui import plot

    plot.show(style.figure("epochs", "loss"), key, "A chart.")


@pytest.mark.parametrize("key", ["cifar10.loss.abcd", "cifar10.confusion./home/my__folder___of/runs"])
def test_a_chart_may_be_named_after_a_folder_of_any_name(key) -> None:
    at = AppTest.from_function(a_chart, args=(key,)).run()
    assert not at.exception


@pytest.mark.data
def test_another_rung_shows_its_own_run_once_the_one_shown_has_ended() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().find(at.session_state["char_rnn"].job)
    wait(at, lambda: len(job.history.snapshot()) > 1)

    def choose(rung: str) -> None:
        next(group for group in at.button_group if ".rung." in group.key).set_value(rung).run()

    choose("lstm")
    assert "Set otherwise than in this run: Model" in texts(at) and job.id in at.query_params["run"]
    at.button(key="char_rnn.stop").click().run()
    wait(at, lambda: job.ended)
    choose("char3")
    assert "run" not in at.query_params and "Recorded on the real data" in texts(at)
    assert at.session_state["char_rnn"].experiment.model == "char3"
