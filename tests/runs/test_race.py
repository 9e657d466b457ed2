"""Races: the same batches, taking turns, breaks found and marked; and each preset's claim on the real pictures."""

import numpy as np
import pytest
import torch

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.ladders import UNTRAINED
from explorer.lecture.races import BY_KEY, PRESETS
from explorer.probes.activation_record import ActivationRecord, hist_edges
from explorer.probes.bn_statistics import evaluation_statistics
from explorer.runs import race
from explorer.runs.race import Race, find_break
from explorer.store.history import COLUMNS, History, Snapshot
from explorer.store.words import Kind


def small(**changes):
    settings = dict(
        widths="4,8",
        stem=0,
        depth=1,
        norm="running",
        skip=False,
        data="standin",
        images=500,
        augment=True,
        batch_size=64,
        lr=0.05,
        schedule="constant",
        epochs=2,
    )
    return Experiment.of("builder", **{**settings, **changes})


def run(experiments, **options):
    job = Job(Kind.RACE, "", lambda job: race.work(job, race.Raced(experiments), **options))
    job.run()
    return job


def test_all_are_trained_on_the_same_batches_in_turn():
    raced = Race({"a": small(), "b": small(depth=2), "c": small(epochs=1)}, every=2, valid_share=20)
    seen = []
    for lane in raced.lanes:
        step = lane.step
        lane.step = lambda batch, lane=lane, step=step: (seen.append((lane.name, batch)), step(batch))
    list(raced.run())
    per_epoch = raced.data.steps_per_epoch
    assert [name for name, _ in seen[:6]] == ["a", "b", "c"] * 2
    assert [name for name, _ in seen[-4:]] == ["a", "b"] * 2  # c has finished
    for at in range(0, 3 * per_epoch, 3):
        assert seen[at][1] is seen[at + 1][1] is seen[at + 2][1]
    raced.drain()
    view = raced.view(finished=True)
    assert [len(lane.history) for lane in view.lanes] == [2 * per_epoch, 2 * per_epoch, per_epoch]
    assert [len(lane.history.epochs) for lane in view.lanes] == [2, 2, 1]
    assert view["b"].record.steps.tolist() == list(range(1, 2 * per_epoch + 1, 2))
    assert len(view["b"].maps) == 4 and view.picture.shape == (3, 32, 32)
    assert not any(module._forward_hooks for lane in raced.lanes for module in lane.learner.model.modules())


def test_a_race_knows_how_many_steps_it_plans_and_has_taken():
    raced = Race({"a": small(), "b": small(epochs=1)}, every=2, valid_share=20)
    assert (raced.view().planned, raced.view().reached) == (16, 0)
    list(raced.run())
    raced.drain()
    view = raced.view(finished=True)
    assert [lane.steps for lane in view.lanes] == [len(lane.history) for lane in view.lanes] == [16, 8]
    assert view.planned == view.reached == 16
    # The stand-in has fewer pictures than the settings ask for.
    assert Race({"a": small(images=40_000)}).view().planned == 2 * -(-12_000 // 64)


def test_a_race_alone_is_the_run_alone():
    """Racing changes nothing: the same losses as the learner's own loop on the same seed."""
    from explorer.training import prepare
    from explorer.training.learner import Step
    from explorer.training.schedules import plan

    raced = Race({"a": small(), "b": small(depth=2, lr=0.1)}, every=1)
    list(raced.run())
    raced.drain()
    for name, experiment in (("a", small()), ("b", small(depth=2, lr=0.1))):
        learner = prepare.learner_for(experiment)
        alone = [float(event.loss) for event in learner.steps(plan(experiment)) if isinstance(event, Step)]
        np.testing.assert_allclose(raced.view()[name].history["loss"], alone, rtol=1e-6)


def test_one_breaks_and_is_marked_and_the_others_go_on():
    job = run({"steady": small(), "broken": small(lr=100.0), "deep": small(depth=2)}, every=1)
    view = job.result.view
    assert job.state == "done" and view.finished
    broken = view["broken"]
    assert broken.broke and broken.broke.step <= 12 and broken.broke.layer in broken.record.layers
    assert broken.history.marks and broken.final_loss == float("inf")
    for name in ("steady", "deep"):
        assert view[name].broke is None and len(view[name].history.epochs) == 2
    assert len(broken.history) <= len(view["steady"].history)


def history_of(losses):
    history = History()
    rows = np.zeros((len(losses), len(COLUMNS)))
    rows[:, 0], rows[:, COLUMNS.index("loss")] = np.arange(1, len(losses) + 1), losses
    history.extend(rows)
    return history.snapshot()


EMPTY = ActivationRecord(np.empty(0, np.int64), (), "after activation", 4, hist_edges(), np.empty((0, 0)), ())


def test_where_a_run_broke():
    assert find_break(Snapshot({name: np.empty(0) for name in COLUMNS}), EMPTY) is None
    assert find_break(history_of([2.3] * 60), EMPTY) is None
    assert find_break(history_of([2.3, 40.0, 30.0, 20.0] + [2.0] * 30), EMPTY) is None  # a spike at the start heals
    assert find_break(history_of([2.3] * 7 + [np.nan] + [2.0] * 3), EMPTY).step == 8
    assert find_break(history_of([2.3] * 10 + [50.0] * 20), EMPTY).step == 11
    assert find_break(history_of([2.3] * 10 + [50.0] * 25 + [np.inf]), EMPTY).step == 11


def test_a_race_is_stopped_between_steps_and_its_last_steps_are_published():
    job = Job(Kind.RACE, "", lambda job: race.work(job, race.Raced({"a": small(epochs=200)})))
    job.budget, rounds = None, []
    follow = job.between_steps

    def after_ten(progress, epoch_ended=False):
        rounds.append(progress)
        if len(rounds) == 10:
            job.stop()
        return follow(progress, epoch_ended)

    job.between_steps = after_ten
    job.run()
    view = job.result.view
    steps = len(view["a"].history)
    assert job.state == "stopped" and not view.finished and steps in (9, 10) and rounds == sorted(rounds)
    assert BY_KEY["deeper"].verdict(view).agrees is None


def test_a_new_rate_moves_all_in_proportion():
    raced = Race({"a": small(lr=0.01), "b": small(lr=0.1)})
    rounds = raced.run()
    next(rounds)
    raced.change("lr", 0.02)
    next(rounds)
    rounds.close()
    raced.drain()
    view = raced.view()
    assert view["a"].history["lr"].tolist() == [0.01, 0.02]
    np.testing.assert_allclose(view["b"].history["lr"], [0.1, 0.2])
    assert view["b"].history.marks[0].text == "lr 0.02"


def test_language_rungs_race_too(tiny):
    shared = dict(hidden=16, n_fac=8, batch_size=32, data="pydoc", epochs=1, schedule="constant", bptt=64)
    raced = Race({"RNN": Experiment.of("stateful", **shared), "GRU": Experiment.of("gru", **shared)})
    rounds = raced.run()
    for _ in range(3):
        next(rounds)
    rounds.close()
    raced.drain()
    assert len(raced.view()["GRU"].history) == 3 and raced.view().picture is None


def test_what_cannot_share_batches_is_refused():
    with pytest.raises(SettingsError, match="batch size"):
        race.check({"a": small(), "b": small(batch_size=32)})
    with pytest.raises(SettingsError, match="same batches"):
        race.check({"a": small(), "b": Experiment.of("gru")})
    with pytest.raises(SettingsError):
        race.check({})
    for preset in PRESETS:
        race.check(preset.race(images=2000, epochs=1, seed=3))


def test_evaluation_statistics_differ_and_leave_the_net_alone():
    for norm in ("lecture", "torch"):
        raced = Race({"a": small(norm=norm)})
        list(raced.run())
        learner = raced.lanes[0].learner
        before = {name: value.clone() for name, value in learner.model.state_dict().items()}
        generator = learner.generator.get_state()
        *_, found = evaluation_statistics(learner, (1, 8), pictures=64)
        words = ["the last batch's, 64 pictures", "running averages", "each batch's own, 1 picture"]
        assert [result.statistics for result in found][:3] == words and len(found) == 4
        assert all(np.isfinite(result.val_loss) and result.pictures == 64 for result in found)
        assert len({result.val_loss for result in found}) == 4
        assert all(torch.equal(value, before[name]) for name, value in learner.model.state_dict().items())
        assert torch.equal(learner.generator.get_state(), generator)
    with pytest.raises(SettingsError, match="no BatchNorm"):
        next(evaluation_statistics(Race({"a": small(norm="none")}).lanes[0].learner))


# -- the lecture's claims, on the real pictures ---------------------------------------------------------


@pytest.fixture(scope="module")
def raced():
    """Each preset in a reduced form: a few pictures, a few epochs."""
    done = {}

    def once(key, epochs, images=2000):
        if key not in done:
            done[key] = run(BY_KEY[key].race(images=images, epochs=epochs), valid_share=100).result.view
        return done[key]

    return once


@pytest.mark.data
def test_deeper_without_batchnorm_does_not_train(raced):
    view = raced("deeper", 8, images=1000)
    shallow, deep, normed = view.lanes
    assert shallow.final_loss < 2.0
    assert deep.final_loss > UNTRAINED  # diverged would be infinite
    assert normed.final_loss < 1.6
    # Why: from layer to layer nothing is left of the signal, and BatchNorm restores it.
    first, last = deep.record.std[0, 0], deep.record.std[0, -2]
    assert last < first / 20 and normed.record.std[0, -2] > normed.record.std[0, 0] / 10
    assert BY_KEY["deeper"].verdict(view).agrees is True


@pytest.mark.data
def test_batchnorm_takes_a_ten_times_higher_rate(raced):
    view = raced("ten-times", 4)
    plain, plain_high, _, normed_high = view.lanes
    assert plain.final_loss < 2.0 and plain_high.final_loss > UNTRAINED and normed_high.final_loss < 2.1
    assert BY_KEY["ten-times"].verdict(view).agrees is True


@pytest.mark.data
def test_just_deeper_does_not_help_and_skip_connections_do(raced):
    view = raced("skip", 3)
    shallow, deep, skip = view.lanes
    assert deep.final_loss > shallow.final_loss and skip.final_loss < deep.final_loss
    verdict = BY_KEY["skip"].verdict(view)
    assert verdict.agrees is True and f"18 layers: {deep.final_loss:.2f}" in verdict.text


@pytest.mark.data
@pytest.mark.parametrize("key", ["notes", "fair"])
def test_the_notes_comparison_says_what_came_out(key):
    preset = BY_KEY[key]
    changes = {"images": 500, "batch_size": 250, "epochs": 1, "lead_epochs": 0}
    view = run(preset.race(**changes), valid_share=100).result.view
    verdict = preset.verdict(view)
    best = [lane.history.best_accuracy for lane in view.lanes]
    assert verdict.agrees == (best[1] <= best[0] < best[2]) and f"{best[2]:.1%}" in verdict.text
