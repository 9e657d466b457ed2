"""One unit over a text: its state and its gates, a line each, and the character that is looked at."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style

NAMES = {
    "h": "state h",
    "c": "cell state c",
    "r": "reset r",
    "z": "update z",
    "i": "input i",
    "f": "forget f",
    "o": "output o",
}


def over_text(values: Mapping[str, np.ndarray], letters: Sequence[str], at: int, *, height: int = 240) -> go.Figure:
    """``values`` by name, (characters,) each; those without a word of their own are left out."""
    fig = style.figure("", "", height=height)
    order = [name for name in NAMES if name in values]
    for place, name in enumerate(order):
        fig.add_scatter(
            x=list(range(len(letters))),
            y=values[name].astype(np.float32),
            name=NAMES[name],
            mode="lines+markers",
            marker={"size": 5},
            line={"color": style.SERIES[place], "width": 2.2 if name in "hc" else 1.6, "dash": style.DASHES[place % 4]},
        )
    fig.add_vline(x=at, line={"color": style.MUTED, "width": 1.4, "dash": "dash"})
    fig.update_xaxes(tickvals=list(range(len(letters))), ticktext=list(letters), tickangle=0)
    return fig
