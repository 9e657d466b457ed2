"""Several runs over each other: any of their curves on steps, epochs or seconds; many by their settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style
from explorer.figures.curves import settle, settled
from explorer.series import extremes, spread
from explorer.store.history import Snapshot


class Y(StrEnum):
    """What is drawn."""

    LOSS = "loss"
    VALIDATION = "validation"
    ACCURACY = "accuracy"
    RATE = "rate"
    GRADIENT = "gradient"


class X(StrEnum):
    """Over what."""

    EPOCHS = "epochs"
    STEPS = "steps"
    SECONDS = "seconds"


TITLES = {
    Y.LOSS: "training loss, smoothed (nats)",
    Y.VALIDATION: "validation loss (nats)",
    Y.ACCURACY: "accuracy",
    Y.RATE: "learning rate",
    Y.GRADIENT: "gradient norm",
}
MOST = 40  #: epochs with a mark each; more are a plain line
TICKS = 8  #: of an axis of settings, at most; where fewer values were tried, each has one


def overlay(
    runs: Mapping[str, Snapshot], y: Y, x: X, *, log_y: bool = False, key: str = "", height: int = 380
) -> go.Figure:
    """One curve of each run, by name, in a colour of its own."""
    fig = style.figure(str(x), TITLES[y], log_y=log_y, key=key, height=height)
    if y == Y.ACCURACY:
        fig.update_yaxes(tickformat=".0%")
    shown = [np.empty(0)]
    for (name, history), colour, dash in zip(runs.items(), cycle(style.SERIES), cycle(style.DASHES), strict=False):
        places, values = curve(history, y, x)
        marked = y in (Y.VALIDATION, Y.ACCURACY) and len(values) <= MOST
        fig.add_scatter(
            x=places.astype(np.float32),
            y=values.astype(np.float32),
            name=name,
            showlegend=True,
            mode="lines+markers" if marked else "lines",
            line={"color": colour, "width": 2.2, "dash": dash},
            marker={"size": 6},
        )
        shown.append(settled(values))
    if y == Y.LOSS and not log_y:
        settle(fig, np.concatenate(shown))
    return fig


def curve(history: Snapshot, y: Y, x: X, points: int = style.POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of a run's curve: at most ``points`` of them, a gradient's spikes kept."""
    if y in (Y.VALIDATION, Y.ACCURACY):
        rows = [history.epochs[i] for i in spread(len(history.epochs), points)]
        values = [row.val_loss if y == Y.VALIDATION else row.accuracy for row in rows]
        epochs, steps = [float(row.epoch) for row in rows], [float(row.step) for row in rows]
        places = np.array(epochs if x == X.EPOCHS else steps)
        if x == X.SECONDS and len(history):
            places = np.interp(steps, history["step"], history["seconds"])
        return places, np.array(values, np.float64)
    column = {Y.RATE: "lr", Y.GRADIENT: "grad_norm"}.get(y)
    found = history[column] if column else history.smoothed()
    keep = extremes(found, points) if y == Y.GRADIENT and len(found) else spread(len(found), points)
    at = {X.EPOCHS: "epoch", X.STEPS: "step", X.SECONDS: "seconds"}[x]
    return history[at][keep], found[keep]


@dataclass(frozen=True)
class Axis:
    """A setting of many runs: numbers, or words."""

    name: str
    values: Sequence[object]
    log: bool = False


def parallel(
    axes: Sequence[Axis], metric: Axis, lower_is_better: bool, *, key: str = "", height: int = 360
) -> go.Figure:
    """A line a run through its settings to what it came to; drag along an axis to choose some."""
    fig = style.figure("", "", key=key, height=height)
    values = np.array(metric.values, np.float64)
    better, worse = style.SERIES[0], style.SERIES[1]
    ends = (better, worse) if lower_is_better else (worse, better)
    fig.add_parcoords(
        dimensions=[_dimension(axis) for axis in (*axes, metric)],
        line={"color": values.tolist(), "colorscale": [[0.0, ends[0]], [1.0, ends[1]]], "showscale": False},
    )
    fig.update_layout(margin={"l": 80, "r": 60, "t": 50, "b": 24})
    return fig


def _dimension(axis: Axis) -> dict[str, object]:
    if any(isinstance(value, str | bool) for value in axis.values):
        known = sorted({str(value) for value in axis.values})
        places = [known.index(str(value)) for value in axis.values]
        return {"label": axis.name, "values": places, "tickvals": [*range(len(known))], "ticktext": known}
    numbers = np.array(axis.values, np.float64)
    distinct = sorted(set(numbers.tolist()))
    ticks = [distinct[i] for i in spread(len(distinct), TICKS)]
    words = [f"{tick:.4g}" for tick in ticks]
    if axis.log and (numbers > 0).all():
        return {
            "label": axis.name,
            "values": np.log10(numbers).tolist(),
            "tickvals": np.log10(ticks).tolist(),
            "ticktext": words,
        }
    few = {"tickvals": ticks, "ticktext": words} if len(distinct) <= TICKS else {}  # those that were tried
    return {"label": axis.name, "values": numbers.tolist(), **few}


def lines(
    curves: Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]],
    x: str,
    y: str,
    *,
    log_x: bool = False,
    key: str = "",
    height: int = 300,
) -> go.Figure:
    """Any curves by name."""
    fig = style.figure(x, y, log_x=log_x, key=key, height=height)
    for (name, (xs, ys)), colour, dash in zip(curves.items(), cycle(style.SERIES), cycle(style.DASHES), strict=False):
        fig.add_scatter(
            x=list(xs), y=list(ys), name=name, mode="lines", line={"color": colour, "width": 2, "dash": dash}
        )
    return fig
