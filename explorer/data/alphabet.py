"""A text's symbols and their numbers: the alphabet the lecture begins with, and what its loader makes of it later."""

from dataclasses import dataclass

import numpy as np

from explorer.data.text import Corpus

CHARACTERS = 3  #: the lecture's ``cs``


@dataclass(frozen=True)
class FirstAlphabet:
    r"""Every symbol of a text, sorted, after ``"\0"``: case and line breaks are kept, nothing is rare.

    chars = sorted(list(set(text))); chars.insert(0, "\0")
    """

    chars: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "FirstAlphabet":
        """The alphabet of a text."""
        return cls(("\0", *sorted(set(text))))

    def __len__(self) -> int:
        """The lecture's ``vocab_size``: one more than there are symbols."""
        return len(self.chars)

    def encode(self, text: str) -> np.ndarray:
        """The lecture's ``idx``: a number a character, int64."""
        number = {character: place for place, character in enumerate(self.chars)}
        return np.array([number[character] for character in text], np.int64)


@dataclass(frozen=True, eq=False)
class Windows:
    """The lecture's inputs and targets: ``x[k][i]`` is character k of window i, ``y[i]`` the one after it."""

    x: np.ndarray  #: int64 (3, windows)
    y: np.ndarray  #: int64 (windows,)


def windows(idx: np.ndarray, cs: int = CHARACTERS) -> Windows:
    """``c1_dat`` to ``c4_dat`` of the lecture, without their last two, as it leaves them out.

    Args:
        idx: the text as numbers.
        cs: characters in a window; each begins where the one before ends.
    """
    starts = np.arange(0, len(idx) - 1 - cs, cs)[:-2]
    return Windows(np.stack([idx[starts + k] for k in range(cs)]), idx[starts + cs])


@dataclass(frozen=True)
class Symbol:
    """One entry of ``TEXT.vocab.stoi``."""

    character: str
    number: int  #: 0 is ``<unk>``
    count: int  #: in the training part


def symbols(corpus: Corpus) -> tuple[Symbol, ...]:
    """Every symbol of a text's training part with its number, in order; what became ``<unk>`` comes last."""
    counts = np.bincount(corpus.train, minlength=len(corpus.vocabulary))
    known = [Symbol(c, number, int(counts[number])) for number, c in enumerate(corpus.vocabulary.itos) if number > 1]
    return (*known, *(Symbol(character, 0, count) for character, count in corpus.rare))
