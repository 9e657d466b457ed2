"""The language models that two sections look into: their shipped weights, or fresh ones, and their text."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
import torch

from explorer import devices, paths
from explorer.errors import WeightsError
from explorer.experiment import Experiment
from explorer.training import checkpoint, prepare
from explorer.ui import parts

if TYPE_CHECKING:
    from explorer.data import Source
    from explorer.data.vocabulary import Vocabulary

MODELS = {"stateful": "RNN", "gru": "GRU", "lstm": "LSTM"}
Stamp = tuple[float, float]


@st.cache_resource(max_entries=12, show_spinner=False)
def model(
    key: str, trained: bool, stamp: Stamp
) -> "tuple[torch.nn.Module, torch.Tensor, Vocabulary, Experiment, Source]":
    """A language model with its shipped weights or fresh ones, and its validation text.

    Raises:
        DataError, WeightsError: with the sentence.
    """
    place, path = devices.choose(), checkpoint.shipped(key)
    story = checkpoint.read_story(path) if trained or path.exists() else None
    experiment = story.experiment if story else Experiment.of(key)
    data = prepare.text_for(experiment, place)
    if trained and story:
        prepare.check_data(story, data, path.name)
        network, _ = checkpoint.load(path, place)
    else:
        network = prepare.model_for(experiment, data).to(place)
    return network.eval(), data.valid, data.vocabulary, experiment, data.source


def stamp(key: str) -> Stamp:
    """When the shipped weights and the lecture's text were written; 0 for what is not here."""
    weights, text = checkpoint.shipped(key), paths.find_data("nietzsche.txt")
    return _written(weights), _written(text)


def _written(path: Path | None) -> float:
    return path.stat().st_mtime if path is not None and path.exists() else 0.0


def usable(key: str, trained: bool) -> tuple[bool, str]:
    """Whether the model can be looked at as asked for, trained or fresh; if not, why, and it is to be fresh.

    Raises:
        DataError: there is no text at all.
    """
    if trained:
        try:
            model(key, True, stamp(key))
        except WeightsError as error:
            return False, str(error)
    return trained, ""


def fresh_instead(reason: str, names: Iterable[str] = ()) -> None:
    """Says that these weights are fresh though trained ones were asked for; nothing when there is no reason."""
    if reason:
        which = ", ".join(names)
        st.info(
            f"{parts.escape(reason)} So these weights are fresh{f': {which}' if which else ''}.",
            icon=":material/casino:",
        )
