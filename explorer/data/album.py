"""Photos that ship, each with its author, and what there is to learn from asking a cat-or-dog network about it."""

import functools
from dataclasses import dataclass

from explorer import paths
from explorer.data import Source, SourceKind
from explorer.data.photos import Photo, read_photo

FOLDER = paths.SHIPPED / "photos"
SOURCE = Source("Photos that ship with the explorer", SourceKind.REAL, f"{paths.SHIPPED.name}/{FOLDER.name}")


@dataclass(frozen=True)
class Entry:
    """A photo of the album."""

    file: str
    title: str
    credit: str  #: who took it, and under which licence
    lesson: str = ""  #: what to notice when a network that knows cats and dogs only is asked about it


ENTRIES = (
    Entry("chelsea.jpg", "Chelsea the cat", "Stefan van der Walt, CC0"),
    Entry(
        "coffee.jpg",
        "Cup of coffee",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0",
        "A cup of coffee is neither. Yet softmax makes the two probabilities add up to one, so one of them must win: "
        "the network has no way to say *neither*. What it has is weak evidence: the two ends of the colour bar are 0.0 "
        "and 0.8 here, and up to 9 on Chelsea the cat. The heat stretches either to full colour, so a map alone does "
        "not say how much there was to see.",
    ),
    Entry(
        "rocket.jpg",
        "Rocket",
        "SpaceX, released into the public domain",
        "A rocket at dusk, and it is all but sure. Being sure is not being right: a probability near one says that the "
        "two logits lie far apart, and nothing about whether the photo resembles anything the network has learnt from. "
        "It was trained on cats and dogs alone, so it does not know what it does not know.",
    ),
    Entry(
        "astronaut.jpg",
        "Astronaut",
        "NASA, public domain (Eileen Collins)",
        "Nobody here is a dog. Hide parts of the photo under *Is it telling the truth?* and see whether any part of it "
        "carries the answer at all.",
    ),
)


@functools.lru_cache(maxsize=1)
def photos() -> tuple[tuple[Entry, Photo], ...]:
    """The album, decoded; without photos that were deleted."""
    there = (entry for entry in ENTRIES if (FOLDER / entry.file).is_file())
    return tuple((entry, read_photo((FOLDER / entry.file).read_bytes(), entry.file)) for entry in there)
