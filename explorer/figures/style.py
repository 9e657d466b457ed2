"""One look for every figure: the same colour for the same thing on every page.

Colours are mid-tones with at least 3 : 1 contrast on the light and the dark page, told apart by people with
any common colour-blindness (after Okabe & Ito), and never the only difference: lines differ in dash or marker.
"""

import numpy as np
import plotly.graph_objects as go

TRAIN, VALID, RATE = "#3D7DC8", "#C9690F", "#7A6BB0"
LECTURE, MUTED = "#7B828C", "#7B828C"
WITH_NORM, WITHOUT_NORM = "#16877A", "#C9690F"
MODELS = {
    "char3": "#7B828C",
    "char-loop": "#7B828C",
    "char-rnn": "#3D7DC8",
    "char-seq": "#3D7DC8",
    "stateful": "#3D7DC8",
    "rnn-cell": "#3D7DC8",
    "gru": "#16877A",
    "gru-cell": "#16877A",
    "lstm": "#B5467F",
    "simplenet": "#7B828C",
    "convnet": "#7A6BB0",
    "convnet2": "#7A6BB0",
    "bn": "#16877A",
    "deep-bn": "#3D7DC8",
    "resnet": "#C9690F",
    "resnet2": "#B5467F",
    "builder": "#3D7DC8",
}
SERIES = ("#3D7DC8", "#C9690F", "#16877A", "#B5467F", "#7A6BB0", "#7B828C")
DASHES = ("solid", "dash", "dot", "dashdot")
GRID = "rgba(128,128,128,0.18)"
POINTS = 500  #: most points a trace carries to the browser


def figure(
    x_title: str = "", y_title: str = "", *, height: int = 320, log_x: bool = False, log_y: bool = False, key: str = ""
) -> go.Figure:
    """An empty figure in the house style. ``key`` names the run, so that zoom survives its updates."""
    axis = {"gridcolor": GRID, "zeroline": False, "showline": False, "ticks": ""}
    log = {"type": "log", "tickformat": "~g", "nticks": 8}  # whole numbers: Plotly's own say 2 for 0.02 and for 0.002
    x_axis = {**axis, "title": {"text": x_title, "standoff": 8}, **(log if log_x else {})}
    y_axis = {**axis, "title": {"text": y_title, "standoff": 6}, **(log if log_y else {})}
    fig = go.Figure(  # at once: update_layout takes eight times as long
        layout={
            "height": height,
            "margin": {"l": 52, "r": 12, "t": 34, "b": 40},
            "colorway": SERIES,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
            "hovermode": "x unified",
            "uirevision": key or "fixed",
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": x_axis,
            # the projector's larger labels need more room than the margin
            "yaxis": {**y_axis, "automargin": "left"},
        }
    )
    fig.layout.template = None
    return fig


def decades(fig: go.Figure, low: float, high: float) -> None:
    """A tick a power of ten on a logarithmic y axis, where at least two lie between ``low`` and ``high``.

    Plotly's own would read "5 2 0.1 5 2": only the powers are written in full.
    """
    if low > 0 and np.floor(np.log10(high)) - np.ceil(np.log10(low)) >= 1:
        fig.update_yaxes(dtick=1, tickformat="~g")


def faded(colour: str, opacity: float) -> str:
    """``#rrggbb`` with an opacity, as rgba()."""
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{opacity})"


def positive(values: np.ndarray) -> np.ndarray:
    """For a logarithmic axis: what is not above zero, or not finite, leaves a gap."""
    return np.where((values > 0) & np.isfinite(values), values, np.nan).astype(np.float32)
