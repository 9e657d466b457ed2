"""Characters and their numbers."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNKNOWN, PADDING = "<unk>", "<pad>"


@dataclass(frozen=True)
class Vocabulary:
    """Characters by frequency, ties alphabetical, after ``<unk>`` and ``<pad>``, as torchtext orders them."""

    itos: tuple[str, ...]

    @functools.cached_property
    def stoi(self) -> dict[str, int]:
        """From character to number."""
        return {character: number for number, character in enumerate(self.itos)}

    def __len__(self) -> int:
        return len(self.itos)

    @functools.cached_property
    def cased(self) -> bool:
        """Whether capitals have numbers of their own."""
        return any(character.isupper() for character in self.itos)

    def encode(self, text: str) -> np.ndarray:
        """Token numbers of ``text``, int64; what is not in the vocabulary becomes 0, ``<unk>``."""
        codes, inverse = np.unique(
            np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), return_inverse=True
        )
        numbers = np.array([self.stoi.get(chr(code), 0) for code in codes], np.int64)
        return numbers[inverse] if len(codes) else np.zeros(0, np.int64)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token numbers; ``<unk>`` shows as □."""
        return "".join("□" if token < 2 else self.itos[token] for token in tokens)
