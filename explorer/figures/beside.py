"""A run beside what the notes print: training and validation losses, epoch by epoch."""

from collections.abc import Sequence

import plotly.graph_objects as go

from explorer.figures import style
from explorer.store.history import EpochRow


def printed_losses(
    theirs: Sequence[tuple[float, ...]], ours: Sequence[EpochRow], *, key: str = "", height: int = 300
) -> go.Figure:
    """Both losses of both, after each epoch.

    Args:
        theirs: (training loss, validation loss, …) after each epoch, as the notes print them.
        ours: the run's epochs.
        key: names the run.
        height: in pixels.
    """
    fig = style.figure("epochs", "loss (nats)", key=key, height=height)
    for column, (name, colour, symbol) in enumerate(
        (("training", style.TRAIN, "circle"), ("validation", style.VALID, "diamond"))
    ):
        fig.add_scatter(
            x=[row.epoch for row in ours],
            y=[(row.train_loss, row.val_loss)[column] for row in ours],
            name=f"{name}, here",
            mode="lines+markers",
            line={"color": colour, "width": 2.2},
            marker={"size": 7, "symbol": symbol},
        )
        fig.add_scatter(
            x=list(range(1, len(theirs) + 1)),
            y=[row[column] for row in theirs],
            name=f"{name}, lecture notes",
            mode="lines+markers",
            line={"color": colour, "width": 1.6, "dash": "dash"},
            marker={"size": 7, "symbol": f"{symbol}-open"},
        )
    return fig
