"""A server that takes no more work says so beside whatever button asked, on every page."""

import pytest

from explorer import devices
from explorer.errors import ExplorerError
from explorer.jobs import queue
from explorer.lecture import claims
from explorer.store.words import State
from tests.pages.conftest import numbers, open_page, wait

FULL = "Too much is waiting on this server."
SMALL = {"model": "gru", "hidden": "16", "n_fac": "8", "epochs": "1"}


def refuse(*_: object, **__: object) -> None:
    raise ExplorerError(FULL)


@pytest.fixture
def full(monkeypatch) -> None:
    monkeypatch.setattr(queue.Registry, "submit", refuse)


def said(at) -> bool:
    assert not at.exception, at.exception
    return FULL in [error.value.replace("\\", "") for error in at.error]


@pytest.mark.data
def test_a_training_page_says_so_and_goes_on_as_before(full) -> None:
    at = open_page("char_rnn", **SMALL)
    before = at.session_state["char_rnn"].experiment
    for button in ("train", "step", "epoch", "rewind", "continue"):
        at.button(key=f"char_rnn.{button}").click().run()
        assert said(at), button
    assert at.session_state["char_rnn"].experiment == before and at.session_state["char_rnn"].job is None
    at.run()
    assert not said(at) and numbers(at)


def test_the_home_page_says_so_and_leaves_other_pages_alone(full) -> None:
    at = open_page("home")
    at.button(key="home.start").click().run()
    assert said(at) and at.title[0].value == "Lesson 7, in motion"
    at.button_group(key="home.view").set_value("The claims").run()
    at.button(key="happen.reset").click().run()
    assert said(at) and at.title[0].value == "Lesson 7, in motion"
    assert "char_rnn" not in at.session_state


def test_measuring_and_racing_a_claim_say_so(full) -> None:
    at = open_page("home")
    at.button_group(key="home.view").set_value("The claims").run()
    at.button(key="measure.reset").click().run()
    assert said(at)
    at.button_group(key="home.group").set_value(claims.DEPTH).run()
    at.button(key="happen.rate").click().run()
    assert said(at) and at.session_state["batchnorm.race"].job is None


@pytest.mark.data
@pytest.mark.parametrize(
    ("tab", "keys"),
    [
        ("race", ["batchnorm.race.start"]),
        ("evaluating", ["batchnorm.evaluation.start"]),
        ("map", ["batchnorm.map.start"]),
        ("time", ["batchnorm.time.grow.start", "batchnorm.time.explode.start"]),
    ],
)
def test_every_section_of_inside_says_so(full, tab, keys) -> None:
    at = open_page("batchnorm", show=tab, models="gru")
    for key in keys:
        at.button(key=key).click().run()
        assert said(at)


@pytest.mark.data
def test_the_finder_says_so(full) -> None:
    at = open_page("lr_finder")
    next(button for button in at.button if button.label == "Sweep").click().run()
    assert said(at)


@pytest.mark.data
def test_own_classes_say_so(full) -> None:
    at = open_page("cam")
    at.session_state["cam.classes.fold.many"] = True
    at.run()
    at.button(key="cam.classes.borrow").click().run()
    at.button(key="cam.classes.train").click().run()
    assert said(at)


def test_a_race_that_cannot_fit_into_memory_is_not_queued(monkeypatch) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda place: 100_000_000)
    at, before = open_page("batchnorm"), len(queue.registry().all())
    at.button(key="batchnorm.race.start").click().run()
    assert any("This race would need about" in refused.value for refused in at.error)
    assert len(queue.registry().all()) == before


@pytest.mark.data
@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("char_rnn", {"model": "lstm", "hidden": "1024", "layers": "4", "batch_size": "2048", "bptt": "100"}),
        ("cifar10", {"model": "builder", "widths": "512,512", "size": "64", "batch_size": "2048"}),
    ],
)
def test_a_run_that_cannot_fit_into_memory_says_so_and_the_next_one_trains(page, link, monkeypatch) -> None:
    """Every value lies within its slider's range; together they would take the whole server with them."""
    monkeypatch.setattr(devices, "free_memory", lambda place: 3_000_000_000)
    at = open_page(page, **link)
    before = len(queue.registry().all())
    for button in ("train", "step", "rewind"):
        at.button(key=f"{page}.{button}").click().run()
        (refused,) = at.error
        assert "would need about" in refused.value and "3\\.0 GB are free" in refused.value
        assert len(queue.registry().all()) == before, "nothing was queued"
    again = open_page("char_rnn", **SMALL)
    again.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(again, lambda: job.ended or len(job.history.snapshot()) > 0)
    assert job.state != State.FAILED, job.message
