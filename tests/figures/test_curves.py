"""Figures are pure, bounded and honest about whose numbers they show."""

import numpy as np
import pytest

from explorer import ladders
from explorer.experiment import Experiment
from explorer.figures import compare, curves, networks, style
from explorer.figures import pictures as vision
from explorer.store.history import COLUMNS, EpochRow, Mark, Snapshot
from explorer.training import schedules


def _history(steps: int, epochs: int = 4) -> Snapshot:
    rng = np.random.default_rng(0)
    columns = {name: np.full(steps, np.nan) for name in COLUMNS}
    columns["step"] = np.arange(1, steps + 1, dtype=float)
    columns["epoch"] = np.linspace(0, epochs, steps, endpoint=False)
    columns["loss"] = 1 + np.exp(-np.linspace(0, 5, steps)) + 0.1 * rng.standard_normal(steps)
    columns["lr"] = np.full(steps, 1e-3)
    rows = tuple(EpochRow(e, e * steps // epochs, 1.2, 1.3 - e / 100, 0.5, 1.0) for e in range(1, epochs + 1))
    return Snapshot(columns, rows, (Mark(steps // 2, "lr 0.01"),))


@pytest.mark.parametrize("steps", [0, 1, 2, 300, 50_000])
def test_a_trace_never_carries_more_than_its_share(steps: int) -> None:
    fig = curves.loss_curves(_history(steps, 4 if steps else 0))
    assert all(len(trace.x) <= style.POINTS for trace in fig.data)


def test_a_spike_stays_visible_however_long_the_run() -> None:
    history = _history(40_000)
    history["loss"][23_456] = 99.0
    fig = curves.loss_curves(history)
    assert max(fig.data[0].y) == 99.0


def test_runs_over_each_other_are_all_seen_however_short_and_however_they_differ() -> None:
    low, high = _history(20, 1), _history(400, 1)
    high["loss"][:] += 3.0
    runs = {"low": low, "high": high, "not begun": _history(0, 0)}
    fig = compare.overlay(runs, compare.Y.LOSS, compare.X.EPOCHS)
    lines = {trace.name: trace for trace in fig.data if trace.mode == "lines"}
    assert len(lines["low"].x) == 20 and len(lines["high"].x) == 400 and not len(lines["not begun"].x)
    assert len({(line.line.color, line.line.dash) for line in lines.values()}) == 3
    bottom, top = fig.layout.yaxis.range
    for line in (lines["low"], lines["high"]):
        settled = line.y[len(line.y) // 20 :]
        assert bottom < settled.min() and np.quantile(settled, 0.99) < top
    validated = compare.overlay(runs, compare.Y.VALIDATION, compare.X.EPOCHS)
    dots = next(trace for trace in validated.data if trace.name == "low")
    assert list(dots.x) == [1] and dots.line.color == lines["low"].line.color


def test_the_lectures_curve_is_named_as_the_lectures_and_ends_at_its_epoch() -> None:
    figure = ladders.rung("gru").figures[0]
    fig = curves.loss_curves(_history(100), lecture=figure)
    theirs = next(trace for trace in fig.data if trace.name == "lecture notes")
    assert list(theirs.x) == list(range(1, 10))
    assert theirs.y[-1] == 1.42517
    assert theirs.line.dash == "dash"


def test_a_live_change_leaves_a_mark_where_it_was_made() -> None:
    fig = curves.loss_curves(_history(400))
    assert [note.text for note in fig.layout.annotations] == ["lr 0.01"]
    assert fig.layout.shapes[0].x0 == pytest.approx(2.0, abs=0.02)


def test_a_schedule_is_drawn_before_anything_trains() -> None:
    plan = schedules.plan(Experiment.of("lstm"))
    fig = curves.schedule_curve(plan)
    planned = np.array(fig.data[0].y)
    assert planned.max() == pytest.approx(4e-3)
    assert (np.diff(planned) > 2e-3).sum() == 3, "the rate jumps up at three restarts"


def test_confusions_count_every_mistake_and_leave_the_diagonal_uncoloured() -> None:
    counts = np.array([[5, 1], [2, 7]])
    heat = vision.confusion(counts, ("cat", "dog")).data[0]
    assert np.isnan(heat.z[0][0])
    assert heat.z[1][0] == 2
    assert heat.text.tolist() == [["", "1"], ["2", ""]], "what is uncoloured could not be read on a dark page"
    assert counts[0, 0] == 5, "the caller's counts are untouched"


def test_a_mosaic_shows_every_picture_where_it_belongs() -> None:
    pictures = np.zeros((5, 3, 4, 4), np.uint8)
    pictures[4] = 200
    canvas = vision.mosaic(pictures, 2, scale=2, gap=1)
    assert canvas.shape == (26, 17, 4)
    assert canvas[18, 0, 0] == 200
    assert canvas[18, 12, 3] == 0, "no picture, no ink"


def test_the_drawing_follows_the_network() -> None:
    from explorer.models import summary
    from explorer.models import vision as models

    rows = summary.summarise(models.build(Experiment.of("convnet")), (3, 32, 32))
    texts = [note.text for note in networks.drawing(rows).layout.annotations]
    assert [text for text in texts if "²" in text][:4] == ["32²", "15²", "7²", "3²"]


def test_colours_stand_out_on_both_pages() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in {*style.SERIES, *style.MODELS.values(), style.TRAIN, style.VALID, style.LECTURE}:
        for page in ("#FCFBF8", "#12151B"):
            high, low = sorted((luminance(colour), luminance(page)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, page)
