"""A network's layers: what a probe recorded of them, over training and at one step. Pure, with bounded points."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style
from explorer.series import extremes, spread

if TYPE_CHECKING:
    from explorer.probes.activation_record import ActivationRecord
    from explorer.probes.activations import FeatureMaps

WHAT = {
    "mean": ("mean activation", False),
    "std": ("standard deviation", True),
    "dead": ("share near zero", False),
    "grad_norm": ("gradient norm", True),
    "weight_norm": ("weight norm", True),
    "update_ratio": ("update / weights", True),
}
HEAT = [[0.0, style.faded(style.TRAIN, 0.0)], [0.45, style.TRAIN], [1.0, style.VALID]]  # nothing is see-through
LAYERS, COLUMNS, CHANNELS, CELL = 20, 80, 160, 16  # most layers, steps and channels a picture shows; its maps' side


def short(layer: str) -> str:
    """``stages.0.1`` as ``1.2``: the second layer of the first stage."""
    parts = layer.split(".")
    if parts[0] == "stages" and len(parts) == 3:
        return f"{int(parts[1]) + 1}.{int(parts[2]) + 1}"
    return layer


def depth_colours(layers: int) -> list[str]:
    """One colour a layer, from blue at the input to orange at the output."""
    first, last = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (style.TRAIN, style.VALID))
    shares = np.linspace(0, 1, max(layers, 2))[:layers]
    mixed = [(first + (last - first) * share).round().astype(int) for share in shares]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in mixed]


def over_training(
    record: "ActivationRecord",
    what: str = "std",
    *,
    until: int | None = None,
    y_range: Sequence[float] | None = None,
    key: str = "",
    height: int = 320,
) -> go.Figure:
    """One statistic (see ``WHAT``) of every layer over steps.

    The axis ends at ``until``, by default with the record; ``y_range`` aligns two figures.
    """
    title, log_y = WHAT[what]
    fig = style.figure("step", title, log_y=log_y, key=key, height=height)
    values = getattr(record, what)
    for number, (name, colour) in enumerate(zip(record.layers, depth_colours(len(record.layers)), strict=True)):
        keep = extremes(values[:, number], style.POINTS // 3)
        fig.add_scatter(
            x=record.steps[keep],
            y=style.positive(values[keep, number]) if log_y else values[keep, number],
            name=short(name),
            mode="lines",
            line={"color": colour, "width": 1.8},
        )
    if len(record.layers) > 6:  # too many for a line above the figure
        fig.update_layout(legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top"})
    if y_range is not None:
        fig.update_yaxes(range=np.log10(y_range) if log_y else y_range)
    fig.update_yaxes(exponentformat="power")
    return spanning(fig, until)


def spanning(fig: go.Figure, until: int | None) -> go.Figure:
    """Steps from the first to ``until``, so that a curve grows into its figure and figures stand side by side."""
    return fig.update_xaxes(range=[0, until]) if until else fig


def histograms(
    record: "ActivationRecord", *, until: int | None = None, key: str = "", height: int | None = None
) -> go.Figure:
    """The *colourful dimension*: a row a layer, time to the right, values upwards, colour for how many.

    Every row spans the same values, those that occur at all, on the record's scale: linear near zero and
    logarithmic beyond. The axis ends at step ``until``, by default with the record.
    """
    shown = spread(len(record.layers), LAYERS)
    keep = spread(len(record), COLUMNS)
    low, high = _used_bins(record)
    span = f"each row from {_two_digits(record.edges[low])} to {_two_digits(record.edges[high])}"
    fig = style.figure("step", span, key=key, height=height or 70 + 44 * max(len(shown), 3))
    height_each = high - low + 1  # a blank line between two layers
    # One picture for all layers, the first on top.
    stack = np.zeros((len(shown), height_each, len(keep)), np.uint8)
    if len(keep):
        share = record.hist[keep][:, shown, low:high].transpose(1, 2, 0)
        stack[::-1, :-1] = np.nan_to_num(255 * np.sqrt(share))  # the root, or the rare would not show
    fig.add_heatmap(
        z=stack.reshape(len(shown) * height_each, len(keep)),
        x=record.steps[keep],
        colorscale=HEAT,
        zmin=0,
        zmax=255,
        showscale=False,
        hoverinfo="x",
    )
    middles = (np.arange(len(shown))[::-1] + 0.5) * height_each - 1
    fig.update_yaxes(tickvals=middles, ticktext=[short(record.layers[i]) for i in shown], showgrid=False)
    fig.update_layout(margin={"l": 56, "t": 8})
    return spanning(fig, until)


def _two_digits(value: float) -> str:
    """Rounded to two digits, and never as a power of ten: 100 rather than 1e+02."""
    return f"{float(f'{value:.2g}'):g}"


def _used_bins(record: "ActivationRecord") -> tuple[int, int]:
    """The first bin that holds anything worth drawing in any layer at any step, and the one after the last."""
    used = np.flatnonzero((record.hist > 1e-3).any((0, 1)))
    return (int(used[0]), int(used[-1]) + 1) if len(used) else (0, len(record.edges) - 1)


def at_step(record: "ActivationRecord", index: int, *, key: str = "", height: int | None = None) -> go.Figure:
    """Every layer's distribution at one sampled step, one above the other like ridges."""
    shown = spread(len(record.layers), LAYERS)
    fig = style.figure("activation", "", key=key, height=height or 70 + 44 * max(len(shown), 3))
    bins = len(record.edges) - 1
    x = np.arange(bins) + 0.5
    colours = depth_colours(len(record.layers))
    for place, number in enumerate(shown):
        base = len(shown) - 1 - place
        share = np.nan_to_num(record.hist[index, number])
        tall = 0.92 * share / max(float(share.max()), 1e-9)
        name = record.layers[number]
        line = {"color": colours[number], "width": 1.4}
        fig.add_scatter(
            x=[x[0], x[-1]], y=[base, base], mode="lines", hoverinfo="skip", showlegend=False, line={**line, "width": 1}
        )
        fig.add_scatter(
            x=x,
            y=base + tall,
            fill="tonexty",
            mode="lines",
            name=name,
            showlegend=False,
            line=line,
            fillcolor=style.faded(colours[number], 0.4),
            hoverinfo="name",
        )
    values = np.array([-100, -10, -1, 0, 1, 10, 100])
    ticks = np.interp(values, record.edges, np.arange(bins + 1))  # to within a bin
    fig.update_xaxes(tickvals=ticks, ticktext=[str(v) for v in values])
    names = [short(record.layers[i]) for i in shown]
    fig.update_yaxes(tickvals=len(shown) - 1 - np.arange(len(shown)), ticktext=names, showgrid=False)
    fig.update_layout(hovermode="closest", margin={"l": 84})
    return fig


def channels(
    record: "ActivationRecord", layer: int, what: str = "std", *, key: str = "", height: int = 320
) -> go.Figure:
    """One statistic ("mean", "std" or "dead") of each channel of a layer, over steps."""
    fig = style.figure("step", "channel", key=key, height=height)
    values = record.channels(layer)[what]
    rows, kept = spread(len(record), COLUMNS), spread(values.shape[1], CHANNELS)
    fig.add_heatmap(
        z=values[rows][:, kept].T.astype(np.float32),
        x=record.steps[rows],
        y=kept,
        colorscale=HEAT,
        colorbar={"title": {"text": WHAT[what][0], "side": "right"}, "thickness": 12},
        hovertemplate="step %{x}, channel %{y}: %{z:.3g}<extra></extra>",
    )
    fig.update_yaxes(showgrid=False)
    return fig


def batchnorm(
    record: "ActivationRecord", layer: int, name: str = "m", *, key: str = "", height: int = 260
) -> go.Figure:
    """BatchNorm's own scale ``m`` or shift ``a`` of one layer over steps: some channels, and the mean of all."""
    fig = style.figure("step", {"m": "scale m", "a": "shift a"}[name], key=key, height=height)
    values = record.batchnorm(layer).get(name)
    if values is not None and len(values):
        rows = spread(len(record), COLUMNS)
        for channel in spread(values.shape[1], 24):
            fig.add_scatter(
                x=record.steps[rows],
                y=values[rows, channel],
                mode="lines",
                showlegend=False,
                hoverinfo="skip",
                line={"color": style.faded(style.WITH_NORM, 0.3), "width": 1},
            )
        fig.add_scatter(
            x=record.steps[rows],
            y=values[rows].mean(1),
            name="mean of all channels",
            mode="lines",
            line={"color": style.WITH_NORM, "width": 2.4},
        )
    return fig


def feature_maps(maps: Sequence["FeatureMaps"], *, each: int = 8, key: str = "") -> go.Figure:
    """One picture through all layers: a row a layer, its ``each`` liveliest channels, each stretched to its range."""
    shown = [maps[i] for i in spread(len(maps), LAYERS)]
    picture = np.zeros((len(shown) * (CELL + 1), each * (CELL + 1)), np.uint8)
    for row, layer in enumerate(reversed(shown)):
        liveliest = np.argsort(-layer.maps.std((1, 2)), kind="stable")[:each]
        for column, channel in enumerate(liveliest):
            top, left = row * (CELL + 1), column * (CELL + 1)
            picture[top : top + CELL, left : left + CELL] = _cell(layer.maps[channel])
    fig = style.figure("", "", key=key, height=60 + 46 * max(len(shown), 2))
    fig.add_heatmap(z=picture, colorscale=HEAT, zmin=0, zmax=255, showscale=False, hoverinfo="skip")
    names = [short(layer.name) for layer in reversed(shown)]
    middles = np.arange(len(shown)) * (CELL + 1) + CELL / 2
    fig.update_yaxes(tickvals=middles, ticktext=names, showgrid=False, scaleanchor="x")
    fig.update_xaxes(visible=False, constrain="domain")
    fig.update_layout(margin={"l": 84, "b": 12, "t": 12})
    return fig


def _cell(channel: np.ndarray) -> np.ndarray:
    """A map as 16 × 16 numbers from 1 to 255, its first line lowest on the axis's way up: turned over."""
    places = (np.arange(CELL) + 0.5) / CELL
    rows, columns = ((places * side).astype(int) for side in channel.shape)
    cell = np.nan_to_num(channel[np.ix_(rows, columns)][::-1])
    low, high = cell.min(), cell.max()
    return (1 + 254 * (cell - low) / (high - low)) if high > low else np.ones_like(cell)
