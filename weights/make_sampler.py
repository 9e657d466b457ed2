"""Cut the sampler of CIFAR-10 that ships: the first so many pictures of each class and part, as lossless sheets.

The split shuffles each class's files, so the first pictures are a fair draw.

EXPLORER_DATA=../shared/data python -m weights.make_sampler
"""

import numpy as np
from PIL import Image

from explorer.data import SIDE, cifar10
from explorer.data.sampler import COLUMNS, EACH, FOLDER


def sheet(x: np.ndarray, y: np.ndarray, each: int) -> np.ndarray:
    """The first ``each`` pictures of each class, class by class, in rows of ``COLUMNS``: uint8 (height, width, 3)."""
    chosen = np.concatenate([np.flatnonzero(y == label)[:each] for label in range(len(cifar10.CLASSES))])
    tiles = np.asarray(x)[chosen].reshape(-1, COLUMNS, 3, SIDE, SIDE)
    return np.ascontiguousarray(tiles.transpose(0, 3, 1, 4, 2)).reshape(-1, COLUMNS * SIDE, 3)


def main() -> None:
    """Write a sheet a part."""
    pictures = cifar10.load()
    if pictures.source.kind != "real" or pictures.source.notice:
        raise SystemExit(f"The sampler would be cut from {pictures.source.name}, not from the whole of CIFAR-10.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for part, each in EACH.items():
        found = sheet(getattr(pictures, f"{part}_x"), getattr(pictures, f"{part}_y"), each)
        path = FOLDER / f"{part}.webp"
        Image.fromarray(found).save(path, lossless=True, quality=100, method=6)
        print(f"{path.name}: {each} a class, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
