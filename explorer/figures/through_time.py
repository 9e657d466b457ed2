"""Gradients through time, what a prediction looked at, and gates over the text. Pure, with bounded points."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style
from explorer.series import extremes

if TYPE_CHECKING:
    from explorer.probes.gates import Trace, Tracked
    from explorer.probes.gradients import Influence, ReachCurve
    from explorer.runs.through_time import Explosion

FLOOR = 1e-12  # below this a curve says only that nothing arrives
UNITS, CHARACTERS = 64, 160  # most units and characters a heat map shows
DIVERGING = [[0.0, style.TRAIN], [0.5, style.faded(style.MUTED, 0.0)], [1.0, style.VALID]]
ONE_SIDED = [[0.0, style.faded(style.WITH_NORM, 0.0)], [1.0, style.WITH_NORM]]
GATES = {
    "h": "hidden state",
    "c": "cell state",
    "r": "reset gate",
    "z": "update gate (1 keeps the old)",
    "n": "candidate",
    "i": "input gate",
    "f": "forget gate (1 keeps the old)",
    "g": "candidate",
    "o": "output gate",
}


def reach_curves(
    curves: Mapping[str, "ReachCurve"],
    looks: Mapping[str, tuple[str, str]] | None = None,
    *,
    relative: bool = False,
    bptt: int | None = None,
    key: str = "",
    height: int = 380,
) -> go.Figure:
    """‖∂ loss / ∂ state k characters back‖ against k; an LSTM's cell state is the dashed line of its colour.

    ``looks`` maps names to a colour and a dash. ``relative`` divides by the largest value of each line, ``bptt``
    marks how far gradients flowed in training.
    """
    title = "gradient, relative" if relative else "gradient norm"
    fig = style.figure("characters back (k)", title, log_y=True, key=key, height=height)
    looks = looks or dict(zip(curves, zip(style.SERIES * 3, cycle(["solid"])), strict=False))
    for name, curve in curves.items():
        colour, dash = looks[name]
        scale = 1 / curve.hidden.max() if relative and curve.hidden.max() > 0 else 1.0
        for edge, fill in ((curve.low, None), (curve.high, "tonexty")):
            fig.add_scatter(
                x=curve.lags,
                y=style.positive(edge * scale),
                mode="lines",
                line={"width": 0},
                fill=fill,
                showlegend=False,
                hoverinfo="skip",
                fillcolor=style.faded(colour, 0.13),
            )
        fig.add_scatter(
            x=curve.lags,
            y=style.positive(curve.hidden * scale),
            name=name,
            mode="lines",
            line={"color": colour, "width": 2.4, "dash": dash},
        )
        if curve.cell is not None:
            scale = 1 / curve.cell.max() if relative and curve.cell.max() > 0 else 1.0
            fig.add_scatter(
                x=curve.lags,
                y=style.positive(curve.cell * scale),
                name=f"{name}, cell state",
                mode="lines",
                line={"color": colour, "width": 2, "dash": "dash" if dash == "solid" else dash},
            )
    if bptt:
        fig.add_vline(x=bptt, line={"color": style.MUTED, "dash": "dot", "width": 1.4}, annotation_text=f"bptt {bptt}")
    top = max((max(c.high.max(), 0 if c.cell is None else c.cell.max()) for c in curves.values()), default=1.0)
    return fig.update_yaxes(exponentformat="power", range=[np.log10(FLOOR), np.log10(max(top, 1.0)) + 0.3])


def influence_bars(found: "Influence", text: str, *, most: int = 60, key: str = "", height: int = 240) -> go.Figure:
    """What spoke for (up) and against (down) the predicted character, over the last ``most`` characters read."""
    first = max(0, found.position - most)
    places, scores = np.arange(first, found.position), found.score[first:]
    fig = style.figure("", "gradient × input (nats)", key=key, height=height)
    fig.add_bar(
        x=places,
        y=scores.astype(np.float32),
        showlegend=False,
        customdata=[visible(c) for c in text[first : found.position]],
        marker={"color": [style.WITH_NORM if score >= 0 else style.VALID for score in scores]},
        hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
    )
    return _characters(fig, text, first, found.position)


def visible(character: str) -> str:
    """A character that can be seen on an axis."""
    return {" ": "␣", "\n": "↵", "\t": "→"}.get(character, character)


def _characters(fig: go.Figure, text: str, first: int, last: int) -> go.Figure:
    """The text itself along the axis."""
    places = list(range(first, last))
    fig.update_xaxes(
        tickmode="array", tickvals=places, ticktext=[visible(c) for c in text[first:last]], tickangle=0, showgrid=False
    )
    return fig


def gate_map(
    trace: "Trace",
    text: str,
    name: str = "h",
    layer: int = -1,
    *,
    first: int = 0,
    length: int = 80,
    liveliest: bool = True,
    key: str = "",
    height: int = 420,
) -> go.Figure:
    """A quantity (see ``GATES``) over a stretch of text: a row a unit, those that vary most on top if ``liveliest``."""
    values = trace.layers[layer][name]
    length = min(length, CHARACTERS, len(values) - first)
    units = (trace.liveliest(name, layer) if liveliest else np.arange(values.shape[1]))[:UNITS]
    shown = values[first : first + length, units].T.astype(np.float32)
    gate = name in "rzifo"
    fig = style.figure("", "unit", key=key, height=height)
    fig.add_heatmap(
        z=shown,
        x=np.arange(first, first + length),
        y=np.arange(len(units)),
        customdata=np.broadcast_to(units[:, None], shown.shape).astype(np.int16),
        zmin=0 if gate else -1,
        zmax=1,
        colorscale=ONE_SIDED if gate else DIVERGING,
        colorbar={"thickness": 12, "title": {"text": GATES[name], "side": "right"}},
        hovertemplate="unit %{customdata}: %{z:.2f}<extra></extra>",
    )
    ticks = np.arange(0, len(units), max(1, len(units) // 16))
    fig.update_yaxes(autorange="reversed", tickvals=ticks, ticktext=[str(units[t]) for t in ticks], showgrid=False)
    fig.update_layout(hovermode="closest")
    return _characters(fig, text, first, first + length)


def tracked_unit(
    trace: "Trace",
    text: str,
    tracked: "Tracked",
    feature: np.ndarray,
    name: str = "h",
    layer: int = -1,
    *,
    first: int = 0,
    length: int = 120,
    key: str = "",
    height: int = 240,
) -> go.Figure:
    """A unit and the feature it follows, over the text; ``feature`` is one of ``gates.features(text)``."""
    last = min(first + min(length, CHARACTERS), len(text))
    fig = style.figure("", "activation", key=key, height=height)
    places = np.arange(first, last)
    unit, wanted = trace.layers[layer][name][first:last, tracked.unit], feature[first:last]
    # The feature on the unit's scale: where a perfect follower would be.
    slope = tracked.correlation * trace.layers[layer][name][:, tracked.unit].std() / max(feature.std(), 1e-12)
    fitted = trace.layers[layer][name][:, tracked.unit].mean() + slope * (wanted - feature.mean())
    fig.add_scatter(
        x=places,
        y=unit.astype(np.float32),
        name=f"unit {tracked.unit}",
        mode="lines",
        line={"color": style.TRAIN, "width": 2},
    )
    fig.add_scatter(
        x=places,
        y=fitted.astype(np.float32),
        name=f"{tracked.feature} (r = {tracked.correlation:.2f})",
        mode="lines",
        line={"color": style.VALID, "width": 1.6, "dash": "dot", "shape": "hvh"},
    )
    return _characters(fig, text, first, last)


def exploding_norms(runs: Sequence["Explosion"], *, key: str = "", height: int = 360) -> go.Figure:
    """Gradient norm at each step, before clipping: solid without clipping, dotted with it, a colour a value."""
    fig = style.figure("step", "gradient norm", log_y=True, key=key, height=height)
    values = sorted({run.value for run in runs})
    for run in runs:
        colour = (style.SERIES * 3)[values.index(run.value)]
        keep = extremes(run.grad_norm, style.POINTS // 3)
        clipped = f", clipped at {run.clip:g}" if run.clip else ""
        fig.add_scatter(
            x=keep + 1,
            y=style.positive(run.grad_norm[keep]),
            name=f"{run.setting} {run.value:g}{clipped}",
            mode="lines",
            line={"color": colour, "width": 1.8, "dash": "dot" if run.clip else "solid"},
        )
    for clip in sorted({run.clip for run in runs if run.clip}):
        fig.add_hline(y=clip, line={"color": style.MUTED, "width": 1, "dash": "dash"}, annotation_text=f"clip {clip:g}")
    finite = np.concatenate([run.grad_norm[np.isfinite(run.grad_norm) & (run.grad_norm > 0)] for run in runs])
    if len(finite):
        style.decades(fig, finite.min(), finite.max())
    return fig
