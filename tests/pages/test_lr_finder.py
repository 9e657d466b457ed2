"""The LR finder page: sweep, suggestion, use it."""

import numpy as np
import pytest

from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.runs.sweep import Sweeps
from explorer.store.words import Kind, State
from explorer.training.lr_finder import Sweep
from explorer.ui import state
from tests.pages.conftest import open_page, texts, ticked, wait

pytestmark = pytest.mark.data


def uses(at) -> dict[float, object]:
    """The buttons that take a rate, by the rate; the first of those with the same, and it the last."""
    found = [button for button in at.button if button.label.startswith("Use ")]
    return {float(button.label.removeprefix("Use ").split(" · ")[0]): button for button in reversed(found)}


def recommended(at) -> list[str]:
    """What the coloured buttons say."""
    return [button.label for button in at.button if button.label.startswith("Use ") and button.proto.type == "primary"]


def test_sweep_and_take_the_suggestion_to_the_training_page() -> None:
    at = open_page("lr_finder", models="simplenet")
    at.slider[0].set_value(60).run()
    assert ticked(at, "lr_finder") == set()
    next(button for button in at.button if button.label == "Sweep").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert job.state == State.DONE, job.message
    at.run()
    rate, use = list(uses(at).items())[-1]
    assert ticked(at, "lr_finder") == {"sweep"}
    use.click().run()
    assert at.session_state["cifar10"].experiment.model == "simplenet"
    assert at.session_state["cifar10"].experiment.lr == pytest.approx(rate, rel=0.01)
    assert at.session_state["cifar10"].trying == rate, "the training page says what to do with it"


def test_two_models_are_laid_over_each_other() -> None:
    at = open_page("lr_finder", models="stateful,gru")
    at.slider[0].set_value(20).run()
    next(button for button in at.button if button.label == "Sweep").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert list(job.result.curves) == ["Stateful RNN", "GRU"]
    assert ticked(at, "lr_finder") == {"sweep", "two"}


def test_before_any_sweep_the_recorded_ones_are_shown_and_can_be_used() -> None:
    at = open_page("lr_finder", models="bn,deep-bn")
    assert "**Recorded**" in texts(at)
    labels = [button.label for button in at.button if button.label.startswith("Use ")]
    assert len(labels) == 6 and len(recommended(at)) == 2, "one of each curve's is the coloured one"
    assert all(any(label.endswith(rule) for label in labels) for rule in ("minimum / 10", "valley", "steepest"))
    assert ticked(at, "lr_finder") == set()
    rate, use = list(uses(at).items())[-1]
    use.click().run()
    taken = at.session_state["cifar10"].experiment
    assert (taken.model, taken.lr) == ("bn", pytest.approx(rate, rel=0.01))


def test_suggestions_far_apart_are_said_to_be_and_why() -> None:
    far, near = open_page("lr_finder", models="convnet"), open_page("lr_finder", models="gru")
    assert "a factor of 115 apart" in texts(far) and "flat for long" in texts(far)
    assert "apart" not in texts(near)


def test_a_rate_clicked_on_a_curve_or_typed_is_the_one_to_take() -> None:
    at = open_page("lr_finder", models="convnet")
    at.text_input[0].set_value("0.0123").run()
    assert recommended(at) == ["Use 0.012 · yours"]
    uses(at)[0.012].click().run()
    assert at.session_state["cifar10"].experiment.lr == 0.012


def test_networks_of_ones_own_have_no_recorded_sweep() -> None:
    at = open_page("lr_finder", models="builder")
    assert not [button for button in at.button if button.label.startswith("Use ")]


def test_a_suggestion_the_training_page_does_not_take_cannot_be_used() -> None:
    at = open_page("lr_finder", models="gru")
    rates, losses = np.geomspace(1e-7, 1e-5, 100), np.linspace(4.2, 3.9, 100)
    found = {"GRU": Sweep(rates, losses, losses)}
    swept = Job(
        Kind.LR_FIND,
        "GRU",
        lambda job: job.publish(Sweeps(found, {"GRU": Experiment.of("gru")}, (1e-5, 10.0))),
        "somebody",
    )
    queue.registry().submit(swept)
    at.session_state["lr_finder"] = state.LrFinder("lr_finder", swept.id)
    wait(at, lambda: swept.ended)
    found = uses(at)
    assert min(found) < 1e-6 < max(found)
    assert {rate: button.disabled for rate, button in found.items()} == {rate: rate < 1e-6 for rate in found}
    found[max(found)].click().run()
    assert at.session_state["char_rnn"].experiment.lr == max(found)
