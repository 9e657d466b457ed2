"""A drawing of a network: the feature maps it makes, from input to output, to scale."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.figures import style

if TYPE_CHECKING:
    from explorer.models.summary import LayerRow

_LOOKS = {  # by class: what the legend says, and the colour
    "Conv2d": ("convolution", style.SERIES[4]),
    "ConvLayer": ("convolution", style.SERIES[4]),
    "BnLayer": ("convolution with BatchNorm", style.SERIES[2]),
    "ResnetLayer": ("with a skip connection", style.SERIES[1]),
    "Linear": ("fully connected", style.SERIES[0]),
}
_PICTURE = ("picture", style.MUTED)
_LEFT_OUT = ("Identity", "Dropout", "GlobalPool")  # make no feature map of their own


def drawing(rows: Sequence["LayerRow"], *, normalised: bool = True, title: str = "", height: int = 260) -> go.Figure:
    """Blocks as tall as a feature map's side and as wide as the logarithm of its channels, a colour a kind of layer.

    Args:
        normalised: whether layers that can normalise do.
        title: said below, where the blocks are small.
    """
    fig = style.figure(height=height)
    blocks = [("input", _PICTURE, rows[0].input)]
    blocks += [(r.name, _look(r.kind, normalised), r.output) for r in rows if r.kind not in _LEFT_OUT]
    at, before, explained = 0.0, (0, 0), set()
    for name, (kind, colour), shape in blocks:
        side = shape[-1] if len(shape) == 3 else 1
        channels = shape[0]
        width, tall = 0.35 + math.log2(max(2, channels)) / 6, max(1.4, side) / 32
        fig.add_scatter(
            x=[at, at + width, at + width, at, at],
            y=[-tall, -tall, tall, tall, -tall],
            fill="toself",
            mode="lines",
            line={"color": colour, "width": 1.6},
            fillcolor=style.faded(colour, 0.28),
            hoveron="fills",
            name=kind,
            legendgroup=kind,
            showlegend=kind not in explained,
            hoverinfo="text",
            text=f"{name} ({kind})<br>{channels} × {side} × {side}" if len(shape) == 3 else f"{name}<br>{channels}",
        )
        explained.add(kind)
        middle = {"x": at + width / 2, "showarrow": False, "font": {"size": 11}}
        if channels != before[0]:
            fig.add_annotation(y=-tall, yanchor="top", text=str(channels), **middle)
        if len(shape) == 3 and side != before[1]:
            fig.add_annotation(y=tall, yanchor="bottom", text=f"{side}²", **middle)
        at, before = at + width + 0.28, (channels, side)
    fig.update_xaxes(visible=False, range=[-0.1, at - 0.18])
    fig.update_yaxes(visible=False, range=[-1.8, 1.5])
    fig.update_layout(hovermode="closest", margin={"l": 4, "r": 4, "t": 26, "b": 4})
    corner = {"xref": "paper", "yref": "paper", "x": 1, "y": 0, "xanchor": "right", "yanchor": "bottom"}
    fig.add_annotation(text=title, showarrow=False, font={"size": 12}, **corner)
    return fig


def _look(kind: str, normalised: bool) -> tuple[str, str]:
    if kind == "BnLayer" and not normalised:
        kind = "Conv2d"
    return _LOOKS.get(kind, (kind, style.MUTED))
