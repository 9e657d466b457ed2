"""Data, found, fetched or generated in one place; everything above sees tensors and a Source."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

    from explorer.data.vocabulary import Vocabulary

SIDE = 32  #: pixels a side of a picture set's pictures


class SourceKind(StrEnum):
    """Whose data it is."""

    REAL = "real"  #: the lecture's
    SAMPLE = "sample"  #: real, but few
    STANDIN = "standin"  #: drawn, or carried by Python
    YOURS = "yours"  #: brought


@dataclass(frozen=True)
class Source:
    """What the data is and where it came from; on screen wherever its numbers are."""

    name: str  #: e.g. "Nietzsche, the lecture's text"
    kind: SourceKind
    origin: str  #: a path or an address
    checksum: str = ""  #: MD5 of what was read
    notice: str = ""  #: a sentence the user should know; empty when all is as expected


@dataclass(frozen=True, eq=False)
class Pictures:
    """A picture set: ``*_x`` uint8 (pictures, 3, 32, 32), RGB; ``*_y`` int64 class numbers. Read-only."""

    train_x: "np.ndarray"
    train_y: "np.ndarray"
    valid_x: "np.ndarray"
    valid_y: "np.ndarray"
    test_x: "np.ndarray"
    test_y: "np.ndarray"
    classes: tuple[str, ...]
    source: Source


@dataclass(frozen=True)
class Batch:
    """One mini-batch on the device."""

    x: "torch.Tensor"
    y: "torch.Tensor"
    start: float = 0.0  #: share of the epoch already done when this batch begins, in [0, 1)


class Data(Protocol):
    """What a learner trains on. All tensors are on one device."""

    source: Source
    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Nominal; jittered batches may be fewer."""
        ...

    @property
    def vocabulary(self) -> "Vocabulary | None":
        """What a token's number means; None where there is no text."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """What a label's number means; () where there are no pictures."""
        ...

    def train_batches(self, generator: "torch.Generator") -> Iterator[Batch]:
        """One epoch; all randomness comes from ``generator`` (a CPU generator)."""
        ...

    def valid_batches(self) -> Iterator[Batch]:
        """The validation set, always in the same order and without augmentation."""
        ...
