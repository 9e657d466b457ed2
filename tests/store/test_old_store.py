"""Runs that an earlier program wrote: listed, drawn, opened by a link, and their weights loaded."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.store.index import Query
from explorer.store.store import Store
from explorer.store.words import Kind, State
from explorer.training import checkpoint

OLD = Path(__file__).parent / "old_store"


@pytest.fixture
def store(tmp_path):
    """A copy: opening it adds what is new in the index."""
    return Store(Path(shutil.copytree(OLD, tmp_path / "runs")))


def test_an_old_store_is_listed(store):
    convnet, gru = store.runs()
    assert (gru.id, gru.experiment.model, gru.experiment.hidden) == ("01d0a1fe", "gru", 16)
    assert (convnet.id, convnet.experiment.model, convnet.experiment.widths) == ("01d0c1fa", "convnet", "4,8,8")
    for run in (gru, convnet):
        assert (run.kind, run.state) == (Kind.TRAIN, State.DONE)
        assert isinstance(run.kind, Kind) and isinstance(run.state, State)


def test_an_old_stores_index_is_brought_up_to_date(store):
    """What today's index says of a run, an older program had not written there."""
    for run in store.runs():
        history = store.history(run.id)
        assert run.steps == history["step"][-1] and run.epochs == len(history.epochs)
        assert (run.val_loss, run.accuracy) == (history.best_val_loss, history.best_accuracy)
        assert run.model == run.experiment.model and run.seconds == history["seconds"][-1] > 0
        assert run.begun_by == "page" and not run.name and not run.star
    assert [run.id for run in store.find(Query(models=("gru",)))] == ["01d0a1fe"]


@pytest.mark.parametrize(("run", "steps", "epochs"), [("01d0a1fe", 45, 2), ("01d0c1fa", 4, 1)])
def test_an_old_runs_history_is_read(store, run, steps, epochs):
    history = store.history(run)
    assert len(history) == steps and [row.epoch for row in history.epochs] == [*range(1, epochs + 1)]
    assert np.isfinite(history["loss"]).all() and np.isfinite(history.best_val_loss)


@pytest.mark.parametrize("which", ["best", "final"])
@pytest.mark.parametrize(("run", "shape"), [("01d0a1fe", (7, 3)), ("01d0c1fa", (2, 3, 32, 32))])
def test_an_old_runs_weights_answer(store, run, which, shape):
    model, story = checkpoint.load(store.weights(run, which), torch.device("cpu"))
    language = story.vocabulary is not None
    batch = torch.zeros(shape, dtype=torch.long) if language else torch.zeros(shape)
    logits = model(batch, None)[0] if language else model(batch)
    outcomes = len(story.vocabulary) if language else len(story.classes)
    assert logits.shape[-1] == outcomes and bool(logits.isfinite().all())


def test_an_old_store_is_written_to(store):
    old = store.run("01d0a1fe")
    store.settle(old.id, State.STOPPED, "Said by the program of today.")
    assert store.run(old.id).message == "Said by the program of today." and len(store.runs()) == 2


def test_a_store_from_before_there_were_sweeps_gets_their_columns_and_keeps_the_rest(tmp_path):
    store = Store(Path(shutil.copytree(OLD.parent / "old_store_2", tmp_path / "runs")))
    exploded, gru = store.runs()
    assert (gru.name, gru.note, gru.star, gru.steps, gru.val_loss) == ("Monday's", "kept", True, 20, 1.9)
    assert (gru.sweep, gru.cell, gru.at) == ("", "", {})
    assert exploded.kind == Kind.EXPLODE and exploded.seconds == 12.5  # of no step: it must not be summed up anew
    assert [run.id for run in store.find(Query(folded=True))] == ["02d0e0de", "02d0a1fe"]
