"""Weights that visitors bring to a rung: checked against it as it is set, and kept for whoever brought them alone.

What is kept is written anew, with a story of this server's: of a stranger's file only the numbers are used.
"""

import contextlib
import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import limits, paths
from explorer.data import Source, SourceKind, brought, cifar10, seal, standin, text
from explorer.data.files import write_whole
from explorer.errors import ExplorerError, OtherDataError, WeightsError
from explorer.training import checkpoint

if TYPE_CHECKING:
    import torch

    from explorer.data.vocabulary import Vocabulary
    from explorer.experiment import Experiment

LARGEST = 100_000_000  #: bytes of a file; the largest rung that ships has 14 million
HEADER = 1_000_000  # bytes of what stands before a file's numbers
NAME = "Your own weights"
WORDS = "your own weights"  #: whose they are, for the page


def keep(raw: bytes, name: str, experiment: "Experiment", owner: str) -> Path:
    """Check a safetensors file and keep it as ``owner``'s weights for the rung; where it lies.

    Args:
        raw: the file.
        name: what its owner calls it.
        experiment: the rung as it is set; only weights that fit it are taken.
        owner: who brought it; what they brought for this rung before is replaced.

    Raises:
        WeightsError: no such file, damaged, of another rung, of other names or shapes, no numbers, or too large; or
            made for other characters or classes (OtherDataError). DataError: the rung's text is not here.
        StorageError: the disk is full.
    """
    import torch

    most = 1_000_000 * limits.now().disk_mb
    if len(raw) > LARGEST:
        raise WeightsError(f"{name} has {len(raw) / 1e6:,.0f} MB; at most {LARGEST // 10**6} are taken.")
    tensors, told = _read(raw, name)
    rung = experiment.rung
    if told and told.experiment.model != rung.key:
        raise WeightsError(f"{name} holds weights of {told.experiment.rung.title}. Choose that rung and load it there.")
    vocabulary, classes = _meaning(experiment)
    if told and (told.vocabulary, told.classes) != (vocabulary, classes):
        raise OtherDataError(
            f"{name} was trained on other data ({told.source.name}) than what this page is set to: by the same number "
            "it means another character or class."
        )
    sizes = [len(vocabulary)] if vocabulary else []
    with torch.device("meta"):  # a network as large as one can set takes no memory before the file turns out to fit
        checkpoint.check_shapes(rung.build(experiment, *sizes), tensors, name)
    model = rung.build(experiment, *sizes)
    checkpoint.fit(model, tensors, name)
    source = Source(NAME, SourceKind.YOURS, name[:80])
    story = checkpoint.Story(experiment, source, vocabulary, 0, math.nan, math.nan, classes)
    if told:
        story = replace(story, epochs=told.epochs, val_loss=told.val_loss, accuracy=told.accuracy)
    path = _place(rung.key, owner)
    content = checkpoint.as_bytes(model, story)
    before = path.stat().st_size if path.exists() else 0
    if most and text.kept_by(owner) + kept_by(owner) - before + len(content) > most:
        raise WeightsError(
            f"Your own texts and weights take all of the {most // 1_000_000:,} MB that one visitor has here. "
            "Remove some of your weights first."
        )
    write_whole(path, content)
    return path


def _read(raw: bytes, name: str) -> "tuple[Mapping[str, torch.Tensor], checkpoint.Story | None]":
    """A file's tensors, and what it says of itself where this program wrote it."""
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    if not 2 <= int.from_bytes(raw[:8], "little") <= min(HEADER, len(raw) - 8):
        raise WeightsError(f"{name} is no safetensors file.")
    seal.check(raw, name)
    try:
        tensors = from_bytes(raw)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise WeightsError(f"{name} is no safetensors file, or it is damaged.", repr(error)) from error
    words = seal.words(raw)
    try:
        return tensors, checkpoint.Story.from_metadata(words)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, ExplorerError):
        return tensors, None  # another program's


def _meaning(experiment: "Experiment") -> "tuple[Vocabulary | None, tuple[str, ...]]":
    """What a number stands for to the rung as it is set: a language rung's characters, a vision rung's classes."""
    if experiment.rung.is_language:
        return text.of(experiment).vocabulary, ()
    return None, standin.CLASSES if experiment.data == "standin" else cifar10.CLASSES


def find(model: str, owner: str) -> Path | None:
    """Where an owner's weights for a rung lie, if they brought any; they count as used."""
    path = _place(model, owner)
    if not path.exists():
        return None
    brought.mark_used(path)
    return path


def remove(model: str, owner: str) -> None:
    """Delete them."""
    with contextlib.suppress(OSError):
        _place(model, owner).unlink(missing_ok=True)


def files() -> Iterator[Path]:
    """The weights that visitors brought; the time of each is that of its last use."""
    return _home().glob("*/*.safetensors")


def kept_by(owner: str) -> int:
    """Bytes of an owner's own weights."""
    return brought.size((_home() / _whose(owner)).glob("*.safetensors"))


def is_own(path: Path) -> bool:
    """Whether that is where a visitor's own weights lie."""
    return _home() in path.parents


def origin_of(start: Path | None) -> str:
    """The weights a run begins with."""
    if start is None:
        return ""
    if is_own(start):
        return "weights of their owner's own"
    return f"the shipped weights of {start.stem}" if start == checkpoint.shipped(start.stem) else start.name


def _home() -> Path:
    return paths.home() / "weights"


def _whose(owner: str) -> str:
    return hashlib.sha256(f"weights of {owner}".encode()).hexdigest()[:16]


def _place(model: str, owner: str) -> Path:
    return _home() / _whose(owner) / f"{model}.safetensors"
