"""Text, prepared exactly as the lecture's loader did, and cut into batches on the device."""

import functools
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer import limits, paths
from explorer.data import Batch, Source, SourceKind, brought
from explorer.data.files import replacing
from explorer.data.vocabulary import PADDING, UNKNOWN, Vocabulary, counted
from explorer.errors import DataError
from explorer.ladders import Cut

if TYPE_CHECKING:
    import torch

    from explorer.experiment import Experiment

SHIPPED = paths.SHIPPED / "nietzsche.txt.xz"
NAME = "Nietzsche, the lecture's text"
BYTES, CHARACTERS, MD5 = 600_901, 600_893, "a941bb9acc3a83c1f5186b846bbee663"
SMALLEST, LARGEST = 2_000, 20_000_000  # bytes of a text of one's own
NAMES = ("auto", "pydoc")  # the texts that are everybody's
_OWN = re.compile(r"own-([0-9a-f]{16})-([0-9a-f]{12})")  # whose it is, and which
MIN_FREQUENCY = 3
_GONE = "The text this was made with is not on this server. Paste or upload it again."


@dataclass(frozen=True)
class Corpus:
    """A text split 80/20 by lines and turned into token numbers (int64)."""

    train: np.ndarray
    valid: np.ndarray
    vocabulary: Vocabulary
    source: Source
    text: str = field(default="", repr=False)  #: as it was read
    rare: tuple[tuple[str, int], ...] = ()  #: what became ``<unk>``, and how often it occurs in training


def _split(text: str) -> tuple[str, str]:
    lines = io.StringIO(text, newline=None).readlines()
    if len(lines) < 20:  # a text without line breaks is split by characters
        cut = int(len(text) * 0.8)
        return text[:cut], text[cut:]
    cut = int(len(lines) * 0.8)
    return "".join(lines[:cut]), "".join(lines[cut:])


def prepare(text: str, source: Source, newlines: bool = False, every_symbol: bool = False) -> Corpus:
    """The lecture's preparation: 80 % of the lines, newlines dropped, lower case, rare characters to ``<unk>``.

    One ``<eos>`` ends each split; being rarer than three it is itself ``<unk>``. ``every_symbol`` is that of the
    lecture's first models: case and newlines stay and no symbol is rare. (They are sorted; torchtext's two come first,
    so that a number is one more than in the notes.)

    Raises:
        DataError: fewer than four symbols that occur three times.
    """
    keep = newlines or every_symbol
    train, valid = (part if keep else part.replace("\n", "") for part in _split(text))
    if not every_symbol:
        train, valid = train.lower(), valid.lower()
    counts = Counter(counted(train))
    common = [(-n, c) for c, n in counts.items() if n >= MIN_FREQUENCY]
    if len(common) < 4:
        raise DataError(
            "This text has too few different characters to learn from. Give one with at least four symbols."
        )
    known = sorted({*train, *valid}) if every_symbol else [c for _, c in sorted(common)]
    vocabulary = Vocabulary((UNKNOWN, PADDING, *known))
    eos = np.zeros(1, np.int64)
    return Corpus(
        np.concatenate([vocabulary.encode(train), eos]),
        np.concatenate([vocabulary.encode(valid), eos]),
        vocabulary,
        source,
        text,
        tuple((c, n) for c, n in counts.most_common() if c not in vocabulary.stoi),
    )


def decode(raw: bytes) -> str:
    """The text of uploaded bytes: UTF-8, UTF-16 with its mark, else Windows-1252.

    Raises:
        DataError: too small, too large, or not text.
    """
    if len(raw) < SMALLEST:
        raise DataError(f"This text has {len(raw):,} bytes; training needs at least {SMALLEST:,}. Paste more.")
    if len(raw) > LARGEST:
        raise DataError(f"This text has {len(raw):,} bytes; at most {LARGEST:,} are taken. Give a part of it.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
    odd = sum(n for c, n in counted(text).items() if (ord(c) < 32 and c not in "\t\n\r\f") or c == "\ufffd")
    if odd > len(text) // 50:
        raise DataError("This file is not text (too many bytes that stand for no character). Give a plain .txt file.")
    return text


def keep_own(raw: bytes, owner: str, beside: int = 0) -> str:
    """Check a text of ``owner``'s own and keep it; returns what to put into ``Experiment.data``.

    Args:
        raw: the text's bytes.
        owner: who brought it.
        beside: bytes of what else they brought, which count, too.

    Raises:
        DataError: see :func:`decode` and :func:`prepare`; or the disk is full.
    """
    text = decode(raw)
    prepare(text, Source("", SourceKind.YOURS, ""))
    most = 1_000_000 * limits.now().disk_mb
    if most and kept_by(owner) + beside + len(raw) > most:
        raise DataError(
            f"Your own texts and weights take all of the {most // 1_000_000:,} MB that one visitor has here. They are "
            "removed when nobody uses them for some weeks; use one of those that are there."
        )
    data = f"own-{_whose(owner)}-{hashlib.md5(text.encode()).hexdigest()[:12]}"
    try:
        with replacing(_path(data)) as file:
            file.write(text.encode())
    except OSError as error:
        raise DataError(f"The text could not be kept: {error.strerror or error}.", str(error)) from error
    return data


def own_files() -> Iterator[Path]:
    """The texts that visitors brought, where they lie; the time of each is that of its last use."""
    return (paths.home() / "texts").glob("*/*.txt")


def kept_by(owner: str) -> int:
    """Bytes of an owner's own texts."""
    return brought.size((paths.home() / "texts" / _whose(owner)).glob("*.txt"))


def is_own(data: str) -> bool:
    """Whether ``Experiment.data`` names a text that somebody brought."""
    return data.startswith("own-")


def may_see(data: str, owner: str) -> bool:
    """Whether what learns from ``data`` is for ``owner`` to see: all but the texts that others brought."""
    return not is_own(data) or data.startswith(f"own-{_whose(owner)}-")


def _whose(owner: str) -> str:
    """What stands for an owner in the name of a text; it is in links, so it must not be the owner itself."""
    return hashlib.sha256(f"text of {owner}".encode()).hexdigest()[:16]


def _path(data: str) -> Path:
    """Where a text of somebody's own lies.

    Raises:
        DataError: there is no such name.
    """
    parts = _OWN.fullmatch(data)
    if parts is None:
        raise DataError(_GONE)
    return paths.home() / "texts" / parts[1] / f"{parts[2]}.txt"


def _nietzsche(path: Path) -> tuple[str, Source]:
    raw = path.read_bytes()
    checksum = hashlib.md5(raw).hexdigest()
    text = decode(raw)
    notice = ""
    if checksum != MD5:
        notice = (
            f"This nietzsche.txt differs from the lecture's: {len(raw):,} bytes and {len(text):,} characters, "
            f"not {BYTES:,} and {CHARACTERS:,}. Losses are not quite comparable."
        )
    return text, Source(NAME, SourceKind.REAL, str(path), checksum, notice)


def _shipped() -> tuple[str, Source]:
    """The lecture's text, which ships."""
    import lzma

    try:
        raw = lzma.decompress(SHIPPED.read_bytes())
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise DataError(
            f"{SHIPPED.name}, which ships with the explorer, is missing or damaged. "
            "Restore it from the repository, or train on Python's help texts (pydoc).",
            str(error),
        ) from error
    return decode(raw), Source(
        NAME, SourceKind.REAL, f"{SHIPPED.parent.name}/{SHIPPED.name}", hashlib.md5(raw).hexdigest()
    )


def _pydoc() -> tuple[str, Source]:
    """English that every Python carries: the help topics of its standard library."""
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    checksum = hashlib.md5(text.encode()).hexdigest()
    notice = "This trains on Python's own help texts, so losses cannot be compared with the lecture's."
    return text, Source("Python's help topics", SourceKind.STANDIN, "pydoc_data.topics", checksum, notice)


def _own(data: str) -> tuple[str, Source]:
    path = _path(data)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise DataError(_GONE, str(error)) from error
    return text, Source("Your text", SourceKind.YOURS, path.name, hashlib.md5(text.encode()).hexdigest())


@functools.lru_cache(maxsize=4)
def _load(data: str, newlines: bool, every_symbol: bool, path: Path | None, stamp: float) -> Corpus:
    if is_own(data):
        text, source = _own(data)
    elif path is not None:
        text, source = _nietzsche(path)
    else:
        text, source = _pydoc() if data == "pydoc" else _shipped()
    return prepare(text, source, newlines, every_symbol)


def load(data: str = "auto", newlines: bool = False, every_symbol: bool = False) -> Corpus:
    """The corpus an experiment names. Cached; a text of somebody's own counts as used.

    Args:
        data: "auto" for the lecture's text, which ships (a ``nietzsche.txt`` in ``$EXPLORER_DATA`` goes before it);
            "pydoc" for Python's own help texts; or what :func:`keep_own` returned.
        newlines, every_symbol: see :func:`prepare`.

    Raises:
        DataError: the text is not here, or cannot be used.
    """
    if data not in NAMES and not is_own(data):
        raise DataError(f"There is no text {data!r}. Use auto, pydoc, or upload one.")
    if is_own(data):
        brought.mark_used(_path(data))  # what is used is kept, also while the cache has it
    path = paths.find_data("nietzsche.txt") if data == "auto" else None
    return _load(data, newlines, every_symbol, path, path.stat().st_mtime if path else 0.0)


def of(experiment: "Experiment") -> Corpus:
    """The corpus an experiment learns from; raises as :func:`load`."""
    return load(experiment.data, experiment.newlines, experiment.every_symbol)


class TextData:
    """A corpus as batches on the device, cut the way the rung learns (``rung.cut``).

    - ``windows``: separate windows of n characters, in random order; the target is the character after each.
    - ``sliding``: the same, a window starting at every character.
    - ``segments``: separate windows; the target is the next character at every place.
    - ``stream``: ``batch_size`` parallel streams read in order, ``bptt`` characters a batch, so that the
      hidden state of one batch continues in the next. It is the *length* of the last batch that is
      shorter, never its width, so the lecture's reset on a narrower batch never fires.
    """

    def __init__(self, corpus: Corpus, experiment: "Experiment", device: "torch.device") -> None:
        import torch

        self.source, self.vocabulary, self.classes = corpus.source, corpus.vocabulary, ()
        self.cut, self.bptt, self.jitter = experiment.rung.cut, experiment.bptt, experiment.jitter
        self.batch_size, self.window = experiment.batch_size, experiment.window
        self.train = torch.from_numpy(corpus.train).to(device)
        self.valid = torch.from_numpy(corpus.valid).to(device)
        if self.cut == Cut.STREAM:
            if len(corpus.valid) < self.batch_size * 2 + 1:
                raise DataError(
                    f"The text is too short for {self.batch_size} parallel streams. Use a smaller batch size."
                )
            self.steps_per_epoch = len(corpus.train) // self.batch_size // self.bptt - 1
        else:
            windows = len(self._windows(self.train)) if len(self.train) > self.window else 0
            self.steps_per_epoch = -(-windows // self.batch_size)
        if self.steps_per_epoch < 1 or len(corpus.valid) <= self.window + 1:
            raise DataError("The text is too short for this bptt and batch size. Make one of them smaller.")

    def train_batches(self, generator: "torch.Generator") -> Iterator[Batch]:
        """One epoch: ``x`` (time, batch), ``y`` of the same shape or (batch,)."""
        if self.cut == Cut.STREAM:
            return self._streams(self._columns(self.train), self._lengths(generator))
        return self._shuffled(generator)

    def valid_batches(self) -> Iterator[Batch]:
        """The validation text, in order; long batches, since nothing is back-propagated."""
        import torch

        if self.cut == Cut.STREAM:
            columns = self._columns(self.valid)
            return self._streams(columns, iter(lambda: 128, None))
        return (self._cut_window(part, 0.0) for part in torch.split(self._windows(self.valid), 4096))

    def _columns(self, tokens: "torch.Tensor") -> "torch.Tensor":
        """(length, batch): stream j is column j, as torchtext's batchify lays it out."""
        length = len(tokens) // self.batch_size
        return tokens[: length * self.batch_size].view(self.batch_size, length).t().contiguous()

    def _lengths(self, generator: "torch.Generator") -> Iterator[int]:
        """bptt for each batch: normal around bptt (or half of it, 5 % of the time), sd 5, at least 5.

        The sd was meant for bptt 70; at 8 a third of all batches are exactly 5 long and the mean is 8.4.
        """
        import torch

        if not self.jitter:
            return iter(lambda: self.bptt, None)
        enough = 2 * len(self.train) // self.batch_size // min(self.bptt, 5) + 1
        half = torch.rand(enough, generator=generator) >= 0.95
        centre = torch.where(half, self.bptt / 2, float(self.bptt))
        drawn = (centre + 5 * torch.randn(enough, generator=generator)).int().clamp(min=min(5, self.bptt))
        return iter(drawn.tolist())

    def _streams(self, columns: "torch.Tensor", lengths: Iterator[int]) -> Iterator[Batch]:
        at, end = 0, len(columns) - 1
        while at < end:
            stop = min(at + next(lengths), end)
            yield Batch(columns[at:stop], columns[at + 1 : stop + 1], at / end)
            at = stop

    def _windows(self, tokens: "torch.Tensor") -> "torch.Tensor":
        """(windows, window + 1), a view."""
        return tokens.unfold(0, self.window + 1, 1 if self.cut == Cut.SLIDING else self.window)

    def _cut_window(self, rows: "torch.Tensor", start: float) -> Batch:
        rows = rows.t()
        return Batch(rows[:-1].contiguous(), rows[1:].contiguous() if self.cut == Cut.SEGMENTS else rows[-1], start)

    def _shuffled(self, generator: "torch.Generator") -> Iterator[Batch]:
        import torch

        windows = self._windows(self.train)
        order = torch.randperm(len(windows), generator=generator).to(self.train.device, non_blocking=True)
        for at in range(0, len(order), self.batch_size):
            yield self._cut_window(windows[order[at : at + self.batch_size]], at / len(order))
