"""A plan's cycles: the rate, where each ends, and how the run validated there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.figures import curves, style

if TYPE_CHECKING:
    from explorer.training.schedules import Plan


def cycle_chart(
    plan: "Plan", ends: Sequence[int], losses: Mapping[int, float], *, key: str = "", height: int = 260
) -> go.Figure:
    """The planned rate with a marker where ``on_cycle_end`` is called, and validation losses on a second axis.

    Args:
        plan: the rates.
        ends: epochs done at each cycle's end.
        losses: validation loss by epoch, as far as there are any.
        key: names the run.
        height: in pixels.
    """
    fig = style.figure("epochs", "learning rate", key=key, height=height)
    at, rates = curves.planned(plan, 400)
    fig.add_scatter(x=at, y=rates, name="rate", mode="lines", line={"color": style.RATE, "width": 2})
    fig.add_scatter(
        x=list(losses),
        y=list(losses.values()),
        name="validation loss",
        yaxis="y2",
        mode="lines+markers",
        line={"color": style.VALID, "width": 1.6},
        marker={"size": 6},
    )
    fig.add_scatter(
        x=list(ends),
        y=[0.0] * len(ends),
        name="on_cycle_end",
        mode="markers+text",
        text=[f"cyc_{number}" for number in range(len(ends))] if len(ends) <= 12 else None,
        textposition="top center",
        marker={"symbol": "triangle-up", "size": 12, "color": style.TRAIN},
        cliponaxis=False,
    )
    fig.update_layout(
        yaxis2={"overlaying": "y", "side": "right", "showgrid": False, "title": {"text": "loss (nats)"}}, margin_r=56
    )
    fig.update_yaxes(exponentformat="power", selector={"overlaying": None})
    return fig
