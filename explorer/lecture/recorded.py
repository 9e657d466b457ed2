"""The runs that ship: what a page shows before any click. No torch, but for the sweeps."""

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer import paths
from explorer.experiment import Experiment
from explorer.store.history import Snapshot

if TYPE_CHECKING:
    from explorer.runs.race import RaceView
    from explorer.training.lr_finder import Sweep

RACES = paths.WEIGHTS / "races"


@dataclass(frozen=True)
class Recording:
    """A recorded run of a rung, made by the command in the README."""

    experiment: Experiment
    device: str  #: where it was made
    history: Snapshot


@functools.lru_cache(maxsize=32)
def recording(key: str) -> Recording | None:
    """The run recorded for ``key``, or None where none ships."""
    path = paths.WEIGHTS / f"{key}.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    return Recording(
        Experiment.from_json(json.dumps(record["experiment"])), record.get("device", ""), Snapshot.from_json(record)
    )


@functools.cache
def sweeps() -> dict[str, "Sweep"]:
    """Each rung's LR sweep with the lecture's settings, by its key; made by ``python -m weights.record_sweeps``."""
    from explorer.training.lr_finder import Sweep

    record = json.loads((paths.WEIGHTS / "sweeps.json").read_text())["sweeps"]
    return {
        key: Sweep(np.array(found["lr"]), np.array(found["loss"]), np.array(found["smooth"]), found["diverged"])
        for key, found in record.items()
    }


@functools.lru_cache(maxsize=8)
def race(key: str) -> "tuple[RaceView, str] | None":
    """The claim's race as it ended, and on which device; by ``python -m weights.record_races``."""
    from explorer.runs import race_file

    path = RACES / f"{key}.npz"
    return race_file.read(path) if path.exists() else None
