"""What *Inside the network* shows before any click, besides races: by ``python -m weights.record_inside``."""

import functools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer import paths
from explorer.data import Source, SourceKind
from explorer.probes.bn_statistics import Evaluation
from explorer.probes.gradients import ReachCurve
from explorer.runs.evaluation import Evaluated
from explorer.runs.grid import GridView
from explorer.runs.through_time import Exploded, Explosion, Reached, Reaching

PATH = paths.WEIGHTS / "inside.json"
Told = dict[str, Any]  #: a JSON object


@dataclass(frozen=True, eq=False)
class Inside:
    """The recorded results, and where they come from."""

    device: str
    source: Source  #: the pictures of the first two
    grid: GridView  #: Rate × depth
    evaluated: Evaluated  #: the shipped ConvBnNet on all validation pictures
    reached: Reached  #: a GRU of 128 units at three values of bptt
    exploded: Exploded  #: the plain RNN with longer bptt, clipped at 1


@functools.lru_cache(maxsize=1)
def recorded() -> Inside | None:
    """What was recorded; None where it does not ship."""
    if not PATH.exists():
        return None
    told = json.loads(PATH.read_text())
    source = Source(**{**told["map"]["source"], "kind": SourceKind(told["map"]["source"]["kind"])})
    asked = told["evaluation"]
    return Inside(
        told["device"],
        source,
        _grid(told["map"], source),
        Evaluated(tuple(map(_evaluation, asked["found"])), "the shipped weights of ConvBnNet", asked["batch"]),
        Reached(tuple(map(_reaching, told["reach"]))),
        Exploded(tuple(map(_explosion, told["explosion"]))),
    )


def _grid(told: Told, source: Source) -> GridView:
    loss = np.array(told["loss"], np.float64)
    rates, depths, norms = (tuple(told[name]) for name in ("rates", "depths", "norms"))
    return GridView(rates, depths, norms, told["stages"], told["steps"], loss, source)


def _evaluation(told: Told) -> Evaluation:
    return Evaluation(told["statistics"], float(told["val_loss"]), float(told["accuracy"]), told["pictures"])


def _reaching(told: Told) -> Reaching:
    return Reaching(told["name"], {int(step): _curve(curve) for step, curve in told["curves"].items()})


def _curve(told: Told) -> ReachCurve:
    lags, hidden, low, high = (np.array(told[name], np.float64) for name in ("lags", "hidden", "low", "high"))
    cell = None if told["cell"] is None else np.array(told["cell"], np.float64)
    return ReachCurve(lags, hidden, low, high, cell, told["samples"])


def _explosion(told: Told) -> Explosion:
    norms, loss = (np.array(told[name], np.float64) for name in ("grad_norm", "loss"))
    return Explosion(told["setting"], told["value"], told["clip"], norms, loss)
