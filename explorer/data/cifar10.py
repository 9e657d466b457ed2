"""CIFAR-10 in the course's layout: decoded once, split once, kept on the device, augmented there.

The lecture's own loop that moves files into ``val`` handles every car ten times, so that about 950 pictures
of cars end up in both parts. Here the parts are disjoint: in each class a fixed shuffle of the sorted file
names (they are sorted by sub-category) gives 20 % to validation.
"""

import functools
import hashlib
import io
import json
import shutil
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING

import numpy as np

from explorer import paths
from explorer.data import Batch, Source
from explorer.errors import DataError

if TYPE_CHECKING:
    import torch

    from explorer.experiment import Experiment

URL = "https://s3.amazonaws.com/fast-ai-imageclas/cifar10.tgz"
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")  # the lecture's names
FOLDERS = ("airplane", "automobile", *CLASSES[2:])  # the archive's
MEAN, STD = (0.4914, 0.48216, 0.44653), (0.24703, 0.24349, 0.26159)  # the lecture's, of pictures in [0, 1]
SIDE = 32
PAD = SIDE // 8
VALID_SHARE, SPLIT_SEED = 0.2, 7
FEWEST = 10  # training pictures a class
LAYOUT = 1  # of the cache; a change makes older ones unread
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow raises

_loading = threading.Lock()


@dataclass(frozen=True, eq=False)
class Pictures:
    """A picture set: ``*_x`` uint8 (pictures, 3, 32, 32), RGB; ``*_y`` int64 class numbers. Read-only."""

    train_x: np.ndarray
    train_y: np.ndarray
    valid_x: np.ndarray
    valid_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: tuple[str, ...]
    source: Source


def fetch(progress: Callable[[int, int | None], None] | None = None) -> Path:
    """Download the course's archive into the cache, whole or not at all (about 135 MB).

    Raises:
        DataError: no network, or the connection ended early.
    """
    from explorer.data.files import download

    return download([URL], paths.cache() / "cifar10.tgz", expect_bytes=None, md5=None, progress=progress)


def find() -> Path | None:
    """``cifar10.tgz`` or the unpacked folder ``cifar10`` in ``$EXPLORER_DATA``, else in the cache, else None."""
    found = [path for name in ("cifar10.tgz", "cifar10") if (path := paths.find_data(name))]
    return min(found, key=lambda path: path.parent == paths.cache(), default=None)


def load(data: str = "auto") -> Pictures:
    """The pictures an experiment names; never downloads. The second time takes well under a second.

    Args:
        data: "auto" for CIFAR-10, or the named stand-in where it is not here; "standin" for the stand-in.

    Raises:
        DataError: there is no such set, or what was found is damaged; says which file and what to do.
    """
    if data not in ("auto", "standin"):
        raise DataError(f"There is no picture set {data!r}. Use auto or standin.")
    path = find() if data == "auto" else None
    with _loading:
        return _load(data, path, _stamp(path) if path else "")


def _stamp(path: Path) -> str:
    """Changes when the archive does, or when a file is added to or taken from a class's folder."""
    folders = [path] if path.is_file() else [path, *path.glob("*"), *path.glob("*/*/")]
    states = [(str(f.absolute()), f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(folders)]
    return hashlib.md5(json.dumps([LAYOUT, states]).encode(), usedforsecurity=False).hexdigest()[:16]


@functools.lru_cache(maxsize=2)
def _load(data: str, path: Path | None, stamp: str) -> Pictures:
    if path is None:
        from explorer.data import standin

        return standin.load(asked_for=data == "standin")
    cached = paths.cache() / f"cifar10-decoded-{stamp}"
    try:
        return _open(cached, path)
    except (OSError, ValueError, KeyError, TypeError, EOFError):  # not there, or damaged
        _store(cached, *decode(path), _md5(path))
    return _open(cached, path)


def _md5(path: Path) -> str:
    if path.is_dir():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


# -- decoding ------------------------------------------------------------------------------------------


def decode(path: Path) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Every picture of the archive or folder at ``path``, straight from it; nothing is unpacked to disk.

    Returns:
        Pictures, uint8 (n, 3, 32, 32), and class numbers, int64 (n,), in the order train, validation, test;
        and the sizes of these three parts.

    Raises:
        DataError: a damaged or unsafe archive, a missing or unknown class, a file that is no 32 × 32 PNG.
    """
    found: dict[tuple[str, int], list[tuple[str, np.ndarray]]] = {}
    for inside, file in _files(path):
        if len(inside.parts) < 3 or inside.suffix.lower() != ".png" or inside.name.startswith("."):
            continue
        part, folder = inside.parts[-3:-1]
        if part not in ("train", "test"):
            continue
        names = CLASSES if folder in CLASSES else FOLDERS
        if folder not in names:
            raise DataError(f"{path.name} has a class {folder!r}, which CIFAR-10 has not. Use the course's archive.")
        key = part, names.index(folder)
        found.setdefault(key, []).append((inside.name, _decode_one(file, path, inside)))
    _complain_if_incomplete(found, path)
    return _split(found)


def _files(path: Path) -> Iterable[tuple[PurePath, IO[bytes]]]:
    if path.is_file():
        from explorer.data.files import read_archive

        yield from read_archive(path)
        return
    for file in sorted(path.glob("*/*/*.png")):
        try:
            with open(file, "rb") as opened:
                yield file, opened
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}.", str(error)) from error


def _decode_one(file: IO[bytes], path: Path, inside: PurePath) -> np.ndarray:
    """uint8 (3, 32, 32)."""
    from PIL import Image

    trouble, detail = "is not a picture", ""
    try:
        image = Image.open(io.BytesIO(file.read()), formats=("PNG",))
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


def _complain_if_incomplete(found: dict[tuple[str, int], list], path: Path) -> None:
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


def _split(found: dict[tuple[str, int], list[tuple[str, np.ndarray]]]) -> tuple[np.ndarray, np.ndarray, list[int]]:
    parts: list[list[tuple[int, np.ndarray]]] = [[], [], []]
    for (part, label), files in sorted(found.items()):
        pictures = [picture for _, picture in sorted(files, key=lambda file: file[0])]
        if part == "test":
            parts[2] += [(label, picture) for picture in pictures]
            continue
        # RandomState's sequence is frozen for good, so the split is the same with every NumPy.
        order = np.random.RandomState(SPLIT_SEED + label).permutation(len(pictures))
        cut = round(len(pictures) * VALID_SHARE)
        parts[1] += [(label, pictures[i]) for i in order[:cut]]
        parts[0] += [(label, pictures[i]) for i in order[cut:]]
    rows = [row for part in parts for row in part]
    x, y = np.stack([picture for _, picture in rows]), np.array([label for label, _ in rows], np.int64)
    return x, y, [len(part) for part in parts]


# -- the cache -----------------------------------------------------------------------------------------


def _store(folder: Path, x: np.ndarray, y: np.ndarray, sizes: list[int], checksum: str) -> None:
    """Write the decoded set beside ``folder``, then move it there: whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
        try:
            content = beside / "content"
            content.mkdir()
            np.save(content / "x.npy", x)
            np.save(content / "y.npy", y)
            (content / "story.json").write_text(json.dumps({"sizes": sizes, "md5": checksum}))
            if folder.exists():  # damaged, or just written by another process: ours is as good
                folder.rename(beside / "before")
            content.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
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
    parts = [array for xy in zip(np.split(x, ends), np.split(y, ends), strict=True) for array in xy]
    train, valid, test = story["sizes"]
    notice = ""
    if (train, valid, test) != (40_000, 10_000, 10_000):
        notice = (
            f"This set has {train + valid:,} training and {test:,} test pictures, CIFAR-10 has 50,000 and 10,000: "
            "accuracies are not comparable with the lecture's."
        )
    return Pictures(*parts, CLASSES, Source("CIFAR-10", "real", str(path), story["md5"], notice))


# -- batches -------------------------------------------------------------------------------------------


def normalise(x: "torch.Tensor") -> "torch.Tensor":
    """uint8 (…, 3, height, width) → float32 with the lecture's statistics: 0 is the mean, 1 one deviation."""
    scale, shift = _scale_shift(x.device)
    return x.float().mul_(scale).add_(shift)


def denormalise(x: "torch.Tensor") -> "torch.Tensor":
    """The inverse of :func:`normalise`: uint8, rounded and clipped."""
    import torch

    scale, shift = _scale_shift(x.device)
    return ((x.float() - shift) / scale).round().clamp(0, 255).to(torch.uint8)


def _scale_shift(device: "torch.device") -> tuple["torch.Tensor", "torch.Tensor"]:
    """(x / 255 - mean) / std as x · scale + shift; each (3, 1, 1)."""
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (MEAN, STD))
    return _moved(1 / (255 * std), device), _moved(-mean / std, device)


def _moved(array: np.ndarray, device: "torch.device") -> "torch.Tensor":
    import torch

    return torch.tensor(array).to(device)  # a copy: the cache's file stays as it is


def _pixels(x: np.ndarray, device: "torch.device") -> "torch.Tensor":
    """(pictures, 3, 32, 32) → on the device as (pictures, 32, 32, 3): a pixel's channels side by side."""
    return _moved(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), device)


def symmetric_pad(x: "torch.Tensor", pad: int, dims: tuple[int, int]) -> "torch.Tensor":
    """``pad`` more pixels on every side that mirror the picture, edge pixel included: b a | a b c | c b."""
    import torch

    for dim in dims:
        inside = range(x.shape[dim])
        mirror = [*reversed(inside[:pad]), *inside, *reversed(inside[-pad:])]
        x = x.index_select(dim, torch.tensor(mirror, device=x.device))
    return x


@functools.lru_cache(maxsize=1)  # runs on the same pictures share one copy of 192 MB
def _training_set(pictures: Pictures, images: int, device: "torch.device") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Padded training pictures, uint8 (n, 40, 40, 3), and classes, int64 (n,); the same number of each class."""
    chosen = balanced(pictures.train_y, images)
    x, y = pictures.train_x, pictures.train_y
    if len(chosen) < len(y):
        x, y = x[chosen], y[chosen]
    return symmetric_pad(_pixels(x, device), PAD, (1, 2)), _moved(y, device)


def balanced(y: np.ndarray, images: int) -> np.ndarray:
    """The places of at most ``images`` pictures, the first of each class, equally many of each (± 1)."""
    labels = np.unique(y)
    quota, more = divmod(images, len(labels))
    places = [np.flatnonzero(y == label)[: quota + (number < more)] for number, label in enumerate(labels)]
    return np.sort(np.concatenate(places))


class VisionData:
    """Pictures as batches on the device. ``x``: float32 (batch, 3, size, size), normalised; ``y``: int64 (batch,).

    The whole set lies on the device as uint8, padded once by 4 pixels that mirror its edge (the edge pixel
    repeats: NumPy's ``symmetric``, OpenCV's ``BORDER_REFLECT``). A training batch picks, for each of its
    pictures, one of the 9 × 9 crops and perhaps its mirror image, all at once. The lecture's loader never
    drew the ninth row and column of crops (it rounded down); this one does.

    Args:
        pictures: see :func:`load`.
        experiment: ``images`` limits the training pictures, the same number from each class;
            ``augment`` switches crops and flips; ``size`` enlarges; ``batch_size``.
        device: where everything lies.
    """

    def __init__(self, pictures: Pictures, experiment: "Experiment", device: "torch.device") -> None:
        self.pictures, self.source, self.classes = pictures, pictures.source, pictures.classes
        self.device, self.augment, self.batch_size = device, experiment.augment, experiment.batch_size
        self.size = experiment.size
        # Convolutions are faster with a pixel's channels side by side; a matrix product is not.
        self.channels_last = experiment.model != "simplenet"
        self.train_x, self.train_y = _training_set(pictures, experiment.images, device)
        self.valid_x, self.valid_y = _pixels(pictures.valid_x, device), _moved(pictures.valid_y, device)
        self.steps_per_epoch = -(-len(self.train_y) // self.batch_size)
        self._scale, self._shift = (stat.flatten().repeat(SIDE * SIDE) for stat in _scale_shift(device))

    def train_batches(self, generator: "torch.Generator") -> Iterator[Batch]:
        """One epoch in a new order; the last batch may be smaller. All draws are made and moved at its start."""
        import torch

        n = len(self.train_y)
        order = torch.randperm(n, generator=generator)
        if self.augment:
            down, right, mirrored = augmentation(n, generator)
        else:
            down = right = torch.full((n,), PAD)
            mirrored = torch.zeros(n, dtype=torch.long)
        drawn = torch.stack([order, down, right, mirrored]).to(self.device)
        for at in range(0, n, self.batch_size):
            chosen, down, right, mirrored = drawn[:, at : at + self.batch_size]
            x = crop(self.train_x, chosen, down, right, mirrored)
            yield Batch(self._normalised(x), self.train_y[chosen], at / n)

    def valid_batches(self) -> Iterator[Batch]:
        """The validation pictures, class by class."""
        return self._plain(self.valid_x, self.valid_y)

    def test_batches(self) -> Iterator[Batch]:
        """The test pictures, class by class; they are moved to the device when asked for."""
        return self._plain(_pixels(self.pictures.test_x, self.device), _moved(self.pictures.test_y, self.device))

    def _plain(self, x: "torch.Tensor", y: "torch.Tensor") -> Iterator[Batch]:
        size = 2000 if self.device.type == "cuda" else 500  # a CPU's caches like small ones
        for at in range(0, len(y), size):
            yield Batch(self._normalised(x[at : at + size]), y[at : at + size], at / len(y))

    def _normalised(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """uint8 (batch, 32, 32, 3) → float32 (batch, 3, size, size)."""
        import torch.nn.functional as F

        rows = pixels.flatten(1).float()  # on long rows the two products below are ten times as fast on a CPU
        x = rows.mul_(self._scale).add_(self._shift).view(pixels.shape).permute(0, 3, 1, 2)
        if self.size != SIDE:
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", align_corners=False)
        return x if self.channels_last else x.contiguous()


def augmentation(n: int, generator: "torch.Generator") -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """What training draws for ``n`` pictures: :func:`crop`'s ``down``, ``right`` and ``mirrored``."""
    import torch

    down, right = torch.randint(2 * PAD + 1, (2, n), generator=generator)
    return down, right, torch.randint(2, (n,), generator=generator)


def crop(
    padded: "torch.Tensor",
    chosen: "torch.Tensor",
    down: "torch.Tensor",
    right: "torch.Tensor",
    mirrored: "torch.Tensor",
) -> "torch.Tensor":
    """One 32 × 32 window of each chosen picture, mirrored or not.

    Args:
        padded: uint8 (pictures, 40, 40, 3).
        chosen: which pictures, int64 (batch,).
        down, right: the window's upper left corner, int64 (batch,), 0 to 8.
        mirrored: 1 to swap left and right, 0 not to, int64 (batch,).

    Returns:
        uint8 (batch, 32, 32, 3).
    """
    import torch

    height, width = padded.shape[1:3]
    steps = torch.arange(SIDE, device=padded.device)
    rows = (chosen * height + down)[:, None] + steps
    columns = right[:, None] + torch.where(mirrored.bool()[:, None], SIDE - 1 - steps, steps)
    places = rows[:, :, None] * width + columns[:, None, :]  # (batch, 32, 32), numbers of pixels
    return padded.view(-1, 3).index_select(0, places.flatten()).view(len(chosen), SIDE, SIDE, 3)


def tta_views(x: "torch.Tensor", shift: int = 2) -> Iterator["torch.Tensor"]:
    """Six views of a normalised batch for test-time augmentation: plain, mirrored, and four moved diagonally.

    The moved ones are alternately mirrored too; pixels that come into view mirror the edge, as in training.
    """
    yield x
    yield x.flip(3)
    padded = symmetric_pad(x, shift, (2, 3))
    height, width = x.shape[2:]
    for number, (top, left) in enumerate([(0, 0), (0, 2 * shift), (2 * shift, 2 * shift), (2 * shift, 0)]):
        moved = padded[:, :, top : top + height, left : left + width]
        yield moved.flip(3) if number % 2 else moved


def predict_with_tta(model: "Callable[[torch.Tensor], torch.Tensor]", x: "torch.Tensor") -> "torch.Tensor":
    """Class probabilities (batch, classes), the mean over :func:`tta_views`; the model should be evaluating."""
    import torch

    with torch.no_grad():
        return torch.stack([model(view).float().softmax(1) for view in tta_views(x)]).mean(0)
