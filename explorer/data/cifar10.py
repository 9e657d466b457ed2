"""CIFAR-10 in the course's layout: found, decoded once, split once, kept in the cache.

The lecture's own loop that moves files into ``val`` handles every car ten times, so that about 950 pictures
of cars end up in both parts. Here the parts are disjoint: in each class a fixed shuffle of the sorted file
names (they are sorted by sub-category) gives 20 % to validation.
"""

import contextlib
import functools
import hashlib
import io
import itertools
import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO

import numpy as np

from explorer import paths
from explorer.data import SIDE, Pictures, Source, SourceKind, png, sampler, standin
from explorer.data.files import Progress, Told, download, read_archive, replacing_folder
from explorer.errors import DataError

URL = "https://s3.amazonaws.com/fast-ai-imageclas/cifar10.tgz"
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")  # the lecture's names
FOLDERS = ("airplane", "automobile", *CLASSES[2:])  # the archive's
VALID_SHARE, SPLIT_SEED = 0.2, 7
FEWEST = 10  # training pictures a class
PICTURES = 60_000  #: of the course's archive
BATCH = 500  # pictures decoded in one go
LAYOUT = 1  # of the cache; a change makes older ones unread
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow raises

Count = Callable[[int], object]  #: is told how many pictures have been decoded so far
Found = dict[tuple[str, int], list[tuple[str, int]]]  # of a part and class: files' names, and the pictures' places

_loading = threading.Lock()
_decoded = 0  # pictures, of the archive that is being decoded just now


def fetch(progress: Progress | None = None, told: Told | None = None) -> Path:
    """Download the course's archive into the cache, whole or not at all (about 135 MB).

    Raises:
        DataError: no network, or the connection ended early.
    """
    return download([URL], paths.cache() / "cifar10.tgz", progress=progress, told=told)


def find() -> Path | None:
    """``cifar10.tgz`` or the unpacked folder ``cifar10`` in ``$EXPLORER_DATA``, else in the cache, else None."""
    in_cache = None
    for name in ("cifar10.tgz", "cifar10"):
        if path := paths.find_data(name):
            if path.parent != paths.cache():
                return path
            in_cache = in_cache or path
    return in_cache


def here() -> bool:
    """Whether there are pictures of CIFAR-10's classes: the set, or the sampler that ships."""
    return sampler.here() or find() is not None


def load(data: str = "auto") -> Pictures:
    """The pictures an experiment names; never downloads. The second time takes well under a second.

    Args:
        data: "auto" for CIFAR-10, or the sampler of it that ships where it is not here; "standin" for drawn pictures,
            which "auto" falls back to where the sampler was deleted.

    Raises:
        DataError: there is no such set, or what was found is damaged; says which file and what to do.
    """
    if data not in ("auto", "standin"):
        raise DataError(f"There is no picture set {data!r}. Use auto or standin.")
    path = find() if data == "auto" else None
    with _loading:
        return _load(data, path, _stamp(path) if path else f"sampler {sampler.here()}")


def at_hand() -> bool:
    """Whether :func:`load` takes no more than a moment; else it decodes the archive first."""
    path = find()
    return path is None or _cached(_stamp(path)).exists()


def decoded() -> int:
    """How many pictures of the archive that is being decoded, by whomever, have been so far."""
    return _decoded


def identity() -> str:
    """What tells the archive or folder that is here from any other; "" where there is none."""
    path = find()
    return _stamp(path) if path else ""


def _cached(stamp: str) -> Path:
    return paths.cache() / f"cifar10-decoded-{stamp}"


def _tell(pictures: int) -> None:
    global _decoded
    _decoded = pictures


def _stamp(path: Path) -> str:
    """Changes when the archive does, or when a file is added to or taken from a class's folder."""
    folders = [path] if path.suffix == ".tgz" else [path, *path.glob("*"), *path.glob("*/*/")]
    states = [(str(f.absolute()), (seen := f.stat()).st_size, seen.st_mtime_ns) for f in sorted(folders)]
    return hashlib.md5(json.dumps([LAYOUT, states]).encode(), usedforsecurity=False).hexdigest()[:16]


@functools.lru_cache(maxsize=2)
def _load(data: str, path: Path | None, stamp: str) -> Pictures:
    if path is None and data == "auto" and sampler.here():
        return _sampler()
    if path is None:
        return standin.load(asked_for=data == "standin")
    cached = _cached(stamp)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, EOFError):  # not there, or damaged
        return _open(cached, path)
    with ThreadPoolExecutor(1, "md5") as beside:
        checksum = beside.submit(_md5, path)
        try:
            pictures = decode(path, _tell)
        finally:
            _tell(0)
        _store(cached, *pictures, checksum.result())
    return _open(cached, path)


def _sampler() -> Pictures:
    try:
        return sampler.load(CLASSES)
    except (*DAMAGED, KeyError) as error:
        raise DataError(
            f"The sampler of CIFAR-10 in {sampler.FOLDER} is damaged. Restore it from the repository, or delete it: "
            "drawn pictures then take its place.",
            str(error),
        ) from error


def _md5(path: Path) -> str:
    if path.is_dir():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


# -- decoding ------------------------------------------------------------------------------------------


def decode(path: Path, tell: Count | None = None) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Every picture of the archive or folder at ``path``, straight from it; nothing is unpacked to disk.

    In one thread: two are no faster, as reading and decoding both need the interpreter again and again, and on a busy
    machine they wait for each other.

    Args:
        path: what :func:`find` found.
        tell: see :data:`Count`.

    Returns:
        Pictures, uint8 (n, 3, 32, 32), and class numbers, int64 (n,), in the order train, validation, test;
        and the sizes of these three parts.

    Raises:
        DataError: a damaged or unsafe archive, a missing or unknown class, a file that is no 32 × 32 PNG.
    """
    found: Found = {}
    done: list[np.ndarray] = []
    pngs, read = _pngs(path), 0
    while batch := list(itertools.islice(pngs, BATCH)):
        for place, one in enumerate(batch, read):
            found.setdefault(one.key, []).append((one.inside.name, place))
        done.append(_decode(batch, path))
        read += len(batch)
        if tell:
            tell(read)
    _complain_if_incomplete(found, path)
    order, labels, sizes = _split(found)
    return np.concatenate(done).take(order, 0), labels, sizes


@dataclass(frozen=True, slots=True)
class _Png:
    """A picture that is still packed."""

    key: tuple[str, int]  #: its part and its class
    inside: PurePath
    content: bytes


def _pngs(path: Path) -> Iterator[_Png]:
    for inside, file in _files(path):
        parts = inside.parts
        if len(parts) < 3 or parts[-1].startswith(".") or not parts[-1].lower().endswith(".png"):
            continue
        part, folder = parts[-3:-1]
        if part not in ("train", "test"):
            continue
        names = CLASSES if folder in CLASSES else FOLDERS
        if folder not in names:
            raise DataError(f"{path.name} has a class {folder!r}, which CIFAR-10 has not. Use the course's archive.")
        yield _Png((part, names.index(folder)), inside, file.read())


def _decode(batch: list[_Png], path: Path) -> np.ndarray:
    """uint8 (n, 3, 32, 32)."""
    pictures, others = png.decode([one.content for one in batch], SIDE)
    for place in others:
        pictures[place] = _decode_one(batch[place], path)
    return pictures


def _files(path: Path) -> Iterable[tuple[PurePath, IO[bytes]]]:
    if path.is_file():
        yield from read_archive(path)
        return
    for file in sorted(path.glob("*/*/*.png")):
        try:
            with open(file, "rb") as opened:
                yield file, opened
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}.", str(error)) from error


def _decode_one(packed: _Png, path: Path) -> np.ndarray:
    """By Pillow, which knows every kind of PNG: uint8 (3, 32, 32)."""
    from PIL import Image

    inside = packed.inside
    trouble, detail = "is not a picture", ""
    try:
        image = Image.open(io.BytesIO(packed.content), formats=("PNG",))
        if image.size == (SIDE, SIDE):  # looked at before any pixel is decoded
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB")).transpose(2, 0, 1)
        trouble = f"is {image.size[0]} × {image.size[1]} pixels, not {SIDE} × {SIDE}"
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        detail = str(error)
    raise DataError(
        f"{inside.name} in {path.name} ({'/'.join(inside.parts[-3:-1])}) {trouble}. "
        "Remove it, or fetch the archive again.",
        detail,
    )


def _complain_if_incomplete(found: Found, path: Path) -> None:
    for part in ("train", "test"):
        missing = [FOLDERS[label] for label in range(len(CLASSES)) if (part, label) not in found]
        if missing:
            raise DataError(
                f"{path.name}/{part} has {len(CLASSES) - len(missing)} classes with pictures, not 10: "
                f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. "
                "The layout is cifar10/train/<class>/*.png and cifar10/test/<class>/*.png."
            )
    for (part, label), files in found.items():
        if part == "train" and len(files) < FEWEST:
            raise DataError(
                f"{path.name}/train/{FOLDERS[label]} has {len(files)} pictures; at least {FEWEST} are needed."
            )


def _split(found: Found) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The pictures' places in the order train, validation, test; their classes; the sizes of the three parts."""
    parts: list[list[tuple[int, int]]] = [[], [], []]
    for (part, label), files in sorted(found.items()):
        places = [place for _, place in sorted(files)]
        if part == "test":
            parts[2] += [(label, place) for place in places]
            continue
        # RandomState's sequence is frozen for good, so the split is the same with every NumPy.
        order = np.random.RandomState(SPLIT_SEED + label).permutation(len(places))
        cut = round(len(places) * VALID_SHARE)
        parts[1] += [(label, places[i]) for i in order[:cut]]
        parts[0] += [(label, places[i]) for i in order[cut:]]
    rows = np.array([row for part in parts for row in part], np.int64)
    return rows[:, 1], np.ascontiguousarray(rows[:, 0]), [len(part) for part in parts]


# -- the cache -----------------------------------------------------------------------------------------


def _store(folder: Path, x: np.ndarray, y: np.ndarray, sizes: list[int], checksum: str) -> None:
    """Write the decoded set beside ``folder``, then move it there: whole or not at all."""
    try:
        with replacing_folder(folder) as content:  # damaged, or written by another process: ours is as good
            np.save(content / "x.npy", x)
            np.save(content / "y.npy", y)
            (content / "story.json").write_text(json.dumps({"sizes": sizes, "md5": checksum}))
    except OSError as error:
        raise DataError(
            f"The decoded pictures cannot be kept in {folder.parent} ({error.strerror}); 200 MB are needed. "
            "Make room, or set EXPLORER_HOME to another folder.",
            str(error),
        ) from error


def _open(folder: Path, path: Path) -> Pictures:
    story = json.loads((folder / "story.json").read_text())
    x, y = np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy")
    if len(x) != len(y) or len(x) != sum(story["sizes"]) or x.shape[1:] != (3, SIDE, SIDE):
        raise ValueError(f"{folder} is damaged")
    ends = np.cumsum(story["sizes"][:2])
    parts = zip(("train", "valid", "test"), np.split(x, ends), np.split(y, ends), strict=True)
    arrays = {f"{part}_{name}": array for part, *xy in parts for name, array in zip("xy", xy, strict=True)}
    train, valid, test = story["sizes"]
    notice = ""
    if (train, valid, test) != (40_000, 10_000, 10_000):
        notice = (
            f"This set has {train + valid:,} training and {test:,} test pictures, CIFAR-10 has 50,000 and 10,000: "
            "accuracies are not comparable with the lecture's."
        )
    source = Source("CIFAR-10", SourceKind.REAL, str(path), story["md5"], notice)
    return Pictures(**arrays, classes=CLASSES, source=source)
