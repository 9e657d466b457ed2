"""Whose turn it is: by owner and not by arrival, short runs soon, and nobody never."""

import itertools
from dataclasses import dataclass

import pytest

from explorer.jobs import lane as lanes
from explorer.jobs.lane import Lane


@dataclass(eq=False)
class Run:
    """Somebody who needs so many seconds."""

    owner: str
    needs: float
    began: bool = False
    begun_at: float = -1.0
    ended_at: float = -1.0


class World:
    """A lane and the runs in it, in a time of its own, a second a step."""

    def __init__(self, monkeypatch, places=1, turn=20.0):
        self.now = 0.0
        monkeypatch.setattr(lanes.time, "monotonic", lambda: self.now)
        self.lane, self.inside = Lane(places, lambda: turn), []

    def come(self, owner, needs):
        run = Run(owner, needs)
        self.lane.ask(run, lambda: self._enter(run))
        return run

    def _enter(self, run):
        self.inside.append(run)
        if not run.began:
            run.began, run.begun_at = True, self.now
        return True

    def second(self):
        for run in list(self.inside):
            run.needs -= 1
        self.now += 1
        for run in list(self.inside):
            if run.needs <= 0:
                run.ended_at = self.now
                self.inside.remove(run)
                self.lane.release(run)
            elif self.lane.due(run):
                self.inside.remove(run)
                self.lane.release(run)
                self.lane.ask(run, lambda run=run: self._enter(run))

    def pass_by(self, seconds):
        for _ in range(int(seconds)):
            self.second()


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_a_short_run_does_not_wait_for_an_eleven_minute_one(world):
    long = world.come("ann", 660)
    world.pass_by(5)
    short = world.come("bob", 15)
    world.pass_by(60)
    assert short.ended_at <= 5 + 20 + 15 and long.ended_at < 0
    world.pass_by(660)
    assert long.ended_at == 675, "it has lost nothing but the time that the other took"


def test_ten_long_runs_do_not_keep_a_short_one_waiting(world):
    long = [world.come(f"long-{n}", 660) for n in range(10)]
    world.pass_by(300)  # everybody has had a turn
    short = world.come("bob", 15)
    world.pass_by(60)
    assert 0 < short.ended_at <= 300 + 20 + 15
    world.pass_by(6600)
    assert all(run.ended_at > 0 for run in long)


def test_a_stream_of_short_runs_does_not_starve_a_long_one(world):
    """Somebody new comes all the time, more than the server can do; a third of the turns is the long run's."""
    long = world.come("ann", 100)
    for number in range(200):
        world.come(f"new-{number}", 15)
        world.pass_by(10)
        if long.ended_at > 0:
            break
    # Two newcomers of 15 s between two turns of 20 s.
    assert 0 < long.ended_at <= 100 + 5 * 30 + 15


def test_turns_go_by_owner_and_not_by_arrival(world):
    first = [world.come("ann", 10) for _ in range(5)]
    late = world.come("bob", 10)
    assert [run.owner for run in world.lane.before(late)] == ["ann"]
    assert world.lane.before(first[1])[-1] is late, "ann's second waits for bob's first"
    world.pass_by(20)
    assert late.ended_at == 20 and first[1].begun_at == 20
    world.pass_by(40)
    assert [run.ended_at for run in first] == [10, 30, 40, 50, 60]


def test_who_begins_anew_again_and_again_gains_nothing(world):
    """Ann has a run of ten seconds follow the other; bob, who came once, has his turn between two of hers."""
    turns = []
    ann, _ = world.come("ann", 10), world.come("bob", 200)
    for _ in range(300):
        world.pass_by(1)
        if ann.ended_at > 0:
            ann = world.come("ann", 10)
        turns.append(world.inside[0].owner if world.inside else "")
    shares = {owner: turns.count(owner) for owner in ("ann", "bob")}
    assert shares["bob"] >= 100 and shares["ann"] >= 100, shares


def test_alone_one_keeps_its_place_and_ones_own_does_not_take_turns_with_it(world):
    first, second = world.come("ann", 100), world.come("ann", 10)
    world.pass_by(90)
    assert first.needs == 10 and second.begun_at < 0 and not world.lane.due(first)
    assert world.lane.wait(second, lambda run: run.needs) == 10
    assert world.lane.wait(second, lambda run: None) is None


def test_nobodys_are_strangers_to_each_other(world):
    first, second = world.come("", 100), world.come("", 10)
    world.pass_by(20)
    assert second.begun_at == 20 and first.ended_at < 0


@pytest.mark.parametrize("places", [1, 2, 3])
def test_the_estimate_is_about_what_it_takes(monkeypatch, places):
    world = World(monkeypatch, places)
    for number, needs in enumerate([660, 8, 300, 15, 40, 660, 12, 500]):
        world.come(f"owner-{number}", needs)
        world.pass_by(3)
    last = world.come("last", 10)
    told, asked = world.lane.wait(last, lambda run: run.needs), world.now
    while last.begun_at < 0:
        world.second()
    assert abs(told - (last.begun_at - asked)) <= 40 and told > 10


def test_whoever_waits_moves_forward_whatever_comes_later(world):
    world.come("zero", 10_000)
    mine = [world.come("ann", 1000), world.come("ann", 1000)]
    for number in range(40):
        world.come(f"owner-{number % 7}", 30)
        world.pass_by(7)
    world.pass_by(9000)
    assert all(run.ended_at > 0 for run in mine)


def test_one_that_is_not_wanted_any_more_lets_the_next_in():
    lane, taken = Lane(1), []
    runs = [Run("a", 1), Run("b", 1), Run("c", 1)]
    for run, wanted in zip(runs, (True, False, True), strict=True):
        lane.ask(run, lambda run=run, wanted=wanted: taken.append(run) or wanted)
    assert taken == runs[:1] and lane.free == 0
    lane.release(runs[0])
    assert taken == runs and lane.free == 0
    assert not lane.leave(runs[2]) and lane.before(runs[2]) == []


def test_owners_are_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr(lanes, "REMEMBERED", 5)
    lane = Lane(1)
    for number in itertools.islice(itertools.count(), 50):
        run = Run(f"o{number}", 1)
        lane.ask(run, lambda: True)
        lane.release(run)
    assert len(lane._last) <= 5
