"""The photo under its heat, every cell of the map telling its evidence for each class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style

if TYPE_CHECKING:
    from explorer.cam.maps import Geometry

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


def _said(values: np.ndarray, names: Sequence[str]) -> str:
    """The evidence at one cell, a line a class; a stranger's names without Plotly's tags."""
    order = np.argsort(-values)[:MOST]
    plain = [n.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for n in names]
    return "<br>".join(f"{plain[i]} {values[i]:+.2f}" for i in order)
