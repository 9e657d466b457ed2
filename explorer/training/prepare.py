"""From an experiment to a learner: data on the device, a model with the seed's weights."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from explorer import devices
from explorer.data import SourceKind, cifar10, text
from explorer.data.pictures import VisionData
from explorer.errors import OtherDataError
from explorer.models import randomness
from explorer.training import checkpoint, memory
from explorer.training.learner import Learner

if TYPE_CHECKING:
    from explorer.data import Data
    from explorer.experiment import Experiment


def data_for(experiment: "Experiment", device: torch.device) -> text.TextData | VisionData:
    """The batches an experiment trains on.

    Raises:
        DataError: the data cannot be found or used.
    """
    if experiment.rung.is_language:
        return text_for(experiment, device)
    return pictures_for(experiment, device)


def text_for(experiment: "Experiment", device: torch.device) -> text.TextData:
    """The batches of a language experiment; raises as :func:`data_for`."""
    return text.TextData(text.of(experiment), experiment, device)


def pictures_for(experiment: "Experiment", device: torch.device) -> VisionData:
    """The batches of a vision experiment; raises as :func:`data_for`."""
    return VisionData(cifar10.load(experiment.data), experiment, device)


def model_for(experiment: "Experiment", data: "Data | None" = None) -> nn.Module:
    """The model with the initial weights its seed decides, whoever else draws random numbers meanwhile.

    ``data``: the text of a language model, whose vocabulary it needs.
    """
    vocabulary = data.vocabulary if data and experiment.rung.is_language else None
    sizes = [len(vocabulary)] if vocabulary else []
    with randomness.drawing_from(torch.Generator().manual_seed(experiment.seed)):
        model: nn.Module = experiment.rung.build(experiment, *sizes)
    return model


def learner_for(
    experiment: "Experiment",
    start: Path | None = None,
    data: "Data | None" = None,
    make: Callable[..., Learner] = Learner,
) -> Learner:
    """A learner ready to step.

    Args:
        experiment: what it is to learn.
        start: a weights file to continue from, instead of fresh weights.
        data: what it learns from, where that is there already.
        make: puts model, data, experiment and device together; by default one process that trains alone.

    Raises:
        DataError: the data cannot be used. WeightsError: ``start`` does not fit; OtherDataError where it knows other
            characters or classes. SettingsError: it would take more memory than there is.
    """
    device = devices.choose()
    data = data or data_for(experiment, device)
    need = memory.reserve(experiment, data, device)
    model = model_for(experiment, data)
    if start is not None:
        story = checkpoint.read_story(start)
        check_data(story, data, start.name)
        checkpoint.load_into(model, start)
    learner = make(model, data, experiment, device)
    learner.need = need  # counted as long as the learner lives
    return learner


def check_data(story: checkpoint.Story, data: "Data", name: str) -> None:
    """That weights and data mean the same by a number: a character by a token's, a class by a label's.

    Raises:
        OtherDataError: they do not.
    """
    if (story.vocabulary, story.classes) != (data.vocabulary, data.classes):
        real = story.source.kind == SourceKind.REAL
        advice = " Fetch the data it was trained on, or train on what is here." if real else ""
        raise OtherDataError(
            f"{name} was trained on other data ({story.source.name}) than what is here ({data.source.name}).{advice}"
        )


def story_of(learner: Learner, experiment: "Experiment", val_loss: float, accuracy: float) -> checkpoint.Story:
    """What to write beside the learner's weights."""
    return checkpoint.Story(
        experiment,
        learner.data.source,
        learner.data.vocabulary,
        learner.epoch,
        val_loss,
        accuracy,
        learner.data.classes,
    )
