"""What ships: every weights file has its recorded run, and they agree."""

import pytest

from explorer import ladders, paths
from explorer.lecture.recorded import recording, sweeps
from explorer.training import checkpoint, lr_finder

SHIPPED = sorted(p.stem for p in paths.WEIGHTS.glob("*.safetensors") if (paths.WEIGHTS / f"{p.stem}.json").exists())
RUNGS = [key for key in SHIPPED if key in {r.key for ladder in ladders.LADDERS.values() for r in ladder}]


@pytest.mark.parametrize("key", RUNGS)
def test_the_recorded_run_is_the_one_that_made_the_weights(key: str) -> None:
    story, made = checkpoint.read_story(checkpoint.shipped(key)), recording(key)
    assert made.experiment == story.experiment
    assert made.history.epochs[-1].epoch == story.epochs
    assert made.history.epochs[-1].val_loss == pytest.approx(story.val_loss, abs=0.002)


def test_every_language_rung_ships() -> None:
    assert {rung.key for rung in ladders.LADDERS["language"]} <= set(RUNGS)


@pytest.mark.parametrize("key", RUNGS)
def test_every_rung_has_a_sweep_that_suggests_rates(key: str) -> None:
    found = sweeps()[key]
    assert len(found.lr) == len(found.loss) == len(found.smooth) > 12
    assert found.lr == pytest.approx(lr_finder.rates(1e-5, 10, 100)[: len(found.lr)], rel=1e-4)
    assert found.smooth == pytest.approx(lr_finder.smooth(found.loss, 0.9), rel=1e-3)
    assert all(1e-5 < rate < 1 for rate in lr_finder.suggest(found).values())


def test_weights_stay_small_and_tell_nothing_of_the_machine_they_were_made_on() -> None:
    assert sum(p.stat().st_size for p in paths.WEIGHTS.iterdir()) < 40e6
    for path in paths.WEIGHTS.glob("*.json"):
        assert "/home/" not in path.read_text(), f"{path.name} holds a path"
