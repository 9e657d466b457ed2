"""Weights on disk: safetensors, with their story in the metadata; written whole or not at all."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import paths
from explorer.data import Source, SourceKind, seal
from explorer.data.files import write_whole
from explorer.data.vocabulary import Vocabulary
from explorer.errors import ExplorerError, WeightsError
from explorer.experiment import Experiment

if TYPE_CHECKING:
    import torch
    from torch import nn

FORMAT = "explorer-1"


@dataclass(frozen=True)
class Story:
    """What a weights file says about itself."""

    experiment: Experiment
    source: Source
    vocabulary: Vocabulary | None  #: language only
    epochs: int
    val_loss: float
    accuracy: float
    classes: tuple[str, ...] = ()  #: vision only

    def to_metadata(self) -> dict[str, str]:
        """Strings only, as safetensors wants them."""
        return {
            "format": FORMAT,
            "model": self.experiment.model,
            "experiment": self.experiment.to_json(),
            "source": json.dumps(asdict(self.source)),
            "checksum": self.source.checksum,
            "vocabulary": json.dumps(self.vocabulary.itos if self.vocabulary else None),
            "classes": json.dumps(self.classes),
            "epochs": str(self.epochs),
            "val_loss": repr(self.val_loss),
            "accuracy": repr(self.accuracy),
        }

    @classmethod
    def from_metadata(cls, words: Mapping[str, str]) -> "Story":
        """The inverse of :meth:`to_metadata`.

        Raises:
            KeyError, ValueError, TypeError, AttributeError, RecursionError, SettingsError: another format.
        """
        if words["format"] != FORMAT:
            raise ValueError(words["format"])
        experiment = Experiment.from_json(words["experiment"])
        itos, classes = (_names(words[name]) for name in ("vocabulary", "classes"))
        said = json.loads(words["source"])
        source = Source(**{**said, "kind": SourceKind(said["kind"])})
        if experiment.rung.is_language != bool(itos):
            raise ValueError(words["vocabulary"])
        if not all(isinstance(word, str) for word in asdict(source).values()):
            raise ValueError(words["source"])
        return cls(
            experiment,
            source,
            Vocabulary(itos) if itos else None,
            int(words["epochs"]),
            float(words["val_loss"]),
            float(words["accuracy"]),
            classes,
        )


def _names(words: str) -> tuple[str, ...]:
    """A JSON list of different words; () for null."""
    names = json.loads(words) or []
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names) or len({*names}) < len(names):
        raise ValueError(words)
    return tuple(names)


def save(path: Path, model: "nn.Module", story: Story, half: bool = False) -> None:
    """Write the model's weights and their story; what was at ``path`` stays until the new file is whole.

    Raises:
        StorageError: the disk is full or not writable.
    """
    write_whole(path, as_bytes(model, story, half))


def as_bytes(model: "nn.Module", story: Story, half: bool = False) -> bytes:
    """The model's weights and their story as a file's content; ``half`` rounds them to float16."""
    import torch
    from safetensors.torch import save as to_bytes

    def prepared(tensor: "torch.Tensor") -> "torch.Tensor":
        tensor = tensor.detach().cpu().contiguous()
        return tensor.half() if half and tensor.dtype == torch.float32 else tensor

    tensors = {name: prepared(tensor) for name, tensor in model.state_dict().items()}
    return seal.sealed(to_bytes(tensors, story.to_metadata()))


def read_story(path: Path) -> Story:
    """Only the metadata, without the weights.

    Raises:
        WeightsError: missing, damaged, or not one of ours.
    """
    from safetensors import safe_open

    with _reading(path), safe_open(path, framework="numpy") as file:
        words = file.metadata() or {}
    try:
        return Story.from_metadata(words)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, ExplorerError) as error:
        raise WeightsError(f"{path.name} was not written by this program.", repr(error)) from error


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn a file that is not there, or not a file of tensors, into a WeightsError."""
    from safetensors import SafetensorError

    try:
        if not path.exists():
            raise WeightsError(f"There are no weights {path.name} here. Train the model, or choose another.")
        if not path.is_file():  # a pipe would be waited for
            raise IsADirectoryError(f"{path} is no file")
        yield
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path.name} is damaged and cannot be read. Train it again, or restore the file.", str(error)
        ) from error


def load(path: Path, device: "torch.device") -> tuple["nn.Module", Story]:
    """The model a file describes, in float32 on ``device``, ready to evaluate.

    Raises:
        WeightsError: missing, damaged, or of another shape than its own story says.
    """
    story = read_story(path)
    rung = story.experiment.rung
    model = rung.build(story.experiment, *([len(story.vocabulary)] if story.vocabulary else []))
    load_into(model, path)
    return model.to(device).eval(), story


def load_into(model: "nn.Module", path: Path) -> None:
    """Put a file's tensors into a model, as float32.

    Raises:
        WeightsError: missing, damaged, other names or shapes, or no numbers; the model is then unchanged. A file that
            carries a checksum, or has one in the list beside it, is held against it.
    """
    from safetensors.torch import load as from_bytes

    with _reading(path):
        tensors = from_bytes(seal.read(path))
    fit(model, tensors, path.name)


def fit(model: "nn.Module", tensors: "Mapping[str, torch.Tensor]", name: str) -> None:
    """Put tensors into a model, as float32; ``name`` is what to call them. Raises as :func:`load_into`."""
    check_shapes(model, tensors, name)
    own = model.state_dict()
    converted = {key: tensor.to(own[key].dtype) for key, tensor in tensors.items()}
    if not all(bool(tensor.isfinite().all()) for tensor in converted.values()):
        raise WeightsError(
            f"{name} holds weights that are no numbers (NaN or infinite): the run they come from broke. "
            "Train it again, at a lower rate."
        )
    model.load_state_dict(converted)


def check_shapes(model: "nn.Module", tensors: "Mapping[str, torch.Tensor]", name: str) -> None:
    """That the tensors are the model's, by their names and shapes; it may be one without numbers, on ``meta``.

    Raises:
        WeightsError: they are not; names the first that differs.
    """
    own = model.state_dict()
    wrong = [key for key in own if key not in tensors or tensors[key].shape != own[key].shape]
    wrong += [key for key in tensors if key not in own]
    if wrong:
        first = wrong[0]
        theirs, ours = (_size(found[first]) if first in found else "nothing" for found in (tensors, own))
        raise WeightsError(
            f"{name} does not fit this model (first difference: {first}: {theirs} in the file, {ours} in the model). "
            "Choose the settings it was trained with.",
            ", ".join(wrong),
        )


def _size(tensor: "torch.Tensor") -> str:
    return " × ".join(map(str, tensor.shape)) or "one number"


def shipped(key: str) -> Path:
    """Where the weights that ship for a rung lie (they may be absent)."""
    return paths.WEIGHTS / f"{key}.safetensors"


def recorded(key: str) -> Path:
    """Where the recorded history of the shipped weights lies."""
    return paths.WEIGHTS / f"{key}.json"
