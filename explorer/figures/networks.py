"""A drawing of a network: the feature maps it makes, from input to output, to scale."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.figures import style

if TYPE_CHECKING:
    from explorer.models.summary import LayerRow

_COLOURS = {
    "Conv2d": style.SERIES[4],
    "BnLayer": style.SERIES[2],
    "ResnetLayer": style.SERIES[1],
    "ConvLayer": style.SERIES[4],
    "Linear": style.SERIES[0],
}


def drawing(rows: Sequence["LayerRow"]) -> go.Figure:
    """Blocks as tall as a feature map's side and as wide as the logarithm of its channels."""
    fig = style.figure(height=260)
    blocks = [("input", "picture", rows[0].input)] + [(r.name, r.kind, r.output) for r in rows]
    at = 0.0
    for name, kind, shape in blocks:
        side = shape[-1] if len(shape) == 3 else 1
        channels = shape[0]
        width, height = 0.35 + math.log2(max(2, channels)) / 6, max(1.4, side) / 32
        colour = _COLOURS.get(kind, style.MUTED)
        fig.add_scatter(
            x=[at, at + width, at + width, at, at],
            y=[-height, -height, height, height, -height],
            fill="toself",
            mode="lines",
            line={"color": colour, "width": 1.6},
            fillcolor=style.faded(colour, 0.28),
            hoveron="fills",
            name=f"{name} · {kind}",
            showlegend=False,
            hoverinfo="text",
            text=f"{name} ({kind})<br>{channels} × {side} × {side}" if len(shape) == 3 else f"{name}<br>{channels}",
        )
        fig.add_annotation(x=at + width / 2, y=-height - 0.12, text=str(channels), showarrow=False, font={"size": 11})
        if len(shape) == 3:
            fig.add_annotation(x=at + width / 2, y=height + 0.12, text=f"{side}²", showarrow=False, font={"size": 11})
        at += width + 0.28
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False, range=[-1.35, 1.35])
    fig.update_layout(hovermode="closest", margin={"l": 4, "r": 4, "t": 4, "b": 4})
    return fig
