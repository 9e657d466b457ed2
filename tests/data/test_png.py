"""Small PNG files decoded many at once, against Pillow."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explorer.data import png

SIDE = 8


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def a_file(rows, side=SIDE, before=(), header=None, pieces=1, after=b""):
    """A PNG of filtered rows, (side, 1 + 3 · side)."""
    packed = rows if isinstance(rows, bytes) else zlib.compress(rows.tobytes())
    cut = -(-len(packed) // pieces)
    parts = [chunk(b"IDAT", packed[at : at + cut]) for at in range(0, len(packed), cut)]
    head = header or struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"".join([png.SIGNATURE, chunk(b"IHDR", head), *before, *parts, chunk(b"IEND", b"")]) + after


def rows_of(seed, kinds):
    rows = np.random.default_rng(seed).integers(0, 256, (len(kinds), 1 + 3 * len(kinds)), np.uint8)
    rows[:, 0] = kinds
    return rows


def pillows(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=SIDE, max_size=SIDE), min_size=1, max_size=12), st.integers(0, 10**6)
)
def test_every_filter_in_any_order_is_undone_as_pillow_does(kinds, seed):
    files = [a_file(rows_of(seed + i, row)) for i, row in enumerate(kinds)]
    pictures, others = png.decode(files, SIDE)
    assert not others and pictures.dtype == np.uint8 and pictures.shape == (len(files), 3, SIDE, SIDE)
    for content, picture in zip(files, pictures, strict=True):
        assert (pillows(content) == picture).all()


def test_pictures_as_pillow_writes_them():
    rng = np.random.default_rng(0)
    smooth = [np.add.outer(np.arange(32), np.arange(32))[..., None] * rng.integers(1, 4, 3) for _ in range(20)]
    arrays = [(one + rng.integers(0, 9, one.shape)).astype(np.uint8) for one in smooth]
    files = []
    for number, array in enumerate(arrays):
        out = io.BytesIO()
        Image.fromarray(array).save(out, "PNG", compress_level=number % 10)
        files.append(out.getvalue())
    pictures, others = png.decode(files, 32)
    assert not others and (pictures == np.stack(arrays).transpose(0, 3, 1, 2)).all()


PLAIN = rows_of(1, [0, 1, 2, 3, 4, 4, 2, 1])


def test_what_pillow_does_not_mind_is_no_matter():
    text = chunk(b"tEXt", b"Comment\0a picture")
    for content in (
        a_file(PLAIN, pieces=5),
        a_file(PLAIN, before=[text]),
        a_file(PLAIN, after=b"something after its end"),
    ):
        pictures, others = png.decode([content], SIDE)
        assert not others and (pillows(content) == pictures[0]).all()


GOOD = a_file(PLAIN)
STRANGE = {
    "nothing": b"",
    "no PNG": b"GIF89a" + bytes(100),
    "cut": GOOD[:-20],
    "another size": a_file(rows_of(2, [0] * 9), side=9),
    "grey": a_file(PLAIN, header=struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)),
    "interlaced": a_file(PLAIN, header=struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 1)),
    "a palette": a_file(PLAIN, before=[chunk(b"PLTE", bytes(6))]),
    "no such filter": a_file(rows_of(3, [0, 0, 5, 0, 0, 0, 0, 0])),
    "a row too few": a_file(PLAIN[:-1]),
    "a bomb": a_file(zlib.compress(bytes(50_000_000))),
    "not packed": a_file(b"no deflate stream at all"),
    "a bit flipped": GOOD[:60] + bytes([GOOD[60] ^ 1]) + GOOD[61:],
    "endless": GOOD[:33] + struct.pack(">I4s", 0xFFFFFFFF, b"IDAT"),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_what_is_not_the_plainest_kind_is_left_to_others_and_harms_none_beside_it(strange):
    pictures, others = png.decode([GOOD, strange, GOOD], SIDE)
    assert others == [1] and not pictures[1].any()
    assert (pictures[0] == pillows(GOOD)).all() and (pictures[2] == pictures[0]).all()
