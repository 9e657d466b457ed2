"""Sweeps of the learning rate over each other, with the rates they suggest. Pure, with bounded points."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style
from explorer.series import extremes

if TYPE_CHECKING:
    from explorer.training.lr_finder import Sweep

SYMBOLS = {"minimum / 10": "triangle-down", "valley": "diamond", "steepest": "square", "yours": "x"}
CROWDED = 0.55  #: of the axis; from there on no words fit to the right on a phone
SIDES = ("bottom left", "top right")  # of a falling curve, where there is room for words


def colours(names: "Mapping[str, object]") -> dict[str, str]:
    """The colour of each curve, and of everything that belongs to it, by its name."""
    return {name: style.SERIES[number % len(style.SERIES)] for number, name in enumerate(names)}


def sweep_curves(
    sweeps: "Mapping[str, Sweep]",
    marks: Mapping[str, Mapping[str, float]] | None = None,
    first: Mapping[str, str] | None = None,
    span: tuple[float, float] | None = None,
    *,
    key: str = "",
    height: int = 380,
) -> go.Figure:
    """Loss against learning rate for one or more sweeps, with marks on their curves.

    Args:
        sweeps: by the names in the legend.
        marks: of each curve, rates by the names they have in the figure; NaN is left out.
        first: the mark of each curve that is recommended, drawn larger.
        span: the rates from which to which the axis goes; by default as far as there are any.
    """
    fig = style.figure("learning rate", "loss (nats)", log_x=True, key=key, height=height)
    fig.update_xaxes(exponentformat="e", dtick=1, range=np.log10(span) if span else None)
    for name, colour in colours(sweeps).items():
        _curve(fig, name, sweeps[name], colour)
    for name, colour in colours(sweeps).items():
        _marks(fig, name, sweeps[name], (marks or {}).get(name, {}), (first or {}).get(name, ""), colour)
    shown = [sweep for sweep in sweeps.values() if len(sweep.smooth)]
    if shown:
        top = max(float(sweep.smooth[0]) for sweep in shown)
        low = min(float(sweep.smooth.min()) for sweep in shown)
        fig.update_yaxes(range=[low - 0.15 * (top - low), top + 0.6 * (top - low)])
    return fig


def _curve(fig: go.Figure, name: str, found: "Sweep", colour: str) -> None:
    """Each step, pale, and the smoothed loss."""
    lr, loss, smoothed = (a.astype(np.float32) for a in (found.lr, found.loss, found.smooth))
    keep = extremes(loss, style.POINTS)
    fig.add_scatter(
        x=lr[keep],
        y=loss[keep],
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        line={"color": style.faded(colour, 0.3), "width": 1},
    )
    fig.add_scatter(
        x=lr,
        y=smoothed,
        name=name,
        meta=name,
        mode="lines",
        line={"color": colour, "width": 2.4},
        hovertemplate="%{y:.3f}",
    )


def _marks(fig: go.Figure, name: str, found: "Sweep", rates: Mapping[str, float], first: str, colour: str) -> None:
    """Rates on a curve, in its colour, each with its name."""
    known = {word: rate for word, rate in rates.items() if len(found.lr) and np.isfinite(rate)}
    for number, (word, rate) in enumerate(sorted(known.items(), key=lambda mark: mark[1])):
        words = f"{word}: {rate:.2g}"
        along = np.log(rate / found.lr[0]) / np.log(found.lr[-1] / found.lr[0])
        side = SIDES[0] if along > CROWDED else SIDES[number % 2]
        fig.add_scatter(
            x=[rate],
            y=[float(np.interp(np.log(rate), np.log(found.lr), found.smooth))],
            name=f"{name}: {word}",
            mode="markers+text",
            text=[f"<b>{words}</b>" if word == first else words],
            textposition=side,
            textfont={"color": colour},
            marker={
                "size": 15 if word == first else 10,
                "symbol": SYMBOLS.get(word, "circle"),
                "color": colour,
                "line": {"width": 1.5, "color": "white"},
            },
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )
