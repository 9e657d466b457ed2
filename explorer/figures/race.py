"""A race's networks in one figure: their losses, and a statistic across their depth. Pure, with bounded points."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer.experiment import Norm
from explorer.figures import style
from explorer.figures.layers import WHAT, short, spanning
from explorer.ladders import GUESSING
from explorer.series import smooth, spread

if TYPE_CHECKING:
    from explorer.experiment import Experiment
    from explorer.runs.race import RaceView

NORMED = (style.WITH_NORM, "#3D7DC8", "#7A6BB0", "#7B828C")  # cool with BatchNorm, warm without
PLAIN = (style.WITHOUT_NORM, "#C24A55", "#B5467F", "#7B828C")


def looks(experiments: "Mapping[str, Experiment]") -> dict[str, tuple[str, str]]:
    """Colour and dash of each network: green, then cool colours with BatchNorm; orange, then warm ones without."""
    found: dict[str, tuple[str, str]] = {}
    used = {True: 0, False: 0}
    for place, (name, experiment) in enumerate(experiments.items()):
        normed = experiment.norm != Norm.NONE
        found[name] = ((NORMED if normed else PLAIN)[used[normed] % 4], style.DASHES[place % 4])
        used[normed] += 1
    return found


def _looks(race: "RaceView") -> dict[str, tuple[str, str]]:
    return looks({lane.name: lane.experiment for lane in race.lanes})


def common_range(race: "RaceView", what: str) -> tuple[float, float] | None:
    """Lowest and highest value of a statistic over all networks of a race, for axes that can be compared."""
    values = np.concatenate([getattr(lane.record, what).ravel() for lane in race.lanes])
    values = values[np.isfinite(values) & ((values > 0) if WHAT[what][1] else True)]
    return (float(values.min()), float(values.max())) if len(values) else None


def race_losses(race: "RaceView", *, until: int | None = None, key: str = "", height: int = 360) -> go.Figure:
    """Training loss of every network over steps (smoothed over 20), validation losses, and where one broke.

    The axis ends at step ``until``, by default where the race has come to.
    """
    fig = style.figure("step", "loss (nats)", key=key, height=height)
    highest, lowest = GUESSING, GUESSING
    for lane, (colour, dash) in zip(race.lanes, _looks(race).values(), strict=True):
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
            where = f" in {short(lane.broke.layer)}" if lane.broke.layer else ""
            words = {"text": f"{lane.name} broke{where}", "font": {"size": 11, "color": colour}, "yanchor": "top"}
            line = {"color": colour, "width": 1.4, "dash": "dot"}
            fig.add_vline(x=lane.broke.step, line=line, annotation=words)
    if any(not lane.experiment.rung.is_language for lane in race.lanes):
        fig.add_hline(y=GUESSING, line={"color": style.MUTED, "width": 1, "dash": "dot"}, annotation_text="guessing")
    fig.update_yaxes(range=[lowest - 0.15, highest + 0.25])
    return spanning(fig, until)


def across_depth(
    race: "RaceView", what: str = "std", step: int | None = None, *, key: str = "", height: int = 320
) -> go.Figure:
    """One statistic from the first layer to the last, a line a network, at the sampled step nearest ``step``.

    A network ends with its classifier, which is another kind of layer and has another mark.
    """
    title, log_y = WHAT[what]
    fig = style.figure("layer (◇ the classifier)", title, log_y=log_y, key=key, height=height)
    fig.update_xaxes(dtick=1)
    if log_y and (span := common_range(race, what)):
        style.decades(fig, *span)
    for lane, (colour, dash) in zip(race.lanes, _looks(race).values(), strict=True):
        if len(lane.record):
            row = len(lane.record) - 1 if step is None else int(np.abs(lane.record.steps - step).argmin())
            values = getattr(lane.record, what)[row]
            fig.add_scatter(
                x=np.arange(1, len(values) + 1),
                y=style.positive(values) if log_y else values,
                name=lane.name,
                mode="lines+markers",
                line={"color": colour, "width": 2, "dash": dash},
                marker={
                    "color": colour,
                    "symbol": ["circle"] * (len(values) - 1) + ["diamond-open"],
                    "size": [6] * (len(values) - 1) + [11],
                },
                text=[short(layer) for layer in lane.record.layers[:-1]] + ["classifier"],
                hovertemplate="%{text}: %{y:.3g}",
            )
    return fig
