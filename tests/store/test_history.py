"""The history: one writer, many readers, nothing lost and nothing torn."""

import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from explorer.series import smooth
from explorer.store import history as history_module
from explorer.store.history import COLUMNS, EpochRow, History, Snapshot


def a_step(number, loss, grad_norm=None):
    norm = None if grad_norm is None else torch.tensor(grad_norm)
    return SimpleNamespace(
        number=number, epoch=number / 10, loss=torch.tensor(loss), lr=0.1, momentum=0.9, grad_norm=norm
    )


def filled(losses):
    history = History()
    for number, loss in enumerate(losses, 1):
        history.add(a_step(number, loss))
    history.drain()
    return history


def test_nothing_shows_before_it_is_drained_and_everything_after():
    history = History()
    history.add(a_step(1, 2.0, 0.5))
    history.add(a_step(2, 3.0))
    assert len(history.snapshot()) == 0
    version = history.version
    rows = history.drain()
    assert rows.shape == (2, len(COLUMNS)) and history.version > version
    snapshot = history.snapshot()
    assert snapshot["loss"].tolist() == [2.0, 3.0] and snapshot["step"].tolist() == [1, 2]
    assert snapshot["grad_norm"][0] == 0.5 and np.isnan(snapshot["grad_norm"][1])
    assert len(history.drain()) == 0


def test_a_drain_is_one_transfer_however_many_steps(monkeypatch):
    calls = []
    real = history_module._to_host
    monkeypatch.setattr(history_module, "_to_host", lambda scalars: calls.append(1) or real(scalars))
    history = History()
    for number in range(500):
        history.add(a_step(number, 1.0, 1.0))
    history.drain()
    assert len(calls) == 1


def test_a_snapshot_never_changes_while_the_writer_goes_on():
    history = filled(np.arange(1000.0))
    snapshot = history.snapshot()
    before = {name: values.copy() for name, values in snapshot.columns.items()}
    for number in range(1001, 6001):
        history.add(a_step(number, -1.0))
        if number % 100 == 0:
            history.drain()
    assert len(history.snapshot()) == 6000
    for name in COLUMNS:
        np.testing.assert_array_equal(snapshot[name], before[name])


def test_readers_in_other_threads_never_see_a_torn_row():
    history, torn, done = History(), [], threading.Event()

    def read():
        while not done.is_set():
            snapshot = history.snapshot()
            expected = np.arange(1, len(snapshot) + 1)
            if not (np.array_equal(snapshot["step"], expected) and np.array_equal(snapshot["loss"], -expected)):
                torn.append(len(snapshot))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    rows = np.zeros((37, len(COLUMNS)))
    for _ in range(1200):
        start = history._length
        rows[:, 0] = np.arange(start + 1, start + 38)
        rows[:, 2] = -rows[:, 0]
        history.extend(rows)
    done.set()
    for reader in readers:
        reader.join()
    assert not torn


def test_growing_between_a_readers_two_looks_gives_no_unwritten_row():
    """The table is replaced and grows at the worst moment: right after a reader looked at one of the two."""

    class Watched(History):
        armed = False

        def __getattribute__(self, name):
            value = super().__getattribute__(name)
            if name in ("_table", "_length") and super().__getattribute__("armed"):
                self.armed = False
                rows = np.zeros((600, len(COLUMNS)))
                rows[:, 2] = 7.0
                self.extend(rows)
            return value

    history = Watched()
    history._table[:] = np.inf  # what nobody wrote
    rows = np.zeros((1000, len(COLUMNS)))
    rows[:, 2] = 7.0
    history.extend(rows)
    history.armed = True
    snapshot = history.snapshot()
    assert set(snapshot["loss"]) == {7.0} and np.isfinite(snapshot["step"]).all()


def test_the_running_smooth_loss_is_the_smoothed_curves_end():
    losses = np.random.default_rng(1).uniform(1, 4, 700)
    history = filled(losses)
    assert history.smooth_loss == pytest.approx(smooth(history.snapshot()["loss"])[-1], rel=1e-6)
    assert np.isnan(History().smooth_loss)


def test_a_json_round_trip_keeps_ends_epochs_and_marks_and_is_small():
    history = filled(np.linspace(4, 1, 3000))
    history.end_epoch(EpochRow(1, 1500, 2.0, 1.9, 0.4, 3.0, "thus"))
    history.mark(7, "lr 0.001")
    words = json.dumps(history.snapshot().to_json(points=300))
    back = Snapshot.from_json(json.loads(words))
    assert len(back) == 300 and len(words) < 40_000
    assert back["step"][0] == 1 and back["step"][-1] == 3000
    assert back.epochs == history.snapshot().epochs and back.marks == history.snapshot().marks
    assert back.best_val_loss == 1.9 and back.best_accuracy == 0.4
    assert np.isnan(back["grad_norm"]).all()


def test_a_diverged_run_is_still_valid_json():
    history = filled([1.0, float("inf"), float("nan")])
    words = json.dumps(history.snapshot().to_json(), allow_nan=False)
    assert np.isnan(Snapshot.from_json(json.loads(words))["loss"][1:]).all()


def test_a_history_goes_on_from_a_snapshot():
    history = filled([3.0, 2.0])
    history.end_epoch(EpochRow(1, 2, 2.0, 1.9, 0.4, 3.0))
    onward = History.of(history.snapshot())
    onward.add(a_step(3, 1.0))
    onward.drain()
    assert onward.snapshot()["loss"].tolist() == [3.0, 2.0, 1.0] and len(onward.snapshot().epochs) == 1
    assert onward.smooth_loss == pytest.approx(smooth(np.array([3.0, 2.0, 1.0]))[-1])


@pytest.mark.parametrize("steps", [1, 50, 5000])
def test_a_snapshot_knows_the_smoothed_loss_of_its_last_step(steps):
    losses = np.random.default_rng(0).uniform(1, 3, steps)
    history = filled(losses)
    snapshot = history.snapshot()
    assert snapshot.smooth_loss == pytest.approx(history.smooth_loss, rel=1e-6)
    assert snapshot.smooth_loss == pytest.approx(snapshot.smoothed()[-1], rel=1e-12)
    assert np.isnan(History().snapshot().smooth_loss)
