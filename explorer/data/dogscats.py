"""Dogs against cats in the course's layout, read straight from the archive; nothing is unpacked to disk.

``dogscats/{train,valid}/{cats,dogs}/*.jpg``, as ``dogscats.tgz`` or as a folder.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from explorer import paths
from explorer.data import Source, SourceKind
from explorer.data.files import Progress, Told, download, read_archive
from explorer.data.photos import MAX_BYTES, Photo, read_photo
from explorer.errors import DataError, PhotoError

URLS = ("https://s3.amazonaws.com/fast-ai-sample/dogscats.tgz", "https://files.fast.ai/data/examples/dogscats.tgz")
CLASSES = ("cats", "dogs")  #: alphabetical, as the lecture's [cat, dog]
SPLITS = ("train", "valid")
MAX_ZOOM = 1.1  #: the lecture's max_zoom

_MEMBER = re.compile(r"dogscats/(train|valid)/(cats|dogs)/([^/\\]+\.jpe?g)", re.IGNORECASE)


@dataclass(frozen=True)
class DogsCats:
    """The photos, wherever they lie."""

    path: Path  #: the archive, or the folder ``dogscats``

    @cached_property
    def checksum(self) -> str:
        """MD5 of the archive; of names and sizes for a folder."""
        if self.path.is_file():
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "md5").hexdigest()
        listing = "\n".join(f"{p.relative_to(self.path)} {p.stat().st_size}" for p in self._files())
        return hashlib.md5(listing.encode()).hexdigest()

    @property
    def source(self) -> Source:
        """What this is, for the label on screen."""
        return Source("Dogs vs cats, the course's photos", SourceKind.REAL, str(self.path), self.checksum)

    def photos(self, split: str, per_class: int | None = None) -> Iterator[Photo]:
        """The photos of ``train`` or ``valid``, upright, labelled ``cats`` or ``dogs``; damaged ones are left out.

        ``per_class`` takes the first so many of each class, in the archive's order.

        Raises:
            DataError: the archive is damaged or has another layout.
        """
        taken: Counter[str] = Counter()
        wanted = per_class if per_class is not None else 10**9
        for label, name, content in self._files_of(split, lambda label: taken[label] < wanted):
            try:
                yield read_photo(content, f"{label}/{name}")
            except PhotoError:
                continue
            taken[label] += 1
            if all(taken[c] >= wanted for c in CLASSES):
                return
        if not taken:
            raise DataError(f"{self.path.name} has no photos in dogscats/{split}/cats and dogs. Fetch it again.")

    def _files_of(self, split: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str, bytes]]:
        if self.path.is_dir():
            for file in self._files():
                place, label = file.parts[-3:-1]
                if place == split and wanted(label):
                    yield label, file.name, file.read_bytes()
            return
        for member, opened in read_archive(self.path):
            if found := _MEMBER.fullmatch(str(member)):
                place, label = found[1].lower(), found[2].lower()
                if place == split and wanted(label):
                    yield label, found[3], opened.read(MAX_BYTES + 1)

    def _files(self) -> list[Path]:
        return sorted(f for s in SPLITS for c in CLASSES for f in (self.path / s / c).glob("*.jp*g") if f.is_file())


def find() -> DogsCats | None:
    """The photos in ``$EXPLORER_DATA`` or the cache: the archive, else the folder; None when there are none."""
    for name in ("dogscats.tgz", "dogscats"):
        if (path := paths.find_data(name)) is not None:
            return DogsCats(path)
    return None


def here() -> DogsCats:
    """As :func:`find`.

    Raises:
        DataError: there are none; the sentence says how to get them.
    """
    if found := find():
        return found
    raise DataError(
        "The photos of dogs and cats are not here. Run `python -m explorer fetch dogscats`, "
        "or put dogscats.tgz into the folder that EXPLORER_DATA names."
    )


def fetch(progress: Progress | None = None, told: Told | None = None) -> Path:
    """Fetch the archive into the cache unless it is here; returns where it is.

    Raises:
        DataError: no network, or what came is not the archive.
    """
    if found := find():
        return found.path
    return download(URLS, paths.cache() / "dogscats.tgz", check=_check_fetched, progress=progress, told=told)


def _check_fetched(arrived: Path) -> None:
    next(DogsCats(arrived).photos("valid", 1))


def augmented(rgb: np.ndarray, size: int, generator: torch.Generator, max_zoom: float = MAX_ZOOM) -> np.ndarray:
    """The lecture's side-on view: a random flip, a random zoom up to ``max_zoom`` and a place for it.

    Takes uint8 (height, width, 3), gives uint8 (size, size, 3).
    """
    flip, zoom, across, down = torch.rand(4, generator=generator).tolist()
    height, width = rgb.shape[:2]
    side = min(height, width)
    cut = side / (1 + zoom * (max_zoom - 1))
    left = (width - side) / 2 + across * (side - cut)
    top = (height - side) / 2 + down * (side - cut)
    box = (left, top, left + cut, top + cut)
    picture = np.array(Image.fromarray(rgb).resize((size, size), Image.Resampling.BILINEAR, box))
    return np.ascontiguousarray(picture[:, ::-1]) if flip < 0.5 else picture
