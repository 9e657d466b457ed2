"""Inside a network: statistics of its layers over training and depth, races, maps. Pure, with bounded points."""

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style
from explorer.series import extremes, smooth, spread

if TYPE_CHECKING:
    from explorer.probes.activations import ActivationRecord, FeatureMaps
    from explorer.probes.bn_statistics import Evaluation
    from explorer.runs.grid import GridView
    from explorer.runs.race import RaceView

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
GUESSING = float(np.log(10))  # the loss of calling all ten classes equally likely


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
    at: int | None = None,
    until: int | None = None,
    y_range: Sequence[float] | None = None,
    key: str = "",
    height: int = 320,
) -> go.Figure:
    """One statistic (see ``WHAT``) of every layer over steps.

    ``at`` marks a step; the axis ends at ``until``, by default with the record; ``y_range`` aligns two figures.
    """
    title, log_y = WHAT[what]
    fig = style.figure("step", title, log_y=log_y, key=key, height=height)
    values = getattr(record, what)
    for number, (name, colour) in enumerate(zip(record.layers, depth_colours(len(record.layers)), strict=True)):
        keep = extremes(values[:, number], style.POINTS // 3)
        fig.add_scatter(
            x=record.steps[keep],
            y=positive(values[keep, number]) if log_y else values[keep, number],
            name=name,
            mode="lines",
            line={"color": colour, "width": 1.8},
        )
    if len(record.layers) > 6:  # too many for a line above the figure
        fig.update_layout(legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top"})
    if y_range is not None:
        fig.update_yaxes(range=np.log10(y_range) if log_y else y_range)
    return _marked(_spanning(fig, until), at)


def _spanning(fig: go.Figure, until: int | None) -> go.Figure:
    """Steps from the first to ``until``, so that a curve grows into its figure and figures stand side by side."""
    return fig.update_xaxes(range=[0, until]) if until else fig


def positive(values: np.ndarray) -> np.ndarray:
    """For a logarithmic axis: what is not above zero, or not finite, leaves a gap."""
    return np.where((values > 0) & np.isfinite(values), values, np.nan).astype(np.float32)


def common_range(race: "RaceView", what: str) -> tuple[float, float] | None:
    """Lowest and highest value of a statistic over all networks of a race, for axes that can be compared."""
    values = np.concatenate([getattr(lane.record, what).ravel() for lane in race.lanes])
    values = values[np.isfinite(values) & ((values > 0) if WHAT[what][1] else True)]
    return (float(values.min()), float(values.max())) if len(values) else None


def _marked(fig: go.Figure, at: int | None) -> go.Figure:
    if at is not None:
        fig.add_vline(x=at, line={"color": style.MUTED, "width": 1.4, "dash": "dash"})
    return fig


def histograms(
    record: "ActivationRecord",
    *,
    at: int | None = None,
    until: int | None = None,
    key: str = "",
    height: int | None = None,
) -> go.Figure:
    """The *colourful dimension*: a row a layer, time to the right, values upwards, colour for how many.

    Every row spans the same values, those that occur at all, on the record's scale: linear near zero and
    logarithmic beyond. The axis ends at step ``until``, by default with the record.
    """
    shown = spread(len(record.layers), LAYERS)
    fig = style.figure("step", "", key=key, height=height or 70 + 44 * max(len(shown), 3))
    keep = spread(len(record), COLUMNS)
    low, high = _used_bins(record)
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
    fig.update_yaxes(
        title_text=f"each row from {record.edges[low]:.2g} to {record.edges[high]:.2g}",
        tickvals=middles,
        ticktext=[record.layers[i] for i in shown],
        showgrid=False,
    )
    fig.update_layout(margin={"l": 84})
    return _marked(_spanning(fig, until), at)


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
    fig.update_yaxes(
        tickvals=len(shown) - 1 - np.arange(len(shown)), ticktext=[record.layers[i] for i in shown], showgrid=False
    )
    fig.update_layout(hovermode="closest", margin={"l": 84})
    return fig


def channels(
    record: "ActivationRecord",
    layer: int,
    what: str = "std",
    *,
    at: int | None = None,
    key: str = "",
    height: int = 320,
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
    return _marked(fig, at)


def batchnorm(
    record: "ActivationRecord", layer: int, name: str = "m", *, at: int | None = None, key: str = "", height: int = 260
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
    return _marked(fig, at)


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
    names = [layer.name for layer in reversed(shown)]
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


def race_losses(race: "RaceView", *, until: int | None = None, key: str = "", height: int = 360) -> go.Figure:
    """Training loss of every network over steps (smoothed over 20), validation losses, and where one broke.

    The axis ends at step ``until``, by default where the race has come to.
    """
    fig = style.figure("step", "loss (nats)", key=key, height=height)
    highest, lowest = GUESSING, GUESSING
    for lane, colour, dash in zip(race.lanes, cycle(style.SERIES), cycle(style.DASHES), strict=False):
        steps, loss = lane.history["step"], lane.history["loss"]
        finite = np.isfinite(loss) & (loss < 1e6)
        if finite.any():
            end = len(loss) if finite.all() else int((~finite).argmax())
            averaged = smooth(loss[:end], 0.95)
            keep = spread(end, style.POINTS)
            fig.add_scatter(
                x=steps[keep],
                y=averaged[keep].astype(np.float32),
                name=lane.name,
                mode="lines",
                line={"color": colour, "width": 2.2, "dash": dash},
            )
            sane = averaged[averaged < 3 * GUESSING]
            highest, lowest = max(highest, *sane, 0), min(lowest, *sane, GUESSING)
        fig.add_scatter(
            x=[row.step for row in lane.history.epochs],
            y=[row.val_loss for row in lane.history.epochs],
            name=f"{lane.name}, validation",
            mode="markers",
            showlegend=False,
            marker={"color": colour, "size": 8},
        )
        if lane.broke:
            where = f" in {lane.broke.layer}" if lane.broke.layer else ""
            fig.add_vline(
                x=lane.broke.step,
                line={"color": colour, "width": 1.4, "dash": "dot"},
                annotation={"text": f"{lane.name} broke{where}", "font": {"size": 11}, "yanchor": "top"},
            )
    if any(lane.experiment.rung.ladder == "vision" for lane in race.lanes):
        fig.add_hline(y=GUESSING, line={"color": style.MUTED, "width": 1, "dash": "dot"}, annotation_text="guessing")
    fig.update_yaxes(range=[lowest - 0.15, highest + 0.25])
    return _spanning(fig, until)


def across_depth(
    race: "RaceView", what: str = "std", step: int | None = None, *, key: str = "", height: int = 320
) -> go.Figure:
    """One statistic from the first layer to the last, a line a network, at the sampled step nearest ``step``."""
    title, log_y = WHAT[what]
    fig = style.figure("layer, from the input to the output", title, log_y=log_y, key=key, height=height)
    for lane, colour, dash in zip(race.lanes, cycle(style.SERIES), cycle(style.DASHES), strict=False):
        if len(lane.record):
            row = len(lane.record) - 1 if step is None else int(np.abs(lane.record.steps - step).argmin())
            values = getattr(lane.record, what)[row]
            fig.add_scatter(
                x=np.arange(1, len(values) + 1),
                y=positive(values) if log_y else values,
                name=lane.name,
                mode="lines+markers",
                line={"color": colour, "width": 2, "dash": dash},
                text=lane.record.layers,
                hovertemplate="%{text}: %{y:.3g}",
            )
    return fig


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
        title = "without BatchNorm" if norm == "none" else "with BatchNorm"
        fig.update_xaxes(title_text=f"learning rate,<br>{title}", type="category", showgrid=False, row=1, col=column)
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=layers, showgrid=False)
    fig.update_yaxes(title_text="convolutions", col=1)
    fig.update_xaxes(ticks="", title_standoff=8).update_yaxes(ticks="")
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
        text=[f"{row.val_loss:.2f} · {row.accuracy:.1%} right" for row in rows],
        hoverinfo="skip",
    )
    fig.update_layout(margin={"l": 190})
    return fig
