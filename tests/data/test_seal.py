"""A checksum inside a weights file: every bit of it counts."""

import json
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from explorer import paths
from explorer.data import seal
from explorer.errors import WeightsError

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([7], dtype=torch.int64)}
PLAIN = save(TENSORS, {"story": "Nietzsche, 9 epochs"})
SEALED = seal.sealed(PLAIN)


def test_what_was_in_the_file_is_in_it_still(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(SEALED)
    found = load(seal.read(path))
    assert found.keys() == TENSORS.keys() and all(torch.equal(found[name], t) for name, t in TENSORS.items())
    with safe_open(path, framework="numpy") as file:
        words = file.metadata()
    assert words["story"] == "Nietzsche, 9 epochs" and len(words[seal.WORD]) == 64
    assert seal.sealed(SEALED) == SEALED, "a seal is not sealed once more"
    assert int.from_bytes(SEALED[:8], "little") % 8 == 0


def test_no_bit_of_a_sealed_file_can_flip_unnoticed():
    """In its numbers, its names and its story; flips that leave no safetensors file at all are noticed anyway."""
    length = int.from_bytes(SEALED[:8], "little")
    word = SEALED.index(seal.WORD.encode())
    padding = range(8 + len(SEALED[8 : 8 + length].rstrip()), 8 + length)
    flips = [(at, bit) for at in range(8, len(SEALED)) for bit in range(8)]
    for at, bit in random.Random(0).sample(flips, 600):
        if word - 1 <= at <= word + len(seal.WORD) or at in padding:
            continue  # without its name there is no seal; and what is blank says nothing
        bad = bytearray(SEALED)
        bad[at] ^= 1 << bit
        try:
            load(bytes(bad))
        except Exception:
            continue
        with pytest.raises(WeightsError, match=r"mine is damaged.*checksum"):
            seal.check(bytes(bad), "mine")


def test_files_without_a_seal_and_files_of_other_kinds_are_taken_as_they_are():
    for content in (PLAIN, save(TENSORS), b"", b"\xff" * 8, b"no file of tensors", b"\2\0\0\0\0\0\0\0[]"):
        seal.check(content, "it")


@pytest.mark.parametrize("words", [[], "words", {seal.WORD: 3}, {seal.WORD: "0" * 64}, {seal.WORD: ""}])
def test_a_seal_that_is_no_checksum_fits_nothing_and_breaks_nothing(words):
    header = json.dumps({"__metadata__": words}).encode()
    content = len(header).to_bytes(8, "little") + header
    if isinstance(words, dict):
        with pytest.raises(WeightsError, match="damaged"):
            seal.check(content, "it")
    else:
        seal.check(content, "it")


def test_a_header_as_deep_as_a_well_is_left_to_others():
    header = b'{"__metadata__":' + b"[" * 200_000
    seal.check(len(header).to_bytes(8, "little") + header, "it")


def test_a_list_stands_for_the_seals_of_older_files(tmp_path):
    import hashlib

    path = tmp_path / "old.safetensors"
    path.write_bytes(PLAIN)
    (tmp_path / seal.LIST).write_text(json.dumps({path.name: hashlib.sha256(PLAIN).hexdigest()}))
    assert seal.read(path) == PLAIN
    bad = bytearray(PLAIN)
    bad[-3] ^= 4
    path.write_bytes(bad)
    with pytest.raises(WeightsError, match=r"old\.safetensors is damaged"):
        seal.read(path)
    path.write_bytes(SEALED)  # written anew since: its own seal goes before the list
    assert seal.read(path) == SEALED
    for nothing in ("no JSON", "[]"):
        (tmp_path / seal.LIST).write_text(nothing)
        path.write_bytes(bad)
        assert seal.read(path) == bytes(bad)


def test_every_file_that_ships_is_as_it_was_written_and_would_be_missed_otherwise():
    listed = json.loads((paths.WEIGHTS / seal.LIST).read_text())
    found = sorted(paths.WEIGHTS.glob("*.safetensors"))
    assert len(found) > 15 and {*listed} <= {path.name for path in found}
    for path in found:
        content = seal.read(path)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        assert path.name in listed or seal.WORD in header["__metadata__"], path.name
