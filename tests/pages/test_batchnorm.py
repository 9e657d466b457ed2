"""Inside the network: a race to its verdict, settings that cannot be, and the sections that need no click."""

import time
from unittest.mock import patch

import plotly.graph_objects as go
import pytest

from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.store.words import Kind, State
from explorer.ui import state
from tests.pages.conftest import numbers, open_page, texts, ticked, wait

pytestmark = pytest.mark.data


def button(at, label):
    return next(button for button in at.button if button.label == label)


def race_job():
    return [job for job in queue.registry().all() if job.kind == "race"][-1]


def end(at, job, seconds=120):
    """Wait for a job without looking on, then look."""
    until = time.monotonic() + seconds
    while not job.ended:
        assert time.monotonic() < until, "it did not end in time"
        time.sleep(0.05)
    at.run()
    assert not at.exception, at.exception


def test_a_claims_link_starts_its_race_once_and_ends_in_a_verdict() -> None:
    at = open_page("batchnorm", race="deeper", start="1", images="500")
    job = race_job()
    before = len(queue.registry().all())
    end(at, job)
    assert job.state == State.DONE, job.message
    assert len(queue.registry().all()) == before  # the link's start is spent
    view = job.result.view
    assert [len(lane.history) for lane in view.lanes] == [16, 16, 16] and view.finished
    said = texts(at) + "".join(str(box.value) for box in (*at.success, *at.warning))
    assert "Measured here." in said and "With fewer pictures" in said
    assert list(numbers(at))[-3:] == ["4 layers", "8 layers", "8 layers, BatchNorm"]

    # Scrub back, and look closer at each thing in turn.
    scrub = next(slider for slider in at.slider if slider.label == "Look at step")
    assert scrub.max == 16
    scrub.set_value(5).run()
    for view in ("std", "mean", "dead", "grad_norm", "update_ratio"):
        next(group for group in at.button_group if group.key == "batchnorm.race.what").set_value(view).run()
        assert not at.exception, at.exception
    assert "at step 5" in texts(at)
    for closer in ("channels", "norm", "ridges", "picture"):
        next(group for group in at.button_group if group.key == "batchnorm.race.closer").set_value(closer).run()
        assert not at.exception, at.exception


def test_what_batchnorm_divides_by_is_measured_on_weights_that_know_the_pictures_here(monkeypatch) -> None:
    """Without CIFAR-10 the shipped weights would only guess, and the page would explain the guessing."""
    from explorer.data import cifar10
    from explorer.experiment import Experiment
    from explorer.runs import evaluation
    from explorer.training import prepare
    from explorer.ui.batchnorm import evaluating

    def trained():
        yield from ()
        return small

    assert not evaluating._on_what(), "the shipped weights will do"
    monkeypatch.setattr(cifar10, "find", lambda: None)
    monkeypatch.setattr(cifar10.sampler, "here", lambda: False)
    cifar10._load.cache_clear()  # or what another test loaded is still here
    small = prepare.learner_for(Experiment.of("bn", images=500, widths="4,8", batch_size=64))
    monkeypatch.setattr(evaluation, "_trained", trained)
    assert "is trained on the pictures here first" in evaluating._on_what()
    job = Job(Kind.EVALUATE, "", lambda job: evaluation.work(job, 64))
    job.run()
    assert job.state == State.DONE, job.message
    assert job.source.kind == "standin" and "trained just now" in job.result.weights


@pytest.mark.parametrize("images", ["²", "0", "-1", "501", "1e3", "٥٠٠", "9" * 5_000])
def test_a_link_with_another_number_of_pictures_is_as_one_without(images) -> None:
    at = open_page("batchnorm", race="deeper", images=images)
    assert next(slider.value for slider in at.select_slider if slider.label == "Training pictures") == 10_000


def test_a_number_of_pictures_that_was_seen_before_draws_its_first_batch_without_a_new_figure() -> None:
    at = open_page("batchnorm", race="deeper")
    made = []
    for images in (500, 1_000, 500, 1_000):
        with patch.object(go.Figure, "__init__", autospec=True, side_effect=go.Figure.__init__) as figures:
            next(slider for slider in at.select_slider if slider.label == "Training pictures").set_value(images).run()
        assert not at.exception and "Before the first step" in texts(at)
        made.append(figures.call_count)
    assert made[0] and made[2:] == [0, 0]


def test_settings_that_cannot_be_give_a_sentence() -> None:
    at = open_page("batchnorm", race="own", images="500")
    assert button(at, "Start the race").disabled is False
    at.text_input[0].set_value("8,16,32,64,128,256,512").run()
    assert at.error and button(at, "Start the race").disabled
    at.text_input[0].set_value("4,8").run()
    assert not at.error and not button(at, "Start the race").disabled


@pytest.mark.parametrize(
    ("tab", "query", "sets"),
    [
        ("The race", {"race": "own"}, {"race.depth.0": 5, "race.lr.1": 0.3, "race.batch": 32, "race.seed": 7}),
        ("Rate × depth", {"show": "map"}, {"map.steps": 40}),
        ("Gradients through time", {"show": "time"}, {"time.weights": "Fresh", "time.explode.clip": 5.0}),
        ("What it remembers", {"show": "memory"}, {"memory.typed": "thus spoke he", "memory.sorted": False}),
    ],
)
def test_what_is_set_in_a_section_stays_while_one_looks_at_another(tab, query, sets) -> None:
    at = open_page("batchnorm", **query)

    def now() -> dict:
        kinds = ("slider", "select_slider", "selectbox", "number_input", "text_input", "toggle", "button_group")
        return {one.key.removeprefix("batchnorm."): one for kind in kinds for one in at.get(kind) if one.key}

    for name, value in sets.items():
        now()[name].set_value(value)
    at.run()
    link = dict(at.query_params)
    for opened in ("Evaluating", tab):
        at.query_params.clear()  # what is not on screen is not in the address, see links.end
        at.session_state["batchnorm.tab"] = opened
        at.run()
        assert not at.exception
    assert {name: now()[name].value for name in sets} == sets and dict(at.query_params) == link


def test_the_visitors_own_networks_race_and_one_breaks() -> None:
    at = open_page("batchnorm", race="own", images="2000")
    at.text_input[0].set_value("16,32")
    next(slider for slider in at.select_slider if slider.key == "batchnorm.race.lr.0").set_value(10.0)
    next(slider for slider in at.slider if slider.key == "batchnorm.race.depth.0").set_value(1)
    next(number for number in at.number_input if number.label == "Epochs").set_value(1).run()
    button(at, "Start the race").click().run()
    job = race_job()
    end(at, job)
    assert job.state == State.DONE, job.message
    assert "Measured here." in "".join(str(box.value) for box in at.info)
    first, second = job.result.view.lanes
    assert first.broke and second.broke is None
    assert any(value.startswith("broke at step") for value in numbers(at).values())
    assert ticked(at, "batchnorm") == {"race", "breaks"}


def test_a_card_on_another_page_starts_its_race() -> None:
    at = open_page("home")
    at.session_state[state.RACE] = state.Race(state.RACE, start=True)
    at.query_params["race"], at.query_params["images"] = "ten-times", "500"
    at.switch_page("pages/batchnorm.py").run()
    assert not at.exception
    job = race_job()
    assert job.title == "Ten times the rate" and not at.session_state[state.RACE].start
    job.stop()


def test_gradients_through_time_are_there_without_a_click() -> None:
    at = open_page("batchnorm", show="time")
    said = texts(at)
    assert "How much does character 1 matter" in "".join(str(s.value) for s in at.subheader)
    for name in ("RNN", "GRU", "LSTM"):
        assert f"**{name} " in said
    assert "falls below 1 %" in said


def test_what_a_model_looked_at_and_its_units() -> None:
    at = open_page("batchnorm", show="memory")
    assert "The boxed character had a probability of" in texts(at)
    at.text_input[0].set_value("<b>the *will* to").run()
    assert not at.exception
    assert "<b>the" not in "".join(str(html.value) for html in at.get("html"))


@pytest.mark.parametrize("show", ["time", "memory"])
def test_without_any_data_the_shipped_weights_are_looked_at_on_the_text_that_ships(home, show) -> None:
    at = open_page("batchnorm", show=show)
    assert not at.error and not at.warning and not any("fresh" in box.value for box in at.info)
    if show == "time":
        next(g for g in at.get("button_group") if g.label == "Models").set_value(["stateful", "gru"])
        next(g for g in at.get("button_group") if g.label == "Weights").set_value("Both").run()
        assert not at.error and texts(at).count("**RNN, fresh ") == 1
    else:
        assert "The boxed character had a probability of" in texts(at)


def test_the_map_fills_and_stops() -> None:
    at = open_page("batchnorm", show="map")
    button(at, "Fill the map").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.result and job.result.done > 1)
    button(at, "Stop").click().run()
    wait(at, lambda: job.ended)
    assert job.state == State.STOPPED and "cells got below" in "".join(str(box.value) for box in at.info)


def test_a_race_carries_what_its_page_needs_from_the_start(monkeypatch) -> None:
    begun, submit = [], queue.Registry.submit
    monkeypatch.setattr(queue.Registry, "submit", lambda to, job, *_: begun.append(job.result) or submit(to, job))
    open_page("batchnorm", race="deeper", start="1", images="500")
    assert [*begun[0].experiments] == ["4 layers", "8 layers", "8 layers, BatchNorm"]
    assert begun[0].claim == "deeper"


def test_the_axes_of_steps_end_with_the_plan_and_then_where_the_race_came_to() -> None:
    def ends(at) -> set[int]:
        charts = at.session_state["batchnorm.race"].charts
        names = charts.keys() & {"losses", "layers.0", "layers.2"}
        return {charts[name][1].figure.layout.xaxis.range[1] for name in names}

    at = open_page("batchnorm", race="deeper", start="1", images="5000")
    job = race_job()
    wait(at, lambda: job.result.view and job.result.view.reached > 4)
    assert ends(at) == {158} == {2 * -(-5000 // 64)}
    assert "Push all rates" in [slider.label for slider in at.select_slider], "a sign's name would be read aloud"
    next(slider for slider in at.slider if slider.label == "Look at step").set_value(3).run()
    button(at, "Stop").click().run()
    wait(at, lambda: job.ended)
    assert ends(at) == {job.result.view.reached} != {158}
