"""The runs that ship: what a page shows before any click. No torch."""

import functools
import json
from dataclasses import dataclass

from explorer import paths
from explorer.experiment import Experiment
from explorer.history import Snapshot


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
