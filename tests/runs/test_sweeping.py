"""A sweep at work: each cell an ordinary run, all the same however many run at once and however often it stops."""

import os
import signal
import sys
import threading
import types
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import pytest
import torch

from explorer.errors import SettingsError, StorageError
from explorer.experiment import Experiment
from explorer.runs import cells, sweeping
from explorer.runs.sweeping import Sweeping
from explorer.runs.sweeps import Group, Plan
from explorer.store.store import Store
from explorer.store.words import WAITS, State
from explorer.training import checkpoint
from tests.jobs.working import until

TINY = dict(hidden=8, n_fac=4, batch_size=64, bptt=64, epochs=1, schedule="constant", jitter=False)
LONGER = dict(data="pydoc", batch_size=256)  # for what happens while it trains


@pytest.fixture(autouse=True)
def main_module(short, monkeypatch):
    """A plain one: Streamlit's tests of pages leave their script in its place, which every new process would run."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


def a_plan(over=("lr=1e-3,1e-2",), **changes):
    return Plan.of(Experiment.of("gru", **{**TINY, **changes}), over)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def states(store, runs):
    return [store.run(run.id).state for run in runs]


def tensors(store, run):
    model, _ = checkpoint.load(store.weights(run.id), torch.device("cpu"))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_cells_are_entered_together_and_run_in_turn(store):
    runs = cells.enter(a_plan(), store)
    assert states(store, runs) == [State.QUEUED] * 2 and len({run.sweep for run in runs}) == 1
    assert [run.at for run in store.cells([runs[0].sweep])] == [{"lr": 0.001}, {"lr": 0.01}]
    work = Sweeping(runs, store)
    assert work.share == 0 and work.eta is None
    ended = list(work)
    assert [(run.id, state) for run, state, _ in ended] == [(run.id, State.DONE) for run in runs]
    assert work.share == 1 and not work.interrupted
    first = store.run(runs[0].id)
    assert (first.begun_by, first.epochs, first.title) == ("terminal", 1, "GRU lr 0.001") and first.steps > 5
    assert store.weights(first.id).exists() and store.history(first.id).epochs[0].val_loss > 0
    ends = store.ends([runs[0].sweep])
    assert {run.id for run in runs} == set(ends) and Group.of(store.cells([runs[0].sweep]), ends).best is not None


def test_a_cell_that_diverges_or_fails_does_not_end_the_sweep(store, monkeypatch):
    runs = cells.enter(a_plan(["lr=1e-3,1e-2,50"], optimiser="sgd"), store)
    made = cells.prepare.learner_for

    def fails_once(experiment, *rest):
        if experiment.lr == 1e-3:
            raise RuntimeError("out of memory")
        return made(experiment, *rest)

    monkeypatch.setattr("explorer.runs.train.prepare.learner_for", fails_once)
    ended = list(Sweeping(runs, store))
    assert [state for _, state, _ in ended] == [State.FAILED, State.DONE, State.DIVERGED]
    assert "ran out of memory" in ended[0][2] and "blew up" in ended[2][2]
    monkeypatch.undo()
    left = cells.unfinished(store, runs[0].sweep)  # what diverged would again
    assert [run.id for run in left] == [runs[0].id]
    assert [state for _, state, _ in Sweeping(left, store)] == [State.DONE]


def test_an_interrupted_sweep_goes_on_where_it_stopped_bit_for_bit(store):
    plan = a_plan(epochs=3, **LONGER)
    whole = cells.enter(plan, store)
    list(Sweeping(whole, store))
    runs = cells.enter(plan, store)
    work = Sweeping(runs, store)

    def interrupt():
        until(lambda: store.run(runs[0].id).epochs >= 1, 60)
        work.stop()

    watch = threading.Thread(target=interrupt)
    watch.start()
    ended = list(work)
    watch.join()
    assert work.interrupted and [state for _, state, _ in ended] == [State.STOPPED]
    assert states(store, runs) == [State.STOPPED] * 2 and store.run(runs[1].id).message == WAITS
    half = store.run(runs[0].id).steps
    assert store.bookmark(runs[0].id).exists() and 0 < half < store.run(whole[0].id).steps
    left = cells.unfinished(store, runs[0].sweep)
    assert [run.id for run in left] == [run.id for run in runs] and states(store, runs) == [State.QUEUED] * 2
    list(Sweeping(left, store))
    for one, other in zip(whole, runs, strict=True):
        assert store.history(one.id)["loss"].tolist() == store.history(other.id)["loss"].tolist()
        for name, tensor in tensors(store, one).items():
            assert torch.equal(tensor, tensors(store, other)[name]), name
    assert cells.unfinished(store, runs[0].sweep) == []


def test_a_sweep_at_work_is_not_begun_twice(store):
    runs = cells.enter(a_plan(), store)
    with pytest.raises(StorageError, match="at work already"):
        cells.unfinished(store, runs[0].sweep)
    with pytest.raises(StorageError, match="no sweep 'nothing'"):
        cells.unfinished(store, "nothing")


def test_whoever_stops_iterating_leaves_the_rest_to_be_gone_on_with(store):
    runs = cells.enter(a_plan(["lr=1e-3,1e-2,1e-1"]), store)
    work = Sweeping(runs, store)
    with closing(iter(work)) as cells_of_it:
        next(cells_of_it)
    assert states(store, runs) == [State.DONE, State.STOPPED, State.STOPPED] and not work.interrupted


def test_several_at_once_in_processes_give_the_same(store):
    plan = a_plan(["lr=1e-3,1e-2,1e-1"])
    alone, beside = cells.enter(plan, store), cells.enter(plan, store)
    list(Sweeping(alone, store))
    work = Sweeping(beside, store, at_once=2)
    assert {run.id for run, state, _ in work if state == State.DONE} == {run.id for run in beside} and work.share == 1
    for one, other in zip(alone, beside, strict=True):
        assert store.ends([one.sweep])[one.id].val_loss == store.ends([other.sweep])[other.id].val_loss


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each imports torch")
def test_processes_have_torch_at_once_and_the_environment_of_whoever_asks(store):
    with ProcessPoolExecutor(1, sweeping._context()) as pool:
        assert pool.submit(eval, "'torch' in __import__('sys').modules").result(60)
        pool.submit(sweeping._begin, store.address, None, None, {"ASKED": "today"}).result(60)
        assert pool.submit(os.getenv, "ASKED").result(60) == "today"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_end_with_whoever_began_them(store, programs):
    program = (
        "from tests.runs.test_sweeping import *\n"
        f"store = Store(Path({str(store.folder)!r}))\n"
        "runs = cells.enter(a_plan(epochs=200, **LONGER), store)\n"
        "if __name__ == '__main__': list(Sweeping(runs, store, at_once=2))\n"
    ).replace("from tests", "from pathlib import Path\nfrom tests", 1)
    begun = programs.begin("-c", program, session=True)
    try:
        until(lambda: sum(run.steps > 0 for run in store.runs()) == 2, 120)
        begun.kill()
        begun.wait()
        until(lambda: not _alive_in(begun.pid), 60)
    finally:
        if _alive_in(begun.pid):
            os.killpg(begun.pid, signal.SIGKILL)
    assert [run.state for run in store.runs()] == [State.STOPPED] * 2
    assert len(cells.unfinished(store, store.runs()[0].sweep)) == 2


def _alive_in(session):
    """Processes of a session that are not over."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                state, _, _, of = file.read().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(name))
    return found


def test_every_cell_is_made_before_the_first_begins():
    cells.check(a_plan().cells)
    with pytest.raises(SettingsError, match=r"batch_size 2048: .*too short.* No cell has begun"):
        cells.check(a_plan(["batch_size=64,2048"], bptt=256).cells)


def test_how_long_it_takes_is_told_by_runs_like_it(store):
    plan = a_plan()
    experiments = [cell.experiment for cell in plan.cells]
    assert cells.seconds(experiments, store) is None and cells.seconds([], store) is None
    list(Sweeping(cells.enter(plan, store), store))
    told = cells.seconds(experiments, store)
    assert told > 0 and cells.seconds(experiments, store, 2) == pytest.approx(told / 2)
    assert cells.seconds([*experiments, Experiment.of("gru", hidden=512)], store) is None
