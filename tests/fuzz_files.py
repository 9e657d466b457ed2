"""Strangers' files, spoilt at random: photos, ZIPs, texts, classifiers, weights. What comes out is one, or a sentence.

    python -m tests.fuzz_files --files 50000 --json

tries more than the tests do; a case that fails is named, and ``--only 1234`` with the same seed tries it alone.
"""

import argparse
import copy
import json
import random
import struct
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch

from explorer.cam import classifier
from explorer.cam.explain import explain
from explorer.cam.network import CamNet, build
from explorer.data import Source, apart, seal
from explorer.data.photos import decode as decode_photo
from explorer.data.photos import read_photo
from explorer.data.text import decode, prepare
from explorer.data.vocabulary import Vocabulary
from explorer.data.zips import read_zip
from explorer.errors import DataError, PhotoError, WeightsError
from explorer.experiment import Experiment
from explorer.training import checkpoint
from tests.data import bombs
from tests.data.test_photos import READ, packed

SLOWEST = 5.0  # seconds of computing, which a loaded machine does not lengthen
KINDS = {"photo": 0.6, "zip": 0.1, "text": 0.17, "classifier": 0.08, "weights": 0.05}  # and their shares
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@dataclass
class Tally:
    """What came of the cases."""

    taken: int = 0
    refused: int = 0
    slowest: tuple[float, str, int] = (0.0, "", 0)  #: seconds, kind, number
    by_kind: dict[str, list[int]] = field(default_factory=lambda: {kind: [0, 0] for kind in KINDS})


# -- what is spoilt ------------------------------------------------------------------------------------
@cache
def photos() -> tuple[bytes, ...]:
    """Every format and mode, and small forms of what is known to be costly."""
    costly = (
        bombs.with_scans(64, 20),
        bombs.png_with(bombs.profiles(2)),
        bombs.gif_with(b"!\xfe\x01a\x00" * 9),
        bombs.tiff_of_pages(3),
        bombs.tiff_of_tiny_tiles(1000),
        bombs.tiff_of_one_huge_tile(256),
        bombs.bmp_of_runs(b"\x01\x05" * 99),
        bombs.jpeg_with(b"\xff\xe2\0\2" * 9),
    )
    return (*(data for data, _ in READ.values()), *costly)


@cache
def zips() -> tuple[bytes, ...]:
    some = photos()[::5]
    return (
        packed((f"{'ab'[i % 2]}/{i}.jpg", data) for i, data in enumerate(some)),
        packed([("a/1.png", some[0]), ("../2.jpg", some[1]), ("a/", b""), ("b/in.zip", packed([("1.jpg", some[0])]))]),
    )


@cache
def _network() -> CamNet:
    return build("mobilenet_v2", ("a", "b"))


@cache
def classifiers() -> tuple[bytes, ...]:
    """A head, and one with its body."""
    tuned = copy.deepcopy(_network())
    return _bare(classifier.save(_network(), val_loss=0.5)), _bare(classifier.save(tuned, with_body=True))


def _bare(content: bytes) -> bytes:
    """A file without its checksum, as a stranger would send it: with it, nothing that is spoilt gets far."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"][seal.WORD]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


@cache
def weights() -> tuple[bytes, ...]:
    """A language model's file and a vision model's, small."""
    source, letters = Source("A text", "yours", ""), Vocabulary(("\0", *"abcde"))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for experiment, vocabulary, classes in (
            (Experiment.of("gru", hidden=16, n_fac=8), letters, ()),
            (Experiment.of("convnet", widths="4,4"), None, tuple("abcdefghij")),
        ):
            model = experiment.rung.build(experiment, *([len(letters)] if vocabulary else []))
            path = Path(folder) / experiment.model
            checkpoint.save(path, model, checkpoint.Story(experiment, source, vocabulary, 1, 2.0, 0.5, classes))
            found.append(_bare(path.read_bytes()))
    return tuple(found)


# -- how -----------------------------------------------------------------------------------------------
def spoilt(data: bytes, others: tuple[bytes, ...], rng: random.Random) -> bytes:
    """One to four things done to a file that happen to files, or that somebody does to them."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice((_flip, _number, _cut, _repeat, _drop, _splice))(bytearray(data or b"\0"), others, rng)
    return data


def _flip(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 3, 30))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _number(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytes:
    """An extreme number, where there may have been a length or an offset: mostly near the front."""
    code = rng.choice(("<H", ">H", "<I", ">I"))
    at = int(len(data) * rng.random() ** rng.choice((1, 4)))
    word = struct.pack(code, rng.choice(EXTREMES) & (0xFFFF if code.endswith("H") else 0xFFFFFFFF))
    data[at : at + len(word)] = word
    return bytes(data)


def _cut(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytes:
    return bytes(data[: rng.randint(1, len(data))])


def _repeat(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytes:
    start, length = rng.randrange(len(data)), int(2 ** rng.uniform(0, 12))
    times = rng.choice((1, 2, 50, 5000))
    part = bytes(data[start : start + length])
    return bytes(data[:start]) + part * min(times, 2_000_000 // max(1, len(part))) + bytes(data[start:])


def _drop(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return bytes(data[:start] + data[start + int(2 ** rng.uniform(0, 10)) :])


def _splice(data: bytearray, others: tuple[bytes, ...], rng: random.Random) -> bytes:
    other = rng.choice(others)
    return bytes(data[: rng.randint(0, len(data))]) + other[rng.randrange(len(other)) :]


def rewritten(data: bytes, rng: random.Random) -> bytes:
    """A classifier whose header says something else, in good JSON and bad."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    strange: tuple[object, ...] = (
        None,
        0,
        -1,
        1e999,
        float("nan"),
        2**70,
        "",
        "x",
        [],
        {},
        [[]],
        ["a", "b"],
        [2**40, 2**40],
        ["a"] * 9,
        "F8_E4M3",
        "I64",
        "C64",
        "BOOL",
        "F16",
        '["a", "b"]',
        '{"a": 1}',
        "[" * 3000,
        '["\\ud800", "b"]',
        "NaN",
        '{"model": "gru", "hidden": 1e999}',
        '{"model": "lstm"}',
        '{"model": 7}',
        '["a", 1, null]',
        "1e999",
        "²",
    )
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(["__metadata__", "__metadata__", *header])
        inside = header.get(name)
        if isinstance(inside, dict) and inside and rng.random() < 0.9:
            inside[rng.choice(list(inside))] = rng.choice(strange)
        else:
            header[name] = rng.choice(strange)
    text = json.dumps(header).encode()
    if rng.random() < 0.1:
        text = b'{"__metadata__":' + b"[" * 100_000
    return struct.pack("<Q", rng.choice((len(text), len(text), len(text) + 1, 2**63))) + text + data[8 + length :]


def with_numbers(data: bytes, rng: random.Random) -> bytes:
    """A classifier with numbers that are none, or enormous, anywhere behind its header."""
    out = bytearray(data)
    at = rng.randrange(len(out) // 2, len(out) - 4)
    out[at : at + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), 3e38, -3e38)))
    return bytes(out)


# -- what must come of it -----------------------------------------------------------------------------
def _sentence(error: Exception) -> None:
    words = str(error)
    assert words.endswith(".") and len(words) < 300 and "Error" not in words and "\n" not in words, words


def _check_photo(rgb: np.ndarray) -> None:
    height, width, colours = rgb.shape
    assert rgb.dtype == np.uint8 and colours == 3 and 1 <= min(height, width) <= max(height, width) <= 1024


def try_photo(rng: random.Random) -> bool:
    """Whether it was read."""
    data = spoilt(rng.choice(photos()), photos(), rng)
    # A process for each AVIF would take most of the time; one in thirty has it.
    here = apart.is_needed(data) and rng.random() < 0.97
    try:
        rgb = decode_photo(data, [])[0] if here else read_photo(data, "a/b.jpg").rgb
    except PhotoError as error:
        _sentence(error)
        return False
    _check_photo(rgb)
    return True


@cache
def texts() -> tuple[bytes, ...]:
    """In several encodings, with what is no letter, and one that is no text."""
    plain = "\n".join(
        f"{number}. And the rest is silence; for thos who know: ätsch, 漢字, \U0001f600." for number in range(400)
    )
    return (
        plain.encode(),
        plain.encode("utf-16"),
        plain.encode("latin-1", "replace"),
        b"\xef\xbb\xbf" + plain.encode(),
        plain.replace("\n", "\r\n").encode("cp1252", "replace"),
        ("a" * 5000 + "\x00\x0b\u2028").encode(),
        photos()[0],
    )


def try_text(rng: random.Random) -> bool:
    """Whether it was taken; then it is text that a model can learn from."""
    try:
        found = decode(spoilt(rng.choice(texts()), texts(), rng))
        prepared = prepare(found, Source("A text", "yours", ""))
    except DataError as error:
        _sentence(error)
        return False
    assert len(prepared.vocabulary) > 2 and len(prepared.train) > 0 and len(prepared.valid) > 0
    return True


def try_zip(rng: random.Random) -> bool:
    """Whether any photo was read."""
    try:
        read, refused = read_zip(spoilt(rng.choice(zips()), zips(), rng))
    except PhotoError as error:
        _sentence(error)
        return False
    for photo in read:
        _check_photo(photo.rgb)
    for refusal in refused:
        _sentence(PhotoError(refusal.reason))
    return bool(read)


def try_classifier(rng: random.Random) -> bool:
    """Whether it was loaded, and answers."""
    data = rng.choice(classifiers()[: rng.choice((1, 1, 1, 2))])
    how = rng.random()
    data = spoilt(data, classifiers(), rng) if how < 0.4 else (rewritten if how < 0.8 else with_numbers)(data, rng)
    try:
        network, _ = classifier.load(data, "mine.safetensors", _network())
        found = explain(network, np.zeros((64, 64, 3), np.uint8))
    except (WeightsError, DataError) as error:
        _sentence(error)
        return False
    assert np.isfinite(found.probabilities).all() and len(found.probabilities) == len(network.classes)
    return True


def try_weights(rng: random.Random) -> bool:
    """Whether they were loaded."""
    data = rng.choice(weights())
    how = rng.random()
    data = spoilt(data, weights(), rng) if how < 0.4 else (rewritten if how < 0.8 else with_numbers)(data, rng)
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        try:
            model, _ = checkpoint.load(Path(file.name), torch.device("cpu"))
        except WeightsError as error:
            _sentence(error)
            return False
    assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())
    return True


TRIES: dict[str, Callable[[random.Random], bool]] = {
    "photo": try_photo,
    "zip": try_zip,
    "text": try_text,
    "classifier": try_classifier,
    "weights": try_weights,
}


def one(seed: int, number: int) -> tuple[str, bool, float]:
    """A case: its kind, whether the file was taken, and the seconds it computed."""
    rng = random.Random(f"{seed} {number}")
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    began = time.thread_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            taken = TRIES[kind](rng)
        except Exception as error:
            raise AssertionError(f"{kind} --seed {seed} --only {number}: {error!r}") from error
    return kind, taken, time.thread_time() - began


def run(count: int, seed: int, seconds: float = float("inf")) -> Tally:
    """Cases until there are ``count``, or ``seconds`` have passed.

    Raises:
        AssertionError: anything but a picture or a sentence, or a case of more than five seconds.
    """
    tally = Tally()
    photos(), zips(), texts(), classifiers(), weights()
    end = time.monotonic() + seconds
    for number in range(count):
        kind, taken, took = one(seed, number)
        assert took < SLOWEST, f"{kind} --seed {seed} --only {number}: {took:.1f} s"
        tally.by_kind[kind][taken] += 1
        tally.taken += taken
        tally.refused += not taken
        tally.slowest = max(tally.slowest, (took, kind, number))
        if time.monotonic() > end:
            break
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", "--count", type=int, default=20_000, dest="count")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", type=int, help="one case, by its number")
    options = parser.parse_args()
    if options.only is not None:
        print(*one(options.seed, options.only))
    else:
        began = time.monotonic()
        tally = run(options.count, options.seed, options.seconds)
        said = {"files": tally.taken + tally.refused, **asdict(tally), "seconds": round(time.monotonic() - began)}
        print(json.dumps(said) if options.json else said)


if __name__ == "__main__":
    main()
