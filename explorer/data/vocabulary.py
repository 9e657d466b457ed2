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
        codes = _codes(text)
        numbers = np.zeros(int(codes.max(initial=0)) + 1, np.int64)  # by code
        for character, number in self.stoi.items():
            if len(character) == 1 and ord(character) < len(numbers):
                numbers[ord(character)] = number
        found: np.ndarray = numbers[codes]
        return found

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token numbers; ``<unk>`` shows as □."""
        return "".join("□" if token < 2 else self.itos[token] for token in tokens)


def counted(text: str) -> dict[str, int]:
    """How often each character occurs, in the order of their first places: as a Counter, in a tenth of its time."""
    codes = _codes(text)
    counts = np.bincount(codes)
    first = np.zeros(len(counts), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several values the last one stays
    there = np.flatnonzero(counts)
    return {chr(code): int(counts[code]) for code in there[np.argsort(first[there])]}


def _codes(text: str) -> np.ndarray:
    """A number for each character, uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
