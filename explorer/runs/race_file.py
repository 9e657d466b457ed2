"""A finished race as one file, thinned to what a page draws: written once by a script, read on every visit.

A ``.npz``: ``story`` is JSON (names, experiments, histories, layers), the other arrays are each network's table of
statistics, its feature maps, and the picture they are of.
"""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from explorer.data import Source, SourceKind
from explorer.data.files import write_whole
from explorer.experiment import Experiment
from explorer.probes.activation_record import ActivationRecord, Row, hist_edges
from explorer.probes.activations import FeatureMaps
from explorer.runs.race import Break, LaneView, RaceView
from explorer.series import spread
from explorer.store.history import Snapshot

ROWS, POINTS = 60, 1_500  #: sampled steps kept of each network's statistics; steps of its losses, which is all of them


def write(view: RaceView, device: str, path: Path) -> None:
    """Write a finished race.

    Raises:
        StorageError: the disk is full or not writable.
    """
    arrays: dict[str, np.ndarray] = {} if view.picture is None else {"picture": view.picture.astype(np.float16)}
    lanes = []
    for number, lane in enumerate(view.lanes):
        record, kept = lane.record, spread(len(lane.record), ROWS)
        arrays[f"steps{number}"] = record.steps[kept]
        arrays[f"table{number}"] = _narrow(record.table[kept])
        for place, layer in enumerate(lane.maps):
            arrays[f"maps{number}.{place}"] = layer.maps.astype(np.float16)
        lanes.append(
            {
                "name": lane.name,
                "experiment": json.loads(lane.experiment.to_json()),
                "parameters": lane.parameters,
                "steps": lane.steps,
                "history": lane.history.to_json(POINTS),
                "broke": dataclasses.asdict(lane.broke) if lane.broke else None,
                "layers": list(record.layers),
                "where": record.where,
                "every": record.every,
                "rows": [{name: [part.start, part.stop] for name, part in vars(row).items()} for row in record.rows],
                "maps": [layer.name for layer in lane.maps],
            }
        )
    source = dataclasses.replace(view.source, origin=Path(view.source.origin).name)
    story = {"device": device, "source": dataclasses.asdict(source), "lanes": lanes}
    out = io.BytesIO()
    np.savez_compressed(out, story=np.array(json.dumps(story)), **arrays)  # type: ignore[arg-type]
    write_whole(path, out.getvalue())


def _narrow(table: np.ndarray) -> np.ndarray:
    """In half precision, where no number becomes infinite by it."""
    with np.errstate(over="ignore"):
        half = table.astype(np.float16)
    return half if (np.isinf(half) == np.isinf(table)).all() else table


def read(path: Path) -> tuple[RaceView, str]:
    """The race as it ended, and the device it was run on.

    Raises:
        OSError, ValueError, KeyError: the file is not there, or not one of :func:`write`'s.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    story = json.loads(str(arrays["story"]))
    lanes = tuple(_lane(number, told, arrays) for number, told in enumerate(story["lanes"]))
    picture = arrays["picture"].astype(np.float32) if "picture" in arrays else None
    return RaceView(lanes, _source(story["source"]), True, picture), story["device"]


def _source(told: dict[str, Any]) -> Source:
    return Source(**{**told, "kind": SourceKind(told["kind"])})


def _lane(number: int, told: dict[str, Any], arrays: dict[str, np.ndarray]) -> LaneView:
    record = ActivationRecord(
        arrays[f"steps{number}"],
        tuple(told["layers"]),
        told["where"],
        told["every"],
        hist_edges(),
        arrays[f"table{number}"].astype(np.float32),
        tuple(Row(**{name: slice(*ends) for name, ends in row.items()}) for row in told["rows"]),
    )
    maps = (
        FeatureMaps(name, arrays[f"maps{number}.{place}"].astype(np.float32)) for place, name in enumerate(told["maps"])
    )
    return LaneView(
        told["name"],
        Experiment.from_json(json.dumps(told["experiment"])),
        told["parameters"],
        told["steps"],
        Snapshot.from_json(told["history"]),
        record,
        Break(**told["broke"]) if told["broke"] else None,
        tuple(maps),
    )
