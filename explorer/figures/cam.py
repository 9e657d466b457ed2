"""Figures of the CAM page: evidence on the photo, the map's numbers, probabilities, deletion, training a head."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style

if TYPE_CHECKING:
    from explorer.cam.head import FitStep
    from explorer.cam.truth import Deletion
    from explorer.cam.view import Geometry

MOST = 6  #: classes listed at a point, the strongest first


def on_photo(
    source: str,
    size: tuple[int, int],
    seen: "Geometry",
    maps: np.ndarray,
    names: Sequence[str],
    *,
    selected: tuple[int, int] | None = None,
    height: int = 400,
) -> go.Figure:
    """A picture with a transparent marker on each cell that lies on it.

    Args:
        source: the picture as a data URL, drawn over the whole photo.
        size: the photo's (width, height).
        seen: where on the photo the maps lie.
        maps: (n_classes, h, w), in logits.
        names: of the classes.
        selected: row and column of the cell to frame.
        height: of the figure in pixels.
    """
    width, tall = size
    _, rows, columns = maps.shape
    places = [(r, c) for r in range(rows) for c in range(columns)]
    centres = {place: seen.centre(*place, rows, columns) for place in places}
    places = [p for p in places if 0 <= centres[p][0] <= width and 0 <= centres[p][1] <= tall]
    fig = style.figure(height=height)
    fig.add_layout_image(
        source=source, x=0, y=0, sizex=width, sizey=tall, xref="x", yref="y", sizing="stretch", layer="below"
    )
    fig.add_scatter(
        x=[centres[p][0] for p in places],
        y=[centres[p][1] for p in places],
        mode="markers",
        showlegend=False,
        marker={"symbol": "square", "size": max(6, int(0.8 * height / rows)), "opacity": 0.01},
        customdata=places,
        text=[_said(maps[:, r, c], names) for r, c in places],
        hovertemplate="row %{customdata[0]}, column %{customdata[1]}<br>%{text}<extra></extra>",
    )
    if selected is not None:
        x, y = seen.centre(*selected, rows, columns)
        half_x, half_y = (seen.right - seen.left) / columns / 2, (seen.bottom - seen.top) / rows / 2
        box = {"x0": x - half_x, "x1": x + half_x, "y0": y - half_y, "y1": y + half_y}
        fig.add_shape(type="rect", line={"color": "white", "width": 5}, **box)
        fig.add_shape(type="rect", line={"color": style.TRAIN, "width": 3}, **box)
    fig.update_xaxes(visible=False, range=[0, width], constrain="domain")
    fig.update_yaxes(visible=False, range=[tall, 0], scaleanchor="x", constrain="domain")
    fig.update_layout(hovermode="closest", margin={"l": 0, "r": 0, "t": 0, "b": 0})
    return fig


def map_numbers(
    values: np.ndarray,
    *,
    colours: Sequence[tuple[int, int, int]] | np.ndarray,
    low: float | None = None,
    high: float | None = None,
    selected: tuple[int, int] | None = None,
    height: int = 340,
) -> go.Figure:
    """A map's cells (h, w) with their numbers, each clickable.

    A click on a heat map selects nothing in Streamlit, so transparent markers lie on the cells; their
    ``customdata`` is [row, column]. ``colours`` is a table of 256 RGB values (:func:`explorer.cam.heat.colours`),
    stretched from ``low`` to ``high`` (default: the map's own range).
    """
    rows, columns = values.shape
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    table = np.asarray(colours)[::17]
    scale = [[i / (len(table) - 1), f"rgb({r},{g},{b})"] for i, (r, g, b) in enumerate(table)]
    fig = style.figure(height=height)
    fig.add_heatmap(
        z=values,
        zmin=low,
        zmax=high if high > low else low + 1,
        colorscale=scale,
        hoverinfo="skip",
        texttemplate="%{z:.2f}" if rows * columns <= 150 else None,
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10, "outlinewidth": 0},
    )
    places = [(r, c) for r in range(rows) for c in range(columns)]
    fig.add_scatter(
        x=[c for _, c in places],
        y=[r for r, _ in places],
        mode="markers",
        showlegend=False,
        marker={"symbol": "square", "size": max(8, int(0.7 * height / rows)), "opacity": 0.01},
        customdata=places,
        text=[f"{values[place]:.3f}" for place in places],
        hovertemplate="row %{customdata[0]}, column %{customdata[1]}: %{text}<extra></extra>",
    )
    if selected is not None:
        r, c = selected
        fig.add_shape(
            type="rect", x0=c - 0.5, x1=c + 0.5, y0=r - 0.5, y1=r + 0.5, line={"color": style.TRAIN, "width": 3}
        )
    fig.update_xaxes(showgrid=False, tickvals=list(range(columns)), constrain="domain")
    fig.update_yaxes(showgrid=False, tickvals=list(range(rows)), autorange="reversed", scaleanchor="x")
    fig.update_layout(hovermode="closest")
    return fig


def probabilities(classes: Sequence[str], values: Sequence[float], *, explained: int | None = None) -> go.Figure:
    """A bar a class, 0 to 1; the class explained is the darker one."""
    colours = [
        style.SERIES[i % len(style.SERIES)] if explained in (None, i) else style.faded(style.MUTED, 0.5)
        for i in range(len(classes))
    ]
    fig = style.figure("probability", height=70 + 34 * len(classes))
    # Positions, not names, on the axis: two classes may be called alike, and a name is no number or date.
    places = list(range(len(classes)))
    fig.add_bar(
        x=[float(v) for v in values],
        y=places,
        orientation="h",
        marker={"color": colours},
        hoverinfo="skip",
        text=[f"{v:.1%}" for v in values],
        textposition="auto",
        showlegend=False,
    )
    fig.update_xaxes(range=[0, 1], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1])
    fig.update_layout(margin_r=30)  # for half of "100%"
    fig.update_yaxes(autorange="reversed", showgrid=False, tickvals=places, ticktext=[_escaped(c) for c in classes])
    return fig


def deletion(curve: "Deletion", name: str) -> go.Figure:
    """Probability of class ``name`` against the share of the photo greyed: hottest first, and at random."""
    x = [100 * share for share in curve.shares]
    fig = style.figure("% of the photo hidden", f"probability of {_escaped(name)}", height=280)
    fig.add_scatter(
        x=[*x, *x[::-1]],
        y=[*curve.random_high, *curve.random_low[::-1]],
        fill="toself",
        mode="lines",
        line={"width": 0},
        fillcolor=style.faded(style.MUTED, 0.2),
        hoverinfo="skip",
        showlegend=False,
    )
    fig.add_scatter(
        x=x, y=list(curve.random), name="at random", mode="lines+markers", line={"color": style.MUTED, "dash": "dash"}
    )
    fig.add_scatter(
        x=x,
        y=list(curve.hottest),
        name="hottest first",
        mode="lines+markers",
        line={"color": style.VALID, "width": 2.2},
    )
    fig.update_yaxes(range=[-0.03, 1.03])
    return fig


def head_training(steps: Sequence["FitStep"], *, height: int = 260) -> go.Figure:
    """Loss and training accuracy of a head, step by step."""
    fig = style.figure("steps", "loss (nats)", height=height)
    kept = steps[:: max(1, len(steps) // style.POINTS)]
    x = [s.step + 1 for s in kept]
    fig.add_scatter(x=x, y=[s.loss for s in kept], name="loss", mode="lines", line={"color": style.TRAIN, "width": 2.2})
    fig.add_scatter(
        x=x,
        y=[s.accuracy for s in kept],
        name="accuracy on these photos",
        mode="lines",
        yaxis="y2",
        line={"color": style.VALID, "dash": "dot"},
    )
    fig.update_yaxes(rangemode="tozero")
    fig.update_layout(
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "range": [0, 1.03],
            "tickformat": ".0%",
            "showgrid": False,
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
        },
        margin_r=48,
    )
    return fig


def _said(values: np.ndarray, names: Sequence[str]) -> str:
    """The evidence at one cell, a line a class; a stranger's names without Plotly's tags."""
    order = np.argsort(-values)[:MOST]
    return "<br>".join(f"{_escaped(names[i])} {values[i]:+.2f}" for i in order)


def _escaped(name: str) -> str:
    """A stranger's text without Plotly's few HTML tags."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
