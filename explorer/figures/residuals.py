"""What residual layers add, and what leaving one out costs."""

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.figures import style

if TYPE_CHECKING:
    from explorer.probes.residuals import Residuals


def residual_bars(found: "Residuals", *, height: int = 300) -> go.Figure:
    """A pair of bars a layer: how large its correction is, and the accuracy that is lost without it."""
    fig = style.figure("residual layer, from the picture on", "", height=height)
    names = [f"{place}" for place in range(1, len(found.layers) + 1)]
    said = [layer.name for layer in found.layers]
    fig.add_bar(
        x=names,
        y=[layer.share for layer in found.layers],
        name="size of f(x), as a share of x",
        customdata=said,
        hovertemplate="%{customdata}<br>%{y:.0%}<extra></extra>",
        marker={"color": style.TRAIN},
    )
    fig.add_bar(
        x=names,
        y=[found.accuracy - layer.accuracy for layer in found.layers],
        name="accuracy lost without it",
        customdata=said,
        hovertemplate="%{customdata}<br>%{y:.1%}<extra></extra>",
        marker={"color": style.VALID, "pattern": {"shape": "/"}},
    )
    fig.update_yaxes(tickformat=".0%")
    fig.update_layout(barmode="group", hovermode="closest")
    return fig
