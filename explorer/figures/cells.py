"""What a sweep came to: over one axis a curve, over two a map, over more a line a point. Pure."""

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from explorer.figures import compare, style
from explorer.runs.sweeps import logarithmic, numeric, word
from explorer.series import spread

if TYPE_CHECKING:
    from explorer.runs.sweeps import Axis, Group, Point

CROWDED = 12  #: columns; beyond there is no room for a figure in each cell
ROOMY = 6  #: columns; up to here figures are as large as other words, on a phone too
TICKS = 8  #: on an axis of numbers
BEST = "★"


def drawing(group: "Group", *, key: str = "") -> go.Figure:
    """The figure that suits the number of the sweep's axes, one at least."""
    made = {1: curve, 2: heat_map}.get(len(group.axes), lines)
    return made(group, key=key)


def metric(group: "Group") -> str:
    """What the figure shows."""
    return "validation loss (nats)" if group.by_loss else "accuracy"


def _value(group: "Group", point: "Point") -> float:
    return point.val_loss.mean if group.by_loss else point.accuracy.mean


def _words(group: "Group", value: float) -> str:
    return f"{value:.2f}" if group.by_loss else f"{value:.1%}"


def curve(group: "Group", *, key: str = "", height: int = 320) -> go.Figure:
    """Over one axis: the mean of the seeds, and their standard deviation as a bar."""
    (axis,) = group.axes
    fig = style.figure(axis.name, metric(group), log_x=logarithmic(axis), key=key, height=height)
    shown = [point for point in group.points if not np.isnan(_value(group, point))]
    xs = [point.at[axis.name] if numeric(axis) else word(point.at[axis.name]) for point in shown]
    deviation = [(point.val_loss if group.by_loss else point.accuracy).spread for point in shown]
    best = [point is group.best for point in shown]
    fig.add_scatter(
        x=xs,
        y=[_value(group, point) for point in shown],
        error_y={"type": "data", "array": np.nan_to_num(deviation).tolist(), "thickness": 1.2},
        mode="lines+markers" if numeric(axis) else "markers",
        line={"color": style.VALID, "width": 2},
        marker={
            "color": style.VALID,
            "size": [15 if is_best else 8 for is_best in best],
            "symbol": ["star" if is_best else "circle" for is_best in best],
        },
        showlegend=False,
        hovertemplate="%{y:.4f}<extra></extra>" if group.by_loss else "%{y:.1%}<extra></extra>",
    )
    if numeric(axis):
        ticks = [axis.values[place] for place in spread(len(axis.values), TICKS)]
        fig.update_xaxes(tickvals=ticks, ticktext=[word(tick) for tick in ticks], showgrid=False)
    else:
        fig.update_xaxes(type="category")
    if not group.by_loss:
        fig.update_yaxes(tickformat=".0%")
    return fig


def heat_map(group: "Group", *, key: str = "", height: int = 0) -> go.Figure:
    """Over two axes: a cell a point, the better the greener; the best has a star, what diverged says so."""
    across, up = group.axes
    places = [(up.values.index(p.at[up.name]), across.values.index(p.at[across.name])) for p in group.points]
    value = np.full((len(up.values), len(across.values)), np.nan)
    words = np.full(value.shape, "", object)
    for point, place in zip(group.points, places, strict=True):
        value[place] = np.nan if point.broke else _value(group, point)
        words[place] = "broke" if point.broke else "" if np.isnan(value[place]) else _words(group, value[place])
        if point is group.best:
            words[place] = f"<b>{BEST}{words[place]}</b>"
    z = value if group.by_loss else -value
    known = z[~np.isnan(z)]
    low, high = (float(known.min()), float(np.quantile(known, 0.9))) if len(known) else (0.0, 1.0)
    broke = words == "broke"
    fig = style.figure(across.name, up.name, key=key, height=height or max(190, 96 + 44 * len(up.values)))
    fig.add_heatmap(
        x=[word(v) for v in across.values],
        y=[word(v) for v in up.values],
        z=np.where(broke, high, z).astype(np.float32),
        text=words,
        texttemplate="%{text}" if len(across.values) <= CROWDED else "",
        textfont={"size": 12} if len(across.values) <= ROOMY else {},
        colorscale=[[0, style.WITH_NORM], [1, style.faded(style.MUTED, 0.18)]],
        zmin=low,
        zmax=high if high > low else low + 1e-6,
        showscale=False,
        xgap=2,
        ygap=2,
        hovertemplate=f"{across.name} %{{x}}, {up.name} %{{y}}: %{{text}}<extra></extra>",
    )
    fig.update_xaxes(type="category", showgrid=False, automargin=True)
    fig.update_yaxes(type="category", showgrid=False)
    fig.update_layout(hovermode="closest", margin={"t": 12})
    return fig


def lines(group: "Group", *, key: str = "", height: int = 360) -> go.Figure:
    """Over more axes: a line a point through its values to what it came to."""
    shown = [point for point in group.points if not point.broke and not np.isnan(_value(group, point))]

    def column(axis: "Axis") -> compare.Axis:
        values: list[Any] = [point.at[axis.name] for point in shown]
        return compare.Axis(axis.name, values, logarithmic(axis))

    came_to = compare.Axis(metric(group), [_value(group, point) for point in shown])
    return compare.parallel([column(axis) for axis in group.axes], came_to, group.by_loss, key=key, height=height)
