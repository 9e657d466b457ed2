"""What BatchNorm changes: where networks learn at all, and what its statistics cost when it answers. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.experiment import Norm
from explorer.figures import style
from explorer.ladders import GUESSING

if TYPE_CHECKING:
    from explorer.probes.bn_statistics import Evaluation
    from explorer.runs.grid import GridView


def rate_depth_map(grid: "GridView", *, key: str = "", height: int = 330) -> go.Figure:
    """Loss reached for each rate and depth, without BatchNorm on the left and with it on the right."""
    fig = style.figure("", "", key=key, height=height)
    fig.set_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    layers = [str(grid.stages * depth) for depth in grid.depths]
    rates = [f"{rate:g}" for rate in grid.rates]
    for column, (norm, loss) in enumerate(zip(grid.norms, grid.loss, strict=True), 1):
        words = np.where(np.isinf(loss), "broke", np.where(np.isnan(loss), "", np.char.mod("%.2f", loss)))
        fig.add_heatmap(
            row=1,
            col=column,
            x=rates,
            y=layers,
            z=np.where(np.isinf(loss), GUESSING, loss).astype(np.float32),
            text=words,
            texttemplate="%{text}",
            colorscale=[[0, style.WITH_NORM], [1, style.faded(style.MUTED, 0.18)]],
            zmin=1.5,
            zmax=GUESSING,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="rate %{x}, %{y} layers: %{text}<extra></extra>",
        )
        title = "without BatchNorm" if norm == Norm.NONE else "with BatchNorm"
        fig.update_xaxes(title_text=f"learning rate,<br>{title}", type="category", showgrid=False, row=1, col=column)
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=layers, showgrid=False)
    fig.update_yaxes(title_text="convolutions", col=1)
    fig.update_xaxes(ticks="", title_standoff=8, automargin=True).update_yaxes(ticks="")
    fig.update_layout(hovermode="closest", margin={"t": 12, "b": 64})
    return fig


def evaluation_bars(found: Sequence["Evaluation"], *, key: str = "", height: int = 260) -> go.Figure:
    """Validation loss with each kind of statistics; the accuracy is written on the bar."""
    fig = style.figure("validation loss (nats)", "", key=key, height=height)
    rows = list(reversed(found))
    fig.add_bar(
        x=[row.val_loss for row in rows],
        y=[row.statistics for row in rows],
        orientation="h",
        marker={"color": [style.VALID if "own" in row.statistics else style.WITH_NORM for row in rows]},
        text=[f"{row.accuracy:.1%} right" for row in rows],
        hoverinfo="skip",
    )
    fig.update_layout(margin={"l": 190})
    return fig
