"""What a photo's file would cost to read, told from its structure before a pixel is decoded.

A header says how many pixels there are. It does not say how often a JPEG draws them, how large a TIFF's tiles are, nor
in how many crumbs the file comes, each of which takes the decoder's Python longer than it took the sender's. Every
limit here lies well above what cameras and programs write, and what is let through computes for about a second at
most. AVIF, whose structure tells nothing that binds, is decoded where it can be ended (:mod:`explorer.data.apart`).
"""

import contextlib
import io
import itertools
import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence

from explorer.errors import PhotoError

MAX_PIXELS = 40_000_000
MAX_PASSES = 16  #: over the largest photo, and more over smaller ones; libjpeg writes 10 scans, mozjpeg a dozen
MAX_PIECES = 500_000  #: reads of one file; 20 MB in a GIF's blocks of 255 bytes take 160,000
# How often what is dear to read may stand in a file that begins so. A PNG may have one profile; each, and each of its
# packed texts, may unpack to a megabyte. Each piece of a JPEG's EXIF is put behind the others, all copied anew.
MAX_TIMES = {b"\x89PNG": {b"iCCP": 4, b"zTXt": 400, b"iTXt": 400}, b"\xff\xd8": {b"Exif\0\0": 300}}
MAX_VALUES = 100_000  #: numbers in a TIFF's field; a strip a row, in three planes, of the longest photo make 85,000
MAX_TILED = 2 * MAX_PIXELS  #: in a TIFF's tiles, those at the edges too
MAX_PACKED = 100_000_000  #: bytes in a TIFF's strips or tiles, which may lie in the same place
MAX_PAGES = 10_000  #: of a TIFF
MAX_RUN_PIXELS = 4_000_000  #: of a BMP packed in runs, which Pillow unpacks in Python, pixel by pixel

TOO_MANY_PIXELS = f"The photo has more than {MAX_PIXELS // 1_000_000} megapixels. Make it smaller and try again."
TOO_MANY_PIECES = "The file is built of far more pieces than a photo needs. Save the photo again, or choose another."


class Pieces(io.BytesIO):
    """A file in memory that can be read half a million times, whatever a decoder finds in it.

    Chunks, blocks, segments, frames and directories are walked in Python; each costs a read at least.

    Raises:
        PhotoError: on the read that is one too many.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.left = MAX_PIECES

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file's."""
        self.left -= 1
        if self.left < 0:
            raise PhotoError(TOO_MANY_PIECES, f"{MAX_PIECES} reads")
        return super().read(size)


def check(data: bytes) -> None:
    """What has to be looked at before Pillow opens a file, which already reads its chunks, segments or first directory.

    Raises:
        PhotoError: more profiles, texts, pieces of EXIF, fields, values or pixels of a tile than a photo has.
    """
    for beginning, most in MAX_TIMES.items():
        for sign, times in most.items() if data.startswith(beginning) else ():
            if data.count(sign) > times:
                raise PhotoError(TOO_MANY_PIECES, f"{data.count(sign)} times {sign!r}")
    if data.startswith((b"II", b"MM")):
        for fields in itertools.islice(_directories(data), 1):
            _check_fields(fields, data)


def check_decoder(name: str, pixels: int) -> None:
    """Refuse a large picture for which Pillow has no decoder but one in Python.

    Raises:
        PhotoError: the sentence says what to do.
    """
    if name == "bmp_rle" and pixels > MAX_RUN_PIXELS:
        raise PhotoError(
            f"A BMP packed in runs may have {MAX_RUN_PIXELS // 1_000_000} megapixels. Save it as PNG or JPEG."
        )


# -- JPEG ----------------------------------------------------------------------------------------------
# A marker with a length behind it, or the end; not stuffed bytes, restarts or a second start.
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])")
_START_OF_SCAN, _END = b"\xda", b"\xd9"


def check_passes(data: bytes, pixels: int) -> None:
    """Refuse a JPEG whose scans, each over all of its pixels, cost more than sixteen over the largest photo.

    A scan that changes nothing takes some fifty bytes, and as long as one that draws the photo.

    Raises:
        PhotoError: too many scans, or segments.
    """
    scans = 0
    for pieces, marker in enumerate(_markers(data)):
        scans += marker == _START_OF_SCAN
        if scans * pixels > MAX_PASSES * MAX_PIXELS or pieces > MAX_PIECES:
            raise PhotoError(TOO_MANY_PIECES, f"scan {scans} of {pixels} pixels, segment {pieces}")


def _markers(data: bytes) -> Iterator[bytes]:
    """The markers of a JPEG's first picture, found as the decoder finds them: segments are stepped over."""
    at = 2
    while (found := _MARKER.search(data, at)) and found[1] != _END:
        yield found[1]
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2]))


# -- TIFF ----------------------------------------------------------------------------------------------
_Field = tuple[int, int, int, bytes]  # tag, kind of value, number of values, and the values or where they lie
_SIDES = _WIDTH, _LENGTH, _ROWS, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 278, 322, 323
_PLACES = _STRIPS, _TILES = 273, 324  # where each strip or tile lies
_SIZES = 279, 325  # and how many bytes it has
_TEXTS = (1, 2, 6, 7)  # kinds of value that stay one piece of bytes: profiles, comments, layers
# Kinds of value that are whole numbers; one below zero is read as a very large one.
_NUMBERS = {1: "B", 6: "B", 3: "H", 8: "H", 4: "L", 9: "L", 13: "L", 16: "Q", 17: "Q", 18: "Q"}


def pages(data: bytes) -> int:
    """How many pages a TIFF has, without reading what is on them; at least 1.

    Raises:
        PhotoError: more than ten thousand.
    """
    return max(1, sum(1 for _ in _directories(data)))


def _order(data: bytes) -> str:
    return "<" if data.startswith(b"II") else ">"


def _directories(data: bytes) -> Iterator[Iterable[_Field]]:
    """The fields of each page's directory, those that are there of the last; ends where one comes again."""
    view = memoryview(data)  # a slice of it is no copy
    wide = data[2:3] == b"+"  # BigTIFF, as Pillow tells it: to Pillow, MM\0+ is none
    counter, field, pointer = (_order(data) + code for code in (("Q", "HHQ8s", "Q") if wide else ("H", "HHL4s", "L")))
    length = struct.calcsize(field)
    seen: set[int] = set()
    with contextlib.suppress(struct.error):  # Pillow says so when it is the first
        (at,) = struct.unpack_from(pointer, view, 8 if wide else 4)
        while at and at not in seen:
            seen.add(at)
            (count,) = struct.unpack_from(counter, view, at)
            start = at + struct.calcsize(counter)
            end = start + count * length
            if count > MAX_VALUES or len(seen) > MAX_PAGES:
                raise PhotoError(TOO_MANY_PIECES, f"{count} fields, page {len(seen)}")
            there = view[start:end]
            yield struct.iter_unpack(field, there[: len(there) // length * length])
            (at,) = struct.unpack_from(pointer, view, end)


def _check_fields(fields: Iterable[_Field], data: bytes) -> None:
    """Refuse endless lists of strips, and far more in strips or tiles than a photo has: they may share their bytes.

    A tile is unpacked whole, however little of it lies in the picture, and a strip as often as it is listed.
    """
    counts: dict[int, int] = {}
    values: dict[int, Sequence[int]] = {}
    for tag, kind, count, value in fields:
        ours = tag in _SIDES + _PLACES + _SIZES
        if (count > MAX_VALUES and (ours or kind not in _TEXTS)) or tag in counts:
            raise PhotoError(TOO_MANY_PIECES, f"{count} values of tag {tag}, or it comes twice")
        if ours:
            counts[tag], values[tag] = count, _values(data, kind, count, value)
    for tag in _SIZES:
        if sum(values.get(tag, ())) > MAX_PACKED:
            raise PhotoError(TOO_MANY_PIECES, f"{sum(values[tag])} bytes in strips or tiles")
    width, length, rows, tile_width, tile_length = (max(values.get(tag, ()), default=0) for tag in _SIDES)
    tile = tile_width * tile_length
    tiles = math.ceil(width / max(1, tile_width)) * math.ceil(length / max(1, tile_length))
    if max(width * length, tile) > MAX_PIXELS or tiles * tile > MAX_TILED:
        raise PhotoError(TOO_MANY_PIXELS, f"{width} × {length}, {tiles} tiles of {tile_width} × {tile_length}")
    strip = width * min(rows or length, length)
    shown = min(tile_width, width) * min(tile_length, length)
    if max(counts.get(_STRIPS, 0) * strip, counts.get(_TILES, 0) * shown) > MAX_PASSES * MAX_PIXELS:
        raise PhotoError(TOO_MANY_PIECES, f"{counts} pieces of {strip} or {shown} pixels")


def _values(data: bytes, kind: int, count: int, value: bytes) -> Sequence[int]:
    """A field's numbers, which stand in it where there is room, else where it says; none if they are no whole ones."""
    if kind not in _NUMBERS:
        return ()
    size = struct.calcsize("<" + _NUMBERS[kind])
    if count * size > len(value):
        at = int.from_bytes(value, "little" if _order(data) == "<" else "big")
        value = data[at : at + count * size]
    return struct.unpack_from(f"{_order(data)}{min(count, len(value) // size)}{_NUMBERS[kind]}", value)
