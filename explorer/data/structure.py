"""What a photo's file would cost to read, told from its structure before a pixel is decoded.

A header says how many pixels there are. It does not say how often a JPEG draws them, how large a TIFF's tiles are, nor
in how many crumbs the file comes, each of which takes the decoder's Python longer than it took the sender's. Every
limit here lies well above what cameras and programs write, and what is let through computes for about a second at
most. AVIF, whose structure tells nothing that binds, is decoded where it can be ended (:mod:`explorer.data.apart`).
"""

import contextlib
import io
import itertools
import re
import struct
from collections.abc import Iterable, Iterator

from explorer.errors import PhotoError

MAX_PIXELS = 40_000_000
MAX_PASSES = 16  #: over the largest photo, and more over smaller ones; libjpeg writes 10 scans, mozjpeg a dozen
MAX_PIECES = 500_000  #: reads of one file; 20 MB in a GIF's blocks of 255 bytes take 160,000
MAX_PROFILES = 4  #: colour profiles in a PNG, which may have one; each may unpack to a megabyte
MAX_VALUES = 100_000  #: numbers in a TIFF's field; a strip a row, in three planes, of the longest photo make 85,000
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
    """What has to be looked at before Pillow opens a PNG or TIFF, which already reads its chunks or first directory.

    Raises:
        PhotoError: more profiles, fields, values or pixels of a tile than a photo has.
    """
    if data.startswith(b"\x89PNG") and (profiles := data.count(b"iCCP")) > MAX_PROFILES:
        raise PhotoError(TOO_MANY_PIECES, f"{profiles} colour profiles")
    if data.startswith((b"II", b"MM")):
        for fields in itertools.islice(_directories(data), 1):
            _check_fields(fields, data[:2])


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
_Field = tuple[int, int, int, int]  # tag, kind of value, number of values, and the value or where it lies
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_SHORT = 3
_TEXTS = (1, 2, 6, 7)  # kinds of value that stay one piece of bytes: profiles, comments, layers


def pages(data: bytes) -> int:
    """How many pages a TIFF has, without reading what is on them; at least 1.

    Raises:
        PhotoError: more than ten thousand.
    """
    return max(1, sum(1 for _ in _directories(data)))


def _directories(data: bytes) -> Iterator[Iterable[_Field]]:
    """The fields of each page's directory; ends where one is cut short or comes again."""
    view = memoryview(data)  # a slice of it is no copy
    order = "<" if data.startswith(b"II") else ">"
    wide = data[2:4] in (b"+\0", b"\0+")  # BigTIFF
    counter, field, pointer = (order + code for code in (("Q", "HHQQ", "Q") if wide else ("H", "HHLL", "L")))
    seen: set[int] = set()
    with contextlib.suppress(struct.error):  # Pillow says so when it is the first
        (at,) = struct.unpack_from(pointer, view, 8 if wide else 4)
        while at and at not in seen:
            seen.add(at)
            (count,) = struct.unpack_from(counter, view, at)
            start = at + struct.calcsize(counter)
            end = start + count * struct.calcsize(field)
            if count > MAX_VALUES or len(seen) > MAX_PAGES:
                raise PhotoError(TOO_MANY_PIECES, f"{count} fields, page {len(seen)}")
            yield struct.iter_unpack(field, view[start:end])
            (at,) = struct.unpack_from(pointer, view, end)


def _check_fields(fields: Iterable[_Field], order: bytes) -> None:
    """Refuse endless lists of strips, and tiles larger than a photo may be: each is decoded whole."""
    sides = {_TILE_WIDTH: 0, _TILE_LENGTH: 0}
    for tag, kind, count, value in fields:
        if count > MAX_VALUES and kind not in _TEXTS:
            raise PhotoError(TOO_MANY_PIECES, f"{count} values of tag {tag}")
        if tag in sides:
            # A short stands in the field's first two bytes, whichever way they are read.
            short = value & 0xFFFF if order == b"II" else value >> 16
            sides[tag] = max(sides[tag], short if kind == _SHORT else value)
    if sides[_TILE_WIDTH] * sides[_TILE_LENGTH] > MAX_PIXELS:
        raise PhotoError(TOO_MANY_PIXELS, f"a tile of {sides[_TILE_WIDTH]} × {sides[_TILE_LENGTH]}")
