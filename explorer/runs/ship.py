"""The weights that ship: written with their recorded run, and validated again from the file."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from explorer import devices
from explorer.data.files import write_whole
from explorer.store.history import Snapshot
from explorer.training import checkpoint, prepare
from explorer.training.learner import Learner

if TYPE_CHECKING:
    from explorer.experiment import Experiment

HALF_MAY_COST = 0.002  # nats of validation loss


def write(learner: Learner, experiment: "Experiment", history: Snapshot, path: Path | None = None) -> Path:
    """Write weights and, beside them, the recorded run (.json).

    Without ``path`` they go into ``weights/``, in half precision if that changes the validation loss by less than
    0.002. The figures in the metadata are those of the values as written.
    """
    target = path or checkpoint.shipped(experiment.model)
    full, accuracy = learner.evaluate()
    half = False
    if path is None:
        exact = {name: tensor.clone() for name, tensor in learner.model.state_dict().items()}
        learner.model.load_state_dict(
            {n: t.half().to(t.dtype) if t.is_floating_point() else t for n, t in exact.items()}
        )
        loss, rounded = learner.evaluate()
        half = abs(loss - full) < HALF_MAY_COST
        if half:
            full, accuracy = loss, rounded
        learner.model.load_state_dict(exact)
    story = prepare.story_of(learner, experiment, full, accuracy)
    story = replace(story, source=replace(story.source, origin=Path(story.source.origin).name))
    checkpoint.save(target, learner.model, story, half)
    record = {"experiment": json.loads(experiment.to_json()), "device": devices.describe(), **history.to_json()}
    write_whole(target.with_suffix(".json"), json.dumps(record, separators=(",", ":")).encode())
    return target


def evaluate(path: Path) -> dict[str, Any]:
    """Validate a weights file on the data it was made for; one flat dictionary.

    Raises:
        WeightsError: the file cannot be used. OtherDataError: it knows other characters or classes than what is here.
    """
    place = devices.choose()
    model, story = checkpoint.load(path, place)
    data = prepare.data_for(story.experiment, place)
    prepare.check_data(story, data, path.name)
    learner = Learner(model, data, story.experiment, place)
    loss, accuracy = learner.evaluate()
    result: dict[str, Any] = {
        "model": story.experiment.model,
        "val_loss": round(loss, 5),
        "accuracy": round(accuracy, 5),
        "recorded_val_loss": round(story.val_loss, 5),
        "recorded_accuracy": round(story.accuracy, 5),
        "epochs": story.epochs,
        "source": learner.data.source.name,
        "device": place.type,
    }
    if not story.experiment.rung.is_language:
        result["accuracy_tta"] = round(_accuracy_with_tta(learner), 5)
    return result


@torch.no_grad()
def _accuracy_with_tta(learner: Learner) -> float:
    """Accuracy when the probabilities of several flipped and shifted views are averaged."""
    from explorer.data.pictures import predict_with_tta

    right, count = torch.zeros((), device=learner.device), 0
    for batch in learner.data.valid_batches():
        right += (predict_with_tta(learner.model, batch.x).argmax(-1) == batch.y).sum()
        count += len(batch.y)
    return float(right) / count
