"""Record what *Inside the network* shows before any click: the map, the evaluation, growing reach, exploding gradients.

EXPLORER_DATA=../shared/data python -m weights.record_inside
"""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from explorer import devices
from explorer.experiment import Experiment
from explorer.lecture.inside import PATH
from explorer.probes.bn_statistics import evaluation_statistics
from explorer.runs import evaluation, grid
from explorer.runs.through_time import exploding, reach_while_training
from explorer.training import checkpoint, prepare

T = TypeVar("T")


def last(found: Iterator[T]) -> T:
    """What is known at the end."""
    *_, end = found
    return end


def plain(value: Any) -> Any:
    """JSON can hold it: numbers with five digits, what is no finite number as a word."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else str(value)
    return value


def main() -> None:
    """Each with what its page runs by itself, on the whole data."""
    view = last(one for _, one in grid.cells(grid.template()) if one is not None)
    print("map", view.done)
    path = checkpoint.shipped(evaluation.KEY)
    experiment = checkpoint.read_story(path).experiment.replace(batch_size=evaluation.SHIPPED_BATCH)
    learner = prepare.learner_for(experiment, path)
    pictures = len(learner.data.valid_y)
    found = last(evaluation_statistics(learner, evaluation.SIZES, pictures))
    print("evaluation", found)
    gru = Experiment.of("gru", hidden=128)
    reached = last(
        reach_while_training({f"bptt {v}": gru.replace(bptt=v) for v in (4, 16, 64)}, (0, 100, 300), 200, 16)
    )
    print("reach", [one.name for one in reached])
    rnn = Experiment.of("stateful", hidden=128, bptt=32, lr=0.1)
    exploded = last(exploding(rnn, "bptt", (8, 32, 64), 1.0, 75))
    print("explosion", [(one.value, one.clip, float(one.grad_norm.max())) for one in exploded])
    for source in (view.source, learner.data.source):
        if source.kind != "real":
            sys.exit(f"This would be measured on {source.name}, not on the lecture's data")
    named = {"source": dataclasses.replace(view.source, origin=Path(view.source.origin).name)}
    record = {
        "device": devices.describe(),
        "map": plain(dataclasses.replace(view, **named)),
        "evaluation": {**plain({"found": found}), "batch": evaluation.SHIPPED_BATCH, **plain(named)},
        "reach": plain(reached),
        "explosion": plain(exploded),
    }
    PATH.write_text(json.dumps(record, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
