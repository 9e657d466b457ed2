"""What the races' figures share on the page: one look a network, wherever it is drawn."""

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer.figures import style

if TYPE_CHECKING:
    from explorer.experiment import Experiment

NORMED = (style.WITH_NORM, "#3D7DC8", "#7A6BB0", "#7B828C")  # cool with BatchNorm, warm without
PLAIN = (style.WITHOUT_NORM, "#C24A55", "#B5467F", "#7B828C")


def looks(experiments: "dict[str, Experiment]") -> dict[str, tuple[str, str]]:
    """Colour and dash of each network: green, then cool colours with BatchNorm; orange, then warm ones without."""
    found: dict[str, tuple[str, str]] = {}
    used = {True: 0, False: 0}
    for place, (name, experiment) in enumerate(experiments.items()):
        normed = experiment.norm != "none"
        found[name] = ((NORMED if normed else PLAIN)[used[normed] % 4], style.DASHES[place % 4])
        used[normed] += 1
    return found


def dressed(fig: go.Figure, look: dict[str, tuple[str, str]]) -> go.Figure:
    """A race's figure with each network's own colour and dash, by its traces' names."""
    for trace in fig.data:
        name = (trace.name or "").removesuffix(", validation")
        if name in look:
            colour, dash = look[name]
            trace.marker.color = colour
            if trace.mode and "lines" in trace.mode:
                trace.line.color, trace.line.dash = colour, dash
    for shape, note in zip(fig.layout.shapes, fig.layout.annotations, strict=False):
        for name, (colour, _) in look.items():
            if note.text and note.text.startswith(f"{name} broke"):
                shape.line.color = note.font.color = colour
                start, _, layer = note.text.rpartition(" in ")
                note.text = f"{start} in {short(layer)}" if start else note.text
    return fig


def short(layer: str) -> str:
    """``stages.0.1`` as ``1.2``: the second layer of the first stage."""
    parts = layer.split(".")
    if parts[0] == "stages" and len(parts) == 3:
        return f"{int(parts[1]) + 1}.{int(parts[2]) + 1}"
    return layer


def dressed_reach(fig: go.Figure, colours: dict[str, str]) -> go.Figure:
    """Reach curves in their models' colours, by the beginning of their names; fresh weights are dotted."""
    bands: list[go.Scatter] = []
    for trace in fig.data:
        if not trace.name:
            bands.append(trace)
            continue
        colour = next((colour for name, colour in colours.items() if trace.name.startswith(name)), style.MUTED)
        trace.line.color = colour
        if "fresh" in trace.name:
            trace.line.dash = "dot"
        for band in bands:
            band.fillcolor = style.faded(colour, 0.13)
        bands.clear()
    return fig
