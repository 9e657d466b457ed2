"""Schedules: pure functions of position, and a plan made of them."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.experiment import Experiment
from explorer.training.schedules import MOMENTUM, combine, constant, cosine, cycles, one_cycle, plan, restarts, step

positions = st.floats(0, 1)


def test_the_lectures_cycles():
    assert cycles(15, 1, 2) == [1, 2, 4, 8]
    assert cycles(7, 1, 2) == [1, 2, 4]
    assert cycles(32, 4, 1) == [4] * 8


@given(st.integers(1, 200), st.integers(1, 100), st.integers(1, 4))
def test_cycles_fill_the_run_and_grow_as_told(epochs, cycle_len, cycle_mult):
    lengths = cycles(epochs, cycle_len, cycle_mult)
    assert sum(lengths) == epochs and min(lengths) >= 1
    assert all(b == a * cycle_mult for a, b in pairwise(lengths[:-1]))
    assert lengths[0] == min(cycle_len, epochs)


@given(st.integers(1, 60), st.integers(1, 10), st.integers(1, 3))
def test_restarts_begin_each_cycle_at_the_top_and_fall_to_nothing(epochs, cycle_len, cycle_mult):
    schedule, start = restarts(epochs, cycle_len, cycle_mult), 0
    for length in cycles(epochs, cycle_len, cycle_mult):
        top, bottom = (start + 1e-9) / epochs, (start + length - 1e-6) / epochs
        assert schedule(top) == pytest.approx(1, abs=1e-6) and schedule(bottom) < 1e-6
        assert schedule((start + length / 2) / epochs) == pytest.approx(0.5, abs=1e-9)
        falling = [schedule((start + length * i / 20) / epochs) for i in range(20)]
        assert falling == sorted(falling, reverse=True)
        start += length
    assert schedule(1.0) == pytest.approx(0, abs=1e-12)


@given(st.integers(1, 60), st.integers(1, 100), positions)
def test_step_is_full_and_then_a_tenth(epochs, drop, position):
    schedule, full = step(epochs, drop), max(1, epochs - drop)
    if abs(position * epochs - full) > 1e-6:
        assert schedule(position) == (0.1 if position * epochs > full else 1.0)
    assert schedule(0.0) == 1.0, "a run of one epoch learns at the full rate"
    assert schedule(1.0) == (0.1 if epochs > 1 else 1.0)


def test_one_cycle_rises_for_a_quarter_and_ends_at_almost_nothing():
    schedule = one_cycle()
    assert schedule(0) == pytest.approx(1 / 25) and schedule(0.25) == pytest.approx(1) and schedule(1) < 1e-4
    grid = [schedule(i / 400) for i in range(401)]
    assert grid[:101] == sorted(grid[:101]) and grid[100:] == sorted(grid[100:], reverse=True)


@given(st.floats(0.01, 10), st.floats(0.01, 10))
def test_joined_pieces_are_continuous_where_their_ends_meet(a, b):
    schedule = combine([a, b], [cosine(0.2, 1.0), cosine(1.0, 0.1)])
    joint = a / (a + b)
    assert schedule(joint - 1e-9) == pytest.approx(schedule(joint + 1e-9), abs=1e-6)
    assert schedule(0) == pytest.approx(0.2) and schedule(1) == pytest.approx(0.1)


@given(st.lists(st.floats(0.1, 9), min_size=1, max_size=8), positions)
def test_every_position_lies_in_one_piece_and_inside_it(lengths, position):
    seen = []

    def piece(number):
        return lambda inside: seen.append((number, inside)) or 0.0

    combine(lengths, [piece(n) for n in range(len(lengths))])(position)
    [(number, inside)] = seen
    assert -1e-9 <= inside <= 1
    assert (sum(lengths[:number]) + inside * lengths[number]) / sum(lengths) == pytest.approx(position, abs=1e-6)


@given(positions)
def test_schedules_are_pure(position):
    for make in (one_cycle, lambda: restarts(7, 1, 2), lambda: step(8, 4), constant, cosine):
        schedule = make()
        first = schedule(position)
        schedule(0.7)
        assert schedule(position) == first == make()(position)


def experiments():
    return st.builds(
        lambda **settings: Experiment.of("gru", **settings),
        schedule=st.sampled_from(["constant", "step", "cosine", "one-cycle"]),
        epochs=st.integers(1, 30),
        lead_epochs=st.integers(0, 5),
        lr=st.floats(1e-4, 1),
        cycle_mult=st.integers(1, 3),
        drop_epochs=st.integers(1, 10),
    )


@given(experiments(), st.floats(0, 1))
def test_a_plan_leads_in_at_its_own_rate_and_never_leaves_the_main_one(experiment, share):
    planned = plan(experiment)
    done = share * planned.epochs
    assert planned.epochs == experiment.total_epochs
    if done < experiment.lead_epochs:
        assert planned.lr(done) == experiment.lead_lr and planned.momentum(done) == MOMENTUM
    else:
        assert 0 <= planned.lr(done) <= experiment.lr * (1 + 1e-12)
        assert 0.85 - 1e-9 <= planned.momentum(done) <= 0.95 + 1e-9
        if experiment.schedule != "one-cycle":
            assert planned.momentum(done) == MOMENTUM


def test_the_lectures_gru_drops_to_a_tenth_after_six_epochs():
    planned = plan(Experiment.of("gru"))
    assert [planned.lr(e) for e in (0, 5.999)] == [1e-3, 1e-3] and planned.lr(6.001) == pytest.approx(1e-4)


def test_the_lectures_lstm_restarts_after_1_2_4_and_8_epochs():
    """Two epochs at a constant rate first."""
    lecture = {"lr": 1e-2, "lead_lr": 1e-2, "lead_epochs": 2, "epochs": 15, "cycle_len": 1, "cycle_mult": 2}
    lstm = plan(Experiment.of("lstm", schedule="cosine", **lecture))
    tops = [e for e in range(17) if lstm.lr(e + 1e-9) > 0.0099]
    assert lstm.epochs == 17 and tops == [0, 1, 2, 3, 5, 9]


def test_momentum_falls_while_a_one_cycle_rate_rises():
    planned = plan(Experiment.of("gru", schedule="one-cycle", epochs=8))
    assert planned.momentum(0) == pytest.approx(0.95) and planned.momentum(2) == pytest.approx(0.85)
    assert planned.momentum(8) == pytest.approx(0.95) and not math.isnan(planned.lr(8))
