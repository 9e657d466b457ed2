"""A sampler of CIFAR-10, which ships: enough to ask a trained network about real pictures, and to train a little.

The pictures lie side by side on a lossless sheet for each part, class by class; ``weights/make_sampler.py`` cut them.

Training falls back to these 4,000 pictures and not to the 12,000 drawn ones of :mod:`explorer.data.standin` (which a
link can still ask for, ``data=standin``), because they are real. Accuracy with the lecture's recipes, seed 0, measured
once; the drawn ones tell a clearer story, on shapes nobody asked about:

========== ============================= ====================== =====================
rung       sampler, the recipe's batches sampler, batches of 64 drawn, batches of 256
========== ============================= ====================== =====================
simplenet  0.361                         0.382                  0.22
convnet    0.314                         0.368                  0.48
bn         0.408                         0.427                  0.63
resnet     0.430                         0.429                  0.50
========== ============================= ====================== =====================
"""

import functools

import numpy as np

from explorer import paths
from explorer.data import SIDE, Pictures, Source, SourceKind

FOLDER = paths.SHIPPED / "cifar10"
EACH = {"train": 400, "valid": 200, "test": 20}  #: pictures a class
COLUMNS = 40  #: pictures in a row of a sheet
NAME = "CIFAR-10, the sampler that ships"
NOTICE = (
    "These are real pictures of CIFAR-10: a tenth of the set for training and a fifth for validation; the whole set is "
    "not here. What ships was trained on all of it, and is asked here about 200 pictures of each class. What you train "
    "learns from 400 of each: with the lecture's recipes that takes SimpleNet to 0.36 and the ResNet to 0.43."
)


def here() -> bool:
    """Whether the sheets ship with this copy; who may not pass them on can delete them."""
    return all((FOLDER / f"{part}.webp").is_file() for part in EACH)


@functools.lru_cache(maxsize=1)
def load(classes: tuple[str, ...]) -> Pictures:
    """The sampler's pictures, named as the lecture does; a tenth of a second.

    Raises:
        OSError, ValueError: a sheet is not there, or damaged.
    """
    train, valid, test = (_part(part, each, len(classes)) for part, each in EACH.items())
    source = Source(NAME, SourceKind.SAMPLE, f"{paths.SHIPPED.name}/{FOLDER.name}", notice=NOTICE)
    return Pictures(*train, *valid, *test, classes, source)


def _part(part: str, each: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (pictures, 3, 32, 32) and class numbers, int64 (pictures,)."""
    from PIL import Image

    with Image.open(FOLDER / f"{part}.webp", formats=("WEBP",)) as image:
        sheet = np.asarray(image.convert("RGB"))
    tiles = sheet.reshape(-1, SIDE, COLUMNS, SIDE, 3).transpose(0, 2, 4, 1, 3)
    x = np.ascontiguousarray(tiles).reshape(-1, 3, SIDE, SIDE)
    y = np.arange(classes).repeat(each)
    if len(x) != len(y):
        raise ValueError(f"{part}.webp has {len(x)} pictures, not {len(y)}")
    return x, y
