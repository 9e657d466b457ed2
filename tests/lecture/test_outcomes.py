"""What a claim's own run says about it, from its own record."""

import dataclasses

import numpy as np
import pytest

from explorer.experiment import Experiment
from explorer.lecture.claims import BY_ID, CLAIMS
from explorer.lecture.outcomes import OUTCOMES, Ran, outcome
from explorer.lecture.recorded import recording
from explorer.store.history import COLUMNS, EpochRow, Snapshot


def ran(claim: str, rows: list[tuple[float, float]], norms=None, diverged=False, real=True) -> Ran:
    """A run of a claim's own experiment with a (validation loss, accuracy) an epoch."""
    steps = 100 * max(len(rows), 1)
    columns = {name: np.full(steps, np.nan) for name in COLUMNS}
    columns["step"], columns["seconds"] = np.arange(1, steps + 1.0), np.linspace(0.1, 10, steps)
    columns["grad_norm"] = np.resize(np.ones(1) if norms is None else np.array(norms, float), steps)
    epochs = tuple(EpochRow(n, 100 * n, loss, loss, right, 5.0) for n, (loss, right) in enumerate(rows, 1))
    return Ran(BY_ID[claim].experiment or Experiment.of("convnet"), Snapshot(columns, epochs), diverged, real)


def says(claim: str, *args, **how):
    return outcome(BY_ID[claim], ran(claim, *args, **how))


def test_every_claim_that_trains_has_an_outcome() -> None:
    assert {claim.id for claim in CLAIMS if claim.experiment} == set(OUTCOMES)


def test_a_run_is_held_against_the_recorded_one_at_the_same_epoch() -> None:
    theirs = {row.epoch: row.val_loss for row in recording("stateful").history.epochs}
    worse, better = [(3.0, 0.1), (theirs[2] + 0.1, 0.3)], [(3.0, 0.1), (theirs[2] - 0.1, 0.3)]
    assert says("reset", worse).agrees is True and says("reset", better).agrees is False
    assert says("gru", worse).agrees is False and says("gru", better).agrees is True
    assert f"{theirs[2]:.3f}" in says("gru", better).text and "after 2 epochs" in says("gru", better).text


def test_nothing_is_compared_on_other_data_or_after_more_epochs() -> None:
    assert says("gru", [(0.5, 0.9)], real=False).agrees is None
    assert says("gru", [(0.5, 0.9)] * 60).agrees is None


@pytest.mark.parametrize(
    ("norms", "diverged", "agrees"), [([1, 1, 1, 50], False, True), ([1, 2, 1, 3], False, False), ([1, 9], True, True)]
)
def test_exploded_is_a_gradient_far_above_the_usual_or_a_broken_run(norms, diverged, agrees) -> None:
    found = says("explode", [(3.0, 0.1)], norms=norms, diverged=diverged)
    assert found.agrees is agrees and f"{max(norms):.1f}" in found.text


def test_a_run_that_broke_before_a_validation_decides_only_about_exploding() -> None:
    for claim in set(OUTCOMES) - {"explode", "stride"}:
        assert says(claim, [], diverged=True).agrees is None, claim
    assert says("explode", [], diverged=True).agrees is True


def test_a_run_that_was_stopped_early_decides_nothing() -> None:
    assert all(says(claim, []).agrees is None for claim in OUTCOMES)


def test_restarts_are_found_where_the_schedule_has_them() -> None:
    losses = [2.0, 2.2, 1.8, 1.9, 1.7, 1.6, 1.5]  # cycles of 1, 2 and 4 epochs
    assert says("restarts", [(loss, 0.4) for loss in losses]).agrees is True
    assert says("restarts", [(2.0, 0.4), (2.2, 0.4), (1.8, 0.4)]).agrees is True
    for stopped in ([2.0], [2.0, 2.2]):
        assert says("restarts", [(loss, 0.4) for loss in stopped]).agrees is None, "it has not come lower again"


def test_the_pace_is_that_of_all_steps_also_of_a_run_that_was_stopped_within_an_epoch() -> None:
    whole = ran("bptt", [(2.0, 0.4), (1.8, 0.4)])  # 200 steps in 10 seconds
    stopped = dataclasses.replace(whole, history=dataclasses.replace(whole.history, epochs=whole.history.epochs[:1]))
    for one in (whole, stopped):
        assert "an epoch is 100 steps, 20.0 a second" in outcome(BY_ID["bptt"], one).text


def test_accuracy_that_jumps_about_is_one_that_fell() -> None:
    assert says("last-batch", [(1, 0.30), (1, 0.22), (1, 0.40)]).agrees is True
    assert says("last-batch", [(1, 0.30), (1, 0.35), (1, 0.40)]).agrees is False


def test_the_picture_shrinks_as_the_notes_say() -> None:
    assert says("stride", [(2.0, 0.3)]).agrees is True


def test_another_model_says_nothing_about_a_claim() -> None:
    assert outcome(BY_ID["gru"], ran("reset", [(2.0, 0.3)])) is None
