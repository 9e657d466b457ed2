"""Other things one may take away: numbers as CSV, a chart as a page of its own, a model as ONNX."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import WeightsError
from explorer.store.history import COLUMNS, Snapshot
from explorer.training import checkpoint, internals

if TYPE_CHECKING:
    import plotly.graph_objects as go

LOADER = """# Ten lines that read the weights without this program, and without safetensors.
import json
import numpy as np
def load(path):
    raw = open(path, "rb").read()
    start = 8 + int.from_bytes(raw[:8], "little")
    head, kinds = json.loads(raw[8:start]), {"F32": "<f4", "F16": "<f2", "I64": "<i8"}
    return {
        name: np.frombuffer(raw[start:][slice(*t["data_offsets"])], kinds[t["dtype"]]).reshape(t["shape"])
        for name, t in head.items() if name != "__metadata__"
    }
"""


def steps_csv(history: Snapshot) -> str:
    """Every step that was recorded, a line each; what was not measured is empty."""
    columns = [history[name] for name in COLUMNS]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return table_csv(dict(zip(COLUMNS, row, strict=True)) for row in rows)


def epochs_csv(history: Snapshot) -> str:
    """The lecture's printout: a line an epoch."""
    names = ("epoch", "step", "train_loss", "val_loss", "accuracy", "seconds")
    return table_csv({name: getattr(row, name) for name in names} for row in history.epochs)


def table_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows with the same columns; NaN and None are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow("" if value is None or value != value else value for value in row.values())
    return out.getvalue()


def chart_html(figure: "go.Figure", title: str) -> str:
    """A chart as one file that a browser shows by itself, without a network: Plotly is in it."""
    page = figure.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False, "responsive": True})
    return str(page).replace("<head>", f"<head><title>{_escaped(title)}</title>", 1)


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;")


def as_onnx(weights: Path) -> bytes:
    """The model of a weights file as ONNX: pictures in batches, or a character at a time with its state.

    Raises:
        WeightsError: the file cannot be used, or this torch cannot write ONNX.
    """
    import torch

    model, story = checkpoint.load(weights, torch.device("cpu"))
    batch = {0: "batch"}
    with torch.no_grad():
        if story.vocabulary is None:
            side = story.experiment.size
            given: tuple[Any, ...] = (torch.zeros(1, 3, side, side),)
            names, out, axes = ["pictures"], ["logits"], {"pictures": batch, "logits": batch}
        elif getattr(model, "stateful", False):
            character = torch.zeros(1, 1, dtype=torch.long)
            _, state = model(character, None)
            given, axes = (character, state), {}
            parts = ["h", "c"] if isinstance(state, tuple) else ["h"]
            names, out = ["characters", *parts], ["logits", *(f"{part}_after" for part in parts)]
        else:
            given, axes = (torch.zeros(story.experiment.window, 1, dtype=torch.long),), {}
            names, out = ["characters"], ["logits"]
        try:
            return internals.to_onnx(model, given, names, out, axes)
        except (RuntimeError, ImportError, AttributeError, NotImplementedError) as error:
            raise WeightsError(
                "This version of torch cannot write ONNX by itself. Install the package onnx, or take the weights.",
                repr(error),
            ) from error
