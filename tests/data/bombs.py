"""Files that cost a decoder far more than they cost their sender: passes, crumbs, directories, tiles.

Each is well-formed, or nearly so, and made here from a small honest picture.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width=64, height=64):
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def chunk(name, body=b""):
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


# -- JPEG ----------------------------------------------------------------------------------------------
def with_scans(side, times):
    """A grey progressive JPEG whose last scan, of some fifty bytes, comes ``times`` times more."""
    data = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True, quality=50)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * times + data[-2:]


def jpeg_with(segments):
    data = encoded(noise(), "JPEG")
    return data[:2] + segments + data[2:]


# -- PNG -----------------------------------------------------------------------------------------------
def png_with(chunks, before=b"IDAT"):
    data = encoded(noise(), "PNG")
    at = data.index(before) - 4
    return data[:at] + chunks + data[at:]


def profiles(times, kind=b"iCCP", head=b"k\0\0"):
    return chunk(kind, head + zlib.compress(bytes(1_000_000), 9)) * times


# -- GIF -----------------------------------------------------------------------------------------------
GIF_FRAME = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"


def gif_with(blocks, behind=b""):
    """Extension blocks before the picture, frames behind it."""
    data = encoded(Image.new("P", (64, 64), 3), "GIF")
    start = 13 + ((3 << (data[10] & 7) + 1) if data[10] & 128 else 0)
    return data[:start] + blocks + data[start:-1] + behind + b";"


# -- TIFF ----------------------------------------------------------------------------------------------
HERE = 0xFFFFFFFF


def directory(fields, following=0):
    packed = b"".join(struct.pack("<HHII", *field) for field in sorted(fields))
    return struct.pack("<H", len(fields)) + packed + struct.pack("<I", following)


def tiff(width, height, *fields, compression=1, data=b"", pages=1):
    """A grey TIFF; the fields for which ``data`` stands have the value HERE. Further pages are the same again."""
    known = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1)]
    size = len(directory([*known, *fields]))
    at = 8 + size * pages
    placed = [*known, *((tag, kind, count, at if value == HERE else value) for tag, kind, count, value in fields)]
    starts = [8 + size * (i + 1) for i in range(pages - 1)] + [0]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(directory(placed, start) for start in starts) + data


def tiff_of_pages(pages):
    return tiff(16, 16, (273, 4, 1, HERE), (279, 4, 1, 256), data=bytes([7]) * 256, pages=pages)


def tiff_of_tiny_tiles(count):
    """A tile a pixel."""
    offsets = np.full(count, 8, "<u4").tobytes()
    return tiff(500, -(-count // 500), (322, 4, 1, 1), (323, 4, 1, 1), (324, 4, count, HERE), data=offsets)


def tiff_of_one_huge_tile(side, picture=64):
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(side)) for _ in range(side)) + packer.flush()
    fields = (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, HERE), (325, 4, 1, len(data))
    return tiff(picture, picture, *fields, compression=8, data=data)


def tiff_of_shared(width, height, count, *fields, size=100, places=273, sizes=279, compression=8):
    """As many strips or tiles as it says, each of the very same bytes."""
    lists = np.full(count, 8, "<u4").tobytes(), np.full(count, size, "<u4").tobytes()
    at = 8 + len(directory([(0, 0, 0, 0)] * (7 + len(fields))))
    shared = (places, 4, count, at), (sizes, 4, count, at + 4 * count)
    return tiff(width, height, *fields, *shared, compression=compression, data=b"".join(lists))


# -- BMP -----------------------------------------------------------------------------------------------
def bmp_of_runs(runs, side=2000):
    """A picture in 256 colours, packed in runs."""
    head = struct.pack("<2sIHHI", b"BM", 1078 + len(runs), 0, 0, 1078)
    return head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 256) + bytes(1024) + runs


MANY = 600_000

PIECES = {
    "jpeg, padded markers": lambda: jpeg_with(b"\xff" * MANY),
    "jpeg, segments": lambda: jpeg_with(b"\xff\xe2\0\2" * (MANY // 3)),
    "jpeg, segments between scans": lambda: with_scans(64, 0)[:-2] + b"\xff\xfe\0\2" * MANY + b"\xff\xd9",
    "jpeg, pieces of exif": lambda: jpeg_with((b"\xff\xe1\0\x28Exif" + bytes(34)) * 1000),
    "png, chunks": lambda: png_with(chunk(b"teSt") * (MANY // 2)),
    "png, chunks behind the picture": lambda: png_with(chunk(b"teSt") * (MANY // 2), b"IEND"),
    "png, empty data": lambda: png_with(chunk(b"IDAT") * (MANY // 2)),
    "png, texts": lambda: png_with(chunk(b"tEXt", b"a\0b") * (MANY // 3)),
    "png, profiles": lambda: png_with(profiles(200)),
    "png, packed texts": lambda: png_with(profiles(1000, b"zTXt")),
    "png, packed texts of any language": lambda: png_with(profiles(1000, b"iTXt", b"k\0\1\0\0\0")),
    "gif, frames": lambda: gif_with(b"", GIF_FRAME * (MANY // 5)),
    "gif, comments": lambda: gif_with(b"!\xfe\x01a\x00" * (MANY // 4)),
    "gif, blocks of one byte": lambda: gif_with(b"!\x01" + b"\x01a" * MANY + b"\0"),
    "tiff, pages": lambda: tiff_of_pages(12_000),
    "tiff, tiny tiles": lambda: tiff_of_tiny_tiles(120_000),
    "bmp, runs": lambda: bmp_of_runs(b"\x01\x05" * MANY),
}
