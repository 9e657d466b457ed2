"""Addresses as strangers might write them: words near something that is meant, or not."""

import random
import string
from collections.abc import Sequence

from explorer import ladders
from explorer.experiment import SETTINGS

RUNGS = [rung.key for ladder in ladders.LADDERS.values() for rung in ladder]
NASTY = [
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "-1e999",
    "nan",
    "inf",
    "9" * 5000,
    "1_000",
    "²",
    "١٢",
    "0x10",
    "1e3",
    "true",
    "None",
    "../../etc/passwd",
    "/etc/passwd",
    "a" * 300,
    "\x00",
    "\ud800",
    "a\nb",
    "![x](http://evil/x.png)",
    "<b>",
    "%00",
    "own-",
    "own-../../secret",
    f"own-{'0' * 16}-{'1' * 12}",
    "standin",
    "pydoc",
    ",",
    ",,,",
    "20,40",
    "1," * 999,
]
CODE = "![x](http://evil/x.png) [c](http://evil) <img src=x onerror=alert(1)> $x$ :red[x] `a` https://evil"
NAMES = (*SETTINGS, "model", "run", "hide", "models", "race", "images", "show", "start", "claim", "x")


def odd(rng: random.Random, *more: str, names: Sequence[str] = NAMES) -> dict[str, str]:
    """The query of one, by parameter.

    Args:
        more: words that mean something where it is tried.
        names: of the parameters.
    """
    pieces = [
        *NASTY,
        *RUNGS,
        CODE,
        *more,
        "../" * 20 + "etc/passwd",
        "final.safetensors",
        "C:\\Windows",
        "0123abcd",
        "a" * 41,
        "..",
        "-" * 500,
    ]
    query = {}
    for name in rng.sample(names, rng.randint(1, 9)):
        word = rng.choice(pieces)
        if rng.random() < 0.5:
            word = (
                word[: rng.randint(0, 9)]
                + rng.choice(pieces)
                + "".join(rng.choices(string.printable, k=rng.randint(0, 6)))
            )
        query[name] = word
    return query
