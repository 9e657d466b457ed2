"""What a job shows to another process: all that is new and no more, and every kind of result in one piece."""

import numpy as np
import pytest
import torch

from explorer.data.photos import Photo
from explorer.experiment import Experiment
from explorer.jobs import looks
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.jobs.looks import Eye, Seen
from explorer.jobs.orders import Order
from explorer.jobs.remote import RemoteJob
from explorer.runs import own_classes, race, sweep, through_time, train
from explorer.runs.race import Raced
from explorer.store.history import COLUMNS, EpochRow
from explorer.store.words import Kind, State

GRU = Experiment.of("gru", hidden=8)
NET = dict(widths="4,8", images=500, epochs=1, data="standin", schedule="constant")


def photos():
    """Two classes that are easily told apart."""
    shades = np.random.default_rng(0)
    return {
        name: tuple(Photo((shades.random((64, 64, 3)) * 60 + low).astype(np.uint8), 64, 64) for _ in range(3))
        for name, low in (("dark", 0), ("light", 190))
    }


WORK = {
    Kind.LR_FIND: lambda: call(sweep.work, {"GRU": GRU}, 1e-5, 1e-2, 5, 0.9),
    Kind.REACH: lambda: call(through_time.watch_reach, {"GRU": GRU}, (0, 1), 4, 2),
    Kind.EXPLODE: lambda: call(through_time.explode, GRU, "lr", [0.1], 1.0, 2),
    Kind.RACE: lambda: call(race.work, Raced({"a": Experiment.of("bn", **NET)}), valid_share=8),
    Kind.OWN_CLASSES: lambda: call(own_classes.work, photos()),
}


@pytest.mark.parametrize("kind", WORK)
def test_what_each_kind_of_job_leaves_arrives_whole(kind) -> None:
    order = Order.of(Job(kind, "there", WORK[kind](), "ann"))
    there = order.job()
    there.run()
    assert there.state == State.DONE, there.message
    look = Eye().look(there)
    here = RemoteJob(None, order.job(), "worker-0")
    here.take(look, "worker-0")
    assert type(here.result) is type(there.result) and here.state == State.DONE and here.source == there.source
    same(here.result, there.result)


def same(one, other) -> None:
    """That two things are alike all the way down."""
    if isinstance(one, torch.nn.Module):
        mine, theirs = one.state_dict(), other.state_dict()
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
        assert one.classes == other.classes
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            same(mine, theirs)
    elif hasattr(one, "__dataclass_fields__"):
        for name in one.__dataclass_fields__:
            same(getattr(one, name), getattr(other, name))
    else:
        assert one == other or (one != one and other != other)


def rows(count, first=1):
    made = np.zeros((count, len(COLUMNS)))
    made[:, 0] = np.arange(first, first + count)
    return made


@pytest.fixture
def pair():
    there = Job(Kind.TRAIN, "there", call(train.work, GRU), "ann", GRU)
    return there, RemoteJob(None, there, "worker-0"), Eye()


def test_a_curve_grows_by_what_is_new(pair) -> None:
    there, here, eye = pair
    there.history.extend(rows(3))
    here.take(eye.look(there, here.seen()), "worker-0")
    there.history.extend(rows(2, 4))
    there.history.end_epoch(EpochRow(1, 5, 2.0, 2.1, 0.3, 1.0))
    there.history.mark(5, "lr 0.1")
    look = eye.look(there, here.seen())
    assert look.curve.start == 3 and len(look.curve.rows) == 2
    stamp = here.stamp
    here.take(look, "worker-0")
    found = here.history.snapshot()
    assert found["step"].tolist() == [1, 2, 3, 4, 5] and here.stamp != stamp
    assert [row.epoch for row in found.epochs] == [1] and [mark.text for mark in found.marks] == ["lr 0.1"]
    assert eye.look(there, here.seen()).curve is None, "nothing is new"
    assert here.history.smooth_loss == there.history.smooth_loss


def test_looks_that_overlap_or_come_late_change_nothing(pair) -> None:
    there, here, eye = pair
    there.history.extend(rows(3))
    early = here.seen()
    first = eye.look(there, early)
    there.history.extend(rows(2, 4))
    second = eye.look(there, early)
    here.take(second, "worker-0")
    here.take(first, "worker-0")
    assert len(here.history.snapshot()) == 5
    there.state = State.RUNNING
    here.take(eye.look(there, early), "worker-0")
    assert here.history.snapshot()["step"].tolist() == [1, 2, 3, 4, 5] and here.state == State.RUNNING


def test_one_that_goes_on_from_its_bookmark_on_another_worker_shows_its_curve_from_there(pair) -> None:
    there, here, eye = pair
    there.history.extend(rows(9))
    here.take(eye.look(there, here.seen()), "worker-0")
    again = Job(Kind.TRAIN, "there", call(train.work, GRU), "ann", GRU, id=there.id, attempt=there.attempt)
    again.history.extend(rows(4))
    stamp = here.stamp
    here.take(Eye().look(again, here.seen()), "worker-1")
    assert len(here.history.snapshot()) == 4 and here.worker == "worker-1" and here.stamp > stamp


def test_one_that_goes_on_is_not_taken_for_what_its_id_was_before(pair) -> None:
    before, here, eye = pair
    again = Job(Kind.TRAIN, "there", call(train.work, GRU), "ann", GRU, id=before.id)
    before.state, again.state = State.STOPPED, State.RUNNING
    old, new = eye.look(before), Eye().look(again)
    here.take(old, "worker-0")
    here.take(new, "worker-1")
    assert (here.state, here.worker) == (State.RUNNING, "worker-1"), "this server had not begun it"
    here.take(eye.look(before), "worker-0")
    mirror = RemoteJob(None, again, "worker-1")
    mirror.take(old, "worker-0")
    assert (here.state, here.worker, mirror.state) == (State.RUNNING, "worker-1", State.QUEUED)


def test_who_does_not_watch_is_told_how_it_stands_and_keeps_nothing_alive(pair) -> None:
    there, _, eye = pair
    there.history.extend(rows(3))
    there.publish("something")
    there.touched -= 10_000
    look = eye.look(there, Seen(watched=False))
    assert look.curve is None and look.result is None and look.state == State.QUEUED and there.forgotten
    assert eye.look(there).curve is not None and not there.forgotten


def test_a_result_is_packed_and_sent_once(pair, monkeypatch) -> None:
    there, here, eye = pair
    count = []
    monkeypatch.setattr(looks, "packed", lambda thing, real=looks.packed: count.append(thing) or real(thing))
    for result in ("one", "two"):
        there.publish(result)
        for _ in range(3):
            here.take(eye.look(there, here.seen()), "worker-0")
            assert here.result == result
    assert count == ["one", "two"]
    other = RemoteJob(None, there, "worker-0")
    other.take(eye.look(there, other.seen()), "worker-0")
    assert other.result == "two" and count == ["one", "two"], "another server's pages get the same bytes"


def test_what_cannot_be_sent_is_left_out(pair, caplog) -> None:
    there, here, eye = pair
    there.publish(lambda: None)
    here.take(eye.look(there, here.seen()), "worker-0")
    assert here.result is None and "cannot be sent" in caplog.text


def test_a_job_that_ends_while_it_is_looked_at_has_not_ended_yet(monkeypatch) -> None:
    """Who sees that it has ended looks no more, and would miss what it left last."""
    there = Job(Kind.CLAIM, "there")
    eye = Eye()
    before = eye._result

    def result(job):
        found = before(job)
        job.publish("the last")
        job.run()
        return found

    monkeypatch.setattr(eye, "_result", result)
    assert eye.look(there).state == State.QUEUED and there.state == State.DONE
    monkeypatch.undo()
    assert looks.unpacked(eye.look(there).result) == "the last"
