"""Curves of a run: loss, accuracy, rate; of a schedule; of a sweep. Pure functions of what was recorded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style
from explorer.ladders import Reference
from explorer.series import extremes, spread
from explorer.store.history import Snapshot

if TYPE_CHECKING:
    from explorer.training.schedules import Plan


def loss_curves(
    history: Snapshot,
    *,
    lecture: Reference | None = None,
    epochs: float | None = None,
    log_y: bool = False,
    key: str = "",
    height: int = 360,
) -> go.Figure:
    """Training loss (each step, and smoothed as the lecture prints it) and validation loss over epochs.

    ``lecture`` draws the lecture's own validation losses, dashed; ``epochs`` is how far the axis reaches: as far as
    there are data, by default.
    """
    fig = style.figure("epochs", "loss (nats)", log_y=log_y, key=key, height=height)
    _reach(fig, epochs)
    epoch, loss = history["epoch"].astype(np.float32), history["loss"].astype(np.float32)
    if len(loss):
        keep = extremes(loss, style.POINTS)
        fig.add_scatter(
            x=epoch[keep],
            y=loss[keep],
            name="each step",
            mode="lines",
            hoverinfo="skip",
            line={"color": style.faded(style.TRAIN, 0.28), "width": 1},
        )
        _training(fig, history)
    _validation(fig, history, "val_loss")
    if lecture and lecture.curve:
        _reference(fig, lecture)
    if len(loss):
        _marks(fig, history)
        theirs = [value for at, value in _points(lecture) if epochs is None or at <= epochs] if lecture else []
        if len(loss) > 200 and not log_y:
            settle(fig, [*settled(loss), *(row.val_loss for row in history.epochs), *theirs])
    return fig


def _training(fig: go.Figure, history: Snapshot) -> None:
    keep = spread(len(history), style.POINTS)
    fig.add_scatter(
        x=history["epoch"][keep].astype(np.float32),
        y=history.smoothed()[keep].astype(np.float32),
        name="training",
        mode="lines",
        line={"color": style.TRAIN, "width": 2.2},
    )


def settled(loss: np.ndarray) -> np.ndarray:
    """Without the first steps, whose loss would squeeze everything else into a corner."""
    return loss[len(loss) // 20 :]


def settle(fig: go.Figure, values: Sequence[float] | np.ndarray) -> None:
    """An axis for these losses, but for a few outliers."""
    finite = np.asarray(values)[np.isfinite(values)]
    if len(finite):
        low, high = finite.min(), np.quantile(finite, 0.999)
        fig.update_yaxes(range=[low - 0.05 * (high - low), high + 0.12 * (high - low)])


def accuracy_curve(
    history: Snapshot,
    *,
    lecture: Reference | None = None,
    epochs: float | None = None,
    key: str = "",
    height: int = 300,
) -> go.Figure:
    """Validation accuracy after each epoch; the arguments are those of :func:`loss_curves`."""
    fig = style.figure("epochs", "accuracy", key=key, height=height)
    _reach(fig, epochs)
    fig.update_yaxes(tickformat=".0%")
    _validation(fig, history, "accuracy")
    if lecture and lecture.curve:
        _reference(fig, lecture)
    elif not history.epochs:
        fig.update_yaxes(range=[0, 1])  # or Plotly reaches to 400 %
    return fig


def _validation(fig: go.Figure, history: Snapshot, column: str) -> None:
    rows = [history.epochs[i] for i in spread(len(history.epochs), style.POINTS)]
    if rows:
        fig.add_scatter(
            x=[row.epoch for row in rows],
            y=[getattr(row, column) for row in rows],
            name="validation",
            mode="lines+markers",
            line={"color": style.VALID, "width": 2.2},
            marker={"size": 7},
        )


def _reach(fig: go.Figure, epochs: float | None) -> None:
    """Let the axis end at ``epochs``, where a marker still finds room."""
    if epochs is not None:
        fig.update_xaxes(range=[0, 1.02 * epochs])


def _points(lecture: Reference) -> list[tuple[int, float]]:
    """The lecture's own curve: (epoch, value)."""
    first = lecture.epochs - len(lecture.curve) + 1
    return list(enumerate(lecture.curve, start=first))


def _reference(fig: go.Figure, lecture: Reference) -> None:
    at, values = zip(*_points(lecture), strict=True)
    fig.add_scatter(
        x=list(at),
        y=list(values),
        name=lecture.source,
        mode="lines+markers",
        line={"color": style.LECTURE, "width": 1.6, "dash": "dash"},
        marker={"size": 6, "symbol": "diamond-open"},
    )


def _marks(fig: go.Figure, history: Snapshot) -> None:
    for mark in history.marks[-12:]:
        at = int(np.searchsorted(history["step"], mark.step))
        if at < len(history):
            fig.add_vline(
                x=float(history["epoch"][at]),
                line={"color": style.MUTED, "width": 1, "dash": "dot"},
                annotation={"text": mark.text, "font": {"size": 11}, "textangle": -90, "yanchor": "top"},
            )


def planned(plan: "Plan", points: int = 300) -> tuple[np.ndarray, list[float]]:
    """Epochs, evenly from the first to just before the end, and the learning rate planned for each."""
    at = np.linspace(0, plan.epochs * (1 - 1e-6), points)
    return at.astype(np.float32), [plan.lr(float(x)) for x in at]


def schedule_curve(plan: "Plan", history: Snapshot | None = None, *, key: str = "", height: int = 190) -> go.Figure:
    """The planned learning rate over epochs, the rate really used on top, and where the run is now."""
    fig = style.figure("epochs", "learning rate", key=key, height=height)
    at, rates = planned(plan)
    fig.add_scatter(
        x=at,
        y=rates,
        name="planned",
        mode="lines",
        line={"color": style.faded(style.RATE, 0.55), "width": 1.6, "dash": "dot"},
    )
    if history is not None and len(history):
        keep = spread(len(history), 300)
        fig.add_scatter(
            x=history["epoch"][keep].astype(np.float32),
            y=history["lr"][keep].astype(np.float32),
            name="used",
            mode="lines",
            line={"color": style.RATE, "width": 2.2},
        )
        fig.add_scatter(
            x=[float(history["epoch"][-1])],
            y=[float(history["lr"][-1])],
            name="now",
            mode="markers",
            marker={"color": style.VALID, "size": 10},
            showlegend=False,
        )
    fig.update_yaxes(exponentformat="power", rangemode="tozero")
    return fig


def momentum_curve(plan: "Plan", *, key: str = "", height: int = 190) -> go.Figure:
    """The planned momentum over epochs."""
    fig = style.figure("epochs", "momentum", key=key, height=height)
    at = np.linspace(0, plan.epochs * (1 - 1e-6), 200)
    fig.add_scatter(
        x=at.astype(np.float32),
        y=[plan.momentum(float(x)) for x in at],
        name="momentum",
        mode="lines",
        line={"color": style.SERIES[2], "width": 2},
    )
    return fig


def gradient_norms(history: Snapshot, *, key: str = "", height: int = 190) -> go.Figure:
    """The norm of the whole gradient at each step, before clipping."""
    fig = style.figure("epochs", "gradient norm", log_y=True, key=key, height=height)
    norms = history["grad_norm"]
    keep = extremes(norms, style.POINTS)
    fig.add_scatter(
        x=history["epoch"][keep].astype(np.float32),
        y=norms[keep].astype(np.float32),
        name="gradient norm",
        mode="lines",
        line={"color": style.SERIES[3], "width": 1.2},
    )
    return fig


def sparkline(values: Sequence[float], points: int = 60) -> list[float]:
    """A few values for a miniature."""
    array = np.asarray(values, np.float64)
    return [float(value) for value in array[spread(len(array), points)]]
