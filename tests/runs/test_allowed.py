"""What one visitor may take of a server with a sweep, and what it is told."""

import pytest

from explorer import limits
from explorer.data import text
from explorer.errors import DataError, SettingsError
from explorer.experiment import Experiment
from explorer.limits import Limits
from explorer.runs import allowed, cells, enqueued, estimate
from explorer.runs.sweeps import Plan
from explorer.store.history import EpochRow
from explorer.store.words import State
from tests.conftest import english
from tests.runs.test_sweeping import a_plan

pytestmark = pytest.mark.usefixtures("short")


def limited(monkeypatch, **how):
    monkeypatch.setattr(limits, "now", lambda: Limits(**how))


def test_what_a_class_needs_is_allowed(store):
    allowed.check(a_plan(["lr=1e-4:1e-1:log:8", "hidden=8,16"]), store, "ann")


def test_more_cells_than_a_page_begins(store, monkeypatch):
    limited(monkeypatch, sweep_cells=5)
    with pytest.raises(SettingsError, match=r"make 6 cells; on this server a sweep from a page has 5 at most"):
        enqueued.start(a_plan(["lr=1e-4:1e-1:log:6"]), store, "ann")
    assert not store.runs()


def test_weights_that_would_push_each_other_from_the_disk(store, monkeypatch):
    large = Plan.of(Experiment.of("lstm", hidden=1024, layers=4, n_fac=16), ["lr=1e-3,1e-2"])
    limited(monkeypatch, disk_mb=200)
    with pytest.raises(SettingsError, match=r"about [\d,]+ MB, and one visitor keeps 200 MB here"):
        allowed.check(large, store, "ann")
    limited(monkeypatch, disk_mb=0)
    allowed.check(large, store, "ann")


def test_the_weights_are_those_that_a_run_leaves(store):
    plan = a_plan(epochs=3, schedule="cosine")
    run = cells.enter(plan, store)[0]
    assert cells.work(run, store)[0] == State.DONE
    kept = sum(path.stat().st_size for path in store.weights(run.id).parent.glob("*.safetensors"))
    told = allowed.weights([run.experiment])
    assert 0 < told <= kept < 1.5 * told + 10_000


def test_cells_that_take_longer_than_a_run_may(store, monkeypatch):
    plan = a_plan()
    took = [(plan.cells[0].experiment, [EpochRow(1, 9, 2.0, 2.1, 0.3, 30.0)])]
    monkeypatch.setattr(estimate, "measured", lambda *_, **__: took)
    limited(monkeypatch, run_minutes=1)
    allowed.check(plan, store, "ann")
    with pytest.raises(SettingsError, match="would take about 100 minutes, and a run ends after 1 here"):
        allowed.check(a_plan(epochs=200), store, "ann")


def test_cells_that_would_not_fit_into_memory(store, monkeypatch):
    monkeypatch.setattr("explorer.devices.free_memory", lambda device: 1_000_000)
    with pytest.raises(SettingsError, match="of memory"):
        allowed.check(a_plan(), store, "ann")


def test_the_text_of_another_is_nothing_to_sweep_over(store):
    anns = text.keep_own(english(6_000).encode(), "ann")
    plan = a_plan([f"data=auto,{anns}"])
    allowed.check(plan, store, "ann")
    with pytest.raises(DataError, match="another visitor's own"):
        enqueued.start(plan, store, "bob")
    assert not store.runs()
