"""What a sweep consists of, and what came out of one."""

import json
import math
from dataclasses import replace

import pytest

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.runs.sweeps import MOST, Axis, Figure, Group, Plan, logarithmic, numeric
from explorer.store.history import EpochRow
from explorer.store.words import State
from tests.store.test_store import a_run

GRU = Experiment.of("gru")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("bptt=8,16,32", (8, 16, 32)),
        ("lr=1e-4:1e-1:log:4", (1e-4, 1e-3, 1e-2, 1e-1)),
        ("lr=0.00012:0.1:log:3", (0.00012, 0.00346, 0.1)),  # what was typed stays as it is
        ("dropout=0:0.5:lin:3", (0.0, 0.25, 0.5)),
        ("hidden=8:11:lin:7", (8, 9, 10, 11)),  # whole numbers, each once
        ("every-symbol=on,off", (True, False)),
        ("widths=20,40;10,20,40", ("20,40", "10,20,40")),
        ("optimiser = adam, sgd", ("adam", "sgd")),
    ],
)
def test_axes(words, values):
    axis = Axis.of(words)
    assert axis.values == values and all(type(v) is type(w) for v, w in zip(axis.values, values, strict=True))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("lr", "is no axis"),
        ("lr=", "is no axis"),
        ("lrr=1,2", "did you mean lr?"),
        ("qqq=1,2", "they are window"),
        ("lr=1e-3", "Set it with --lr"),
        ("lr=1e-3,0.001", "is one value"),
        ("widths=20,40,80", "Put ; between"),
        ("lr=1:2", "LOW:HIGH:log:COUNT"),
        ("lr=1:2:cubic:3", "LOW:HIGH:log:COUNT"),
        ("lr=1e-3:1e-1:log:one", "'one' values"),
        ("lr=1e-3:1e-1:log:1", "2 to 1,000"),
        ("lr=1e-1:1e-3:log:3", "up to a higher one"),
        ("dropout=0:0.5:log:3", "above 0"),
        ("lr=1,1e9", "Learning rate must lie between"),
        ("hidden=16.5,32", "must be a whole number"),
        ("optimiser=adam:sgd:lin:2", "is no number"),
        ("optimiser=adam,magic", "Optimiser must be one of"),
    ],
)
def test_what_is_no_axis_is_a_sentence(words, said):
    with pytest.raises(SettingsError) as refused:
        Axis.of(words)
    assert said in str(refused.value)


def test_every_combination_is_a_checked_experiment_and_one_seed_comes_after_the_other():
    plan = Plan.of(GRU.replace(seed=5, epochs=1), ["lr=1e-4:1e-1:log:8", "bptt=8,16,32"], seeds=3)
    assert len(plan.cells) == 72 and str(plan) == "8 lr × 3 bptt × 3 seeds"
    assert [cell.experiment.seed for cell in plan.cells] == [5] * 24 + [6] * 24 + [7] * 24
    assert len({cell.experiment for cell in plan.cells}) == 72
    cell = plan.cells[4]
    assert dict(cell.at) == {"lr": 0.000268, "bptt": 16, "seed": 5} and str(cell) == "lr 0.000268 · bptt 16 · seed 5"
    assert cell.experiment == GRU.replace(seed=5, epochs=1, lr=0.000268, bptt=16)


@pytest.mark.parametrize(
    ("base", "over", "more", "said"),
    [
        (GRU, [], {}, "goes over something"),
        (GRU, ["lr=1,2"], {"seeds": 0}, "1 seed at least"),
        (GRU, ["seed=1,2"], {"seeds": 2}, "leave --seeds or --over seed out"),
        (GRU, ["lr=1,2", "lr=3,4"], {}, "two axes"),
        (GRU, ["lr=1,2"], {"typed": ["lr"]}, "value of its own"),
        (GRU, ["depth=1,2"], {}, "no setting of CharSeqStatefulGRU"),
        (GRU, ["lr=1e-4:1:log:100", "bptt=8,16"], {"seeds": 6}, f"1,200 cells; a sweep has {MOST:,}"),
        (GRU, ["cycle_len=1,2"], {}, "counts only with --schedule cosine"),
        (GRU.replace(seed=2**31 - 2), ["lr=1,2"], {"seeds": 3}, "Seed must lie"),
    ],
)
def test_what_cannot_be_a_sweep_is_a_sentence(base, over, more, said):
    with pytest.raises(SettingsError) as refused:
        Plan.of(base, over, **more)
    assert said in str(refused.value)


def test_a_setting_that_counts_in_some_cells_only_may_be_an_axis():
    assert len(Plan.of(GRU, ["schedule=constant,cosine", "cycle_len=1,2"]).cells) == 4
    assert len(Plan.of(GRU, [], seeds=3).cells) == 3


def a_group(losses, states=None, model="gru"):
    """A group over rate and seed: losses by rate, a number a seed; None where there was no validation."""
    runs, ends = [], {}
    for lr, row in losses.items():
        for seed, loss in enumerate(row):
            at = {"lr": lr, "bptt": 8, "seed": seed}
            state = (states or {}).get((lr, seed), State.DONE)
            experiment = Experiment.of(model, lr=lr, seed=seed)
            run = a_run(f"{lr}-{seed}", experiment=experiment, state=state, sweep="abc", cell=json.dumps(at))
            runs.append(run)
            if loss is not None:
                ends[run.id] = EpochRow(1, 5, 2.0, loss, 1 - loss / 10, 1.0)
    return Group.of(runs, ends)


def test_the_seeds_of_a_point_are_taken_together():
    group = a_group({0.1: [2.0, 2.2], 0.2: [1.0, None]})
    assert [dict(point.at) for point in group.points] == [{"lr": 0.1, "bptt": 8}, {"lr": 0.2, "bptt": 8}]
    first, second = group.points
    assert first.val_loss.mean == pytest.approx(2.1) and first.val_loss.spread == pytest.approx(0.2 / math.sqrt(2))
    assert second.val_loss.mean == 1.0 and math.isnan(second.val_loss.spread)
    assert first.val_loss.text() == "2.1000 ± 0.1414" and second.accuracy.text(percent=True) == "90.00%"
    assert Figure.of([]).text() == "–"
    assert group.seeds == 2 and [axis.name for axis in group.axes] == ["lr", "bptt"]


def test_the_best_did_best_and_did_not_break():
    group = a_group({0.1: [2.0, 1.8], 0.2: [1.0, 1.1], 0.3: [1.5, 1.7]}, {(0.2, 1): State.DIVERGED})
    assert group.best.at["lr"] == 0.3 and group.best_run.id == "0.3-0"
    assert group.points[1].broke and group.done == 6 and group.state == State.DONE
    pictures = a_group({0.1: [2.0], 0.2: [1.0]}, model="convnet")
    assert not pictures.by_loss and pictures.best.at["lr"] == 0.2  # the more accurate
    nothing = a_group({0.1: [None], 0.2: [None]})
    assert nothing.best is None and nothing.best_run.id == "0.1-0"


def test_a_groups_state_is_that_of_its_cells():
    rates = {0.1: [2.0], 0.2: [1.0]}
    assert a_group(rates, {(0.1, 0): State.QUEUED}).state == State.RUNNING
    assert a_group(rates, {(0.1, 0): State.STOPPED}).state == State.STOPPED
    assert a_group(rates, {(0.1, 0): State.FAILED}).state == State.FAILED
    assert a_group(rates, {(0.1, 0): State.DIVERGED}).state == State.DONE


def test_axes_know_how_to_be_drawn():
    lr, dropout, norm = Axis("lr", (0.1, 0.2)), Axis("dropout", (0.0, 0.5)), Axis("norm", ("none", "torch"))
    assert [numeric(axis) for axis in (lr, dropout, norm)] == [True, True, False]
    assert [logarithmic(axis) for axis in (lr, dropout, norm)] == [True, False, False]
    assert not logarithmic(replace(lr, values=(0.0, 0.1)))
