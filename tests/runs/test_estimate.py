"""How long a run would take, from what was measured."""

import time

import numpy as np
import pytest

from explorer import devices
from explorer.experiment import Experiment
from explorer.runs import estimate
from explorer.store.history import COLUMNS, EpochRow
from explorer.store.store import Run, Store


def rows(*seconds: float) -> tuple[EpochRow, ...]:
    return tuple(EpochRow(at, at * 10, 2.0, 2.0, 0.3, took) for at, took in enumerate(seconds, 1))


def test_a_run_like_one_that_was_measured_takes_as_long_an_epoch() -> None:
    once = Experiment.of("convnet", "quick")
    assert estimate.seconds(once, [(once, rows(3.0, 9.0, 3.2))]) == pytest.approx(3.2 * once.total_epochs)
    assert estimate.seconds(once.replace(epochs=20), [(once, rows(3.0))]) == pytest.approx(60)


def test_more_pictures_and_larger_ones_take_longer_and_validating_counts() -> None:
    small = Experiment.of("convnet", lead_epochs=0, epochs=1, images=5_000)
    known = [(small, rows(5.0))]
    assert estimate.seconds(small.replace(images=40_000), known) == pytest.approx(
        5 * (40_000 + 10_000 / 3) / (5_000 + 10_000 / 3)
    )
    assert estimate.seconds(small.replace(size=64), known) == pytest.approx(20)


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("convnet", {"widths": "80,160"}),
        ("builder", {"depth": 6}),
        ("gru", {"hidden": 512}),
        ("gru", {"bptt": 64}),
        ("convnet", {"batch_size": 8}),
    ],
)
def test_another_shape_is_another_pace(model, changes) -> None:
    assert estimate.seconds(Experiment.of(model, **changes), [(Experiment.of(model), rows(5.0))]) is None


def test_a_text_takes_as_long_in_every_epoch() -> None:
    one = Experiment.of("gru", epochs=1)
    assert estimate.seconds(Experiment.of("gru", epochs=9), [(one, rows(30.0))]) == pytest.approx(270)


def test_only_runs_of_the_model_on_this_device_count_and_the_newest_first(tmp_path) -> None:
    store, here = Store(tmp_path), devices.describe()

    def ran(run: str, device: str, model: str, created: float, took: float | None) -> None:
        store.begin(Run(run, "o", "train", "", Experiment.of(model), "done", "", device, "", created, time.time()))
        if took is not None:
            store.append(run, np.empty((0, len(COLUMNS))), rows(took))

    ran("aaaa", here, "convnet", 1.0, 11.0)
    ran("bbbb", here, "convnet", 2.0, 22.0)
    ran("cccc", "CUDA · another", "convnet", 3.0, 0.1)
    ran("dddd", here, "bn", 4.0, 44.0)
    ran("eeee", here, "convnet", 5.0, None)
    assert [found[0].seconds for _, found in estimate.measured(store, "convnet")] == [22.0, 11.0]
