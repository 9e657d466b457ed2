"""A run as one Python file that needs torch and NumPy alone, or as a notebook of the same cells."""

import ast
import json
import textwrap
from typing import Any

from explorer.export import language, training, vision
from explorer.export.recipe import Recipe, Section

_IMPORTS = """
import hashlib
import io
import itertools
import json
import math
import os
import struct
import tarfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
"""
_PLOT = '''
def curve(values, color, width=640, height=240):
    """A line of an SVG: no plotting library is needed."""
    low, high = min(values), max(values)
    points = " ".join(
        f"{i * width / max(1, len(values) - 1):.1f},{height - (v - low) / (high - low or 1) * height:.1f}"
        for i, v in enumerate(values)
    )
    return (f'<svg viewBox="0 0 {width} {height}" width="{width}"><polyline fill="none" stroke="{color}" '
            f'stroke-width="1.5" points="{points}"/><text y="12" font-size="12" fill="gray">{high:.3f}</text>'
            f'<text y="{height - 2}" font-size="12" fill="gray">{low:.3f}</text></svg>')


smooth, average = [], 0.0
for number, loss in enumerate(losses, start=1):  # as the lecture prints it
    average = 0.98 * average + 0.02 * loss
    smooth.append(average / (1 - 0.98**number))
'''
_SHOW = """
from IPython.display import HTML, display

display(HTML("<p>Training loss, smoothed, over steps</p>" + curve(smooth, "#3D7DC8")))
"""
_SAVE = """
torch.save(model.state_dict(), "weights.pt")
print("wrote weights.pt")
"""


def sections(recipe: Recipe) -> list[Section]:
    """The whole run in the lecture's order: data, model, schedule, training."""
    if recipe.language:
        data, (file, checksum) = language.sections(recipe), language.data_file(recipe)
    else:
        data, file = vision.sections(recipe), "cifar10" if vision.sampled(recipe) else "cifar10.tgz"
        checksum = recipe.source.checksum if recipe.source else ""
    return [
        training.settings(recipe, file, checksum),
        *data,
        training.model(recipe),
        training.schedule(recipe),
        training.loop(recipe),
    ]


def as_script(recipe: Recipe) -> str:
    """One self-contained Python file."""
    parts = [""]
    for section in sections(recipe):
        words = textwrap.fill(section.words, 110, initial_indent="# ", subsequent_indent="# ")
        parts.append(f"# -- {section.title} {'-' * max(3, 106 - len(section.title))}\n{words}\n\n{section.code}\n")
    parts.append(f"# -- Keep it {'-' * 98}\n{_SAVE.strip()}\n")
    parts[0] = f'"""{_head(recipe)}"""\n{imports("".join(parts[1:]))}'
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def imports(code: str) -> str:
    """The imports that some code needs."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    lines = []
    for line in _IMPORTS.split("\n"):
        if line.startswith("from "):
            head, _, names = line.partition(" import ")
            found = [name for name in names.split(", ") if name in used]
            lines += [f"{head} import {', '.join(found)}"] if found else []
        elif not line or line.split()[-1].partition(".")[0] in used:
            lines.append(line)
    return "\n".join(lines)


def as_notebook(recipe: Recipe) -> str:
    """The same in cells, with a plot, as a Jupyter notebook's JSON."""
    found = sections(recipe)
    needed = imports("\n".join([*(section.code for section in found), _PLOT, _SAVE]))
    cells = [_markdown(f"# {recipe.name}\n\n{_head(recipe, markdown=True)}"), _code(needed)]
    for section in found:
        cells += [_markdown(f"## {section.title}\n\n{section.words}"), _code(section.code)]
    cells += [_markdown("## The loss as it fell"), _code(_PLOT.strip() + "\n\n\n" + _SHOW.strip())]
    cells += [_markdown("## Keep it"), _code(_SAVE)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def _head(recipe: Recipe, markdown: bool = False) -> str:
    """What this is, in a few lines."""
    e = recipe.experiment
    said = [
        f"{recipe.name}: {e.rung.class_name} of fast.ai's lesson 7, as it was trained in the lesson-7 explorer.",
        "This file repeats that run without the program: it needs torch and NumPy, the data named under Settings, "
        "and on a CPU it gives the same losses, with the same version of torch to the last digits.",
    ]
    if recipe.made_with:
        said.append(f"Made with {recipe.made_with}.")
    if e.max_seconds:
        said.append(
            f"The run was to end after {e.max_seconds} seconds, whatever the epochs; this file trains them all."
        )
    if recipe.epochs:
        table = ["epoch  training loss  validation loss  accuracy"]
        table += [f"{r.epoch:5}  {r.train_loss:13.5f}  {r.val_loss:15.5f}  {r.accuracy:8.5f}" for r in recipe.epochs]
        block = "\n".join(f"    {line}" for line in table)
        said.append(f"What the run came to:\n\n{block}")
    return "\n\n".join(s if "\n" in s or markdown else textwrap.fill(s, 110) for s in said) + ("" if markdown else "\n")


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(text: str) -> dict[str, Any]:
    source = text.strip("\n").splitlines(keepends=True)
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
