"""Photos from strangers: bytes in, upright RGB out, or one sentence that says why not.

Everything is decided in an order that costs an attacker more than it costs us: size of the file, format (only the
allowed decoders are ever started), number of pixels from the header, what else decoding will cost as the structure
tells (:mod:`explorer.data.structure`), and only then the pixels. Nothing is written to disk; EXIF, and with it a place
or a name, is gone as soon as the photo is an array.
"""

import hashlib
import io
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from explorer.data import apart, structure
from explorer.data.structure import MAX_PIXELS, TOO_MANY_PIXELS
from explorer.errors import PhotoError

MAX_BYTES = 20_000_000
MAX_FILES = 200
MIN_SIDE = 16
MAX_ASPECT = 20.0  #: a strip of 20 : 1 is still harmless here, because nothing scales its short side to 256 blindly
SHOWN = 1024  #: longest side that is kept, in pixels; the network needs 224

FORMATS = tuple(
    name
    for name, there in {
        "JPEG": True,  # covers MPO, the phones' JPEG with a second picture; naming MPO raises KeyError
        "PNG": True,
        "WEBP": features.check("webp"),
        "GIF": True,
        "BMP": True,
        "TIFF": True,
        "AVIF": features.check("avif"),
    }.items()
    if there
)
EXTENSIONS = tuple(["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"])

_ALLOWED = "JPEG, PNG, WebP, GIF, BMP, TIFF" + (" and AVIF" if "AVIF" in FORMATS else "")
DAMAGED = "The file is damaged or cut short. Save the photo again, or choose another."

# Full-size pixels of a few photos at a time, however many visitors upload at once.
_decoders = threading.BoundedSemaphore(2)


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright photo, at most 1024 pixels a side, and what was done to it."""

    rgb: np.ndarray = field(repr=False)  #: uint8 (height, width, 3)
    width: int  #: of the upload, upright, in pixels; ``rgb`` may be smaller
    height: int
    name: str = ""  #: a plain file name; never show it as Markdown
    label: str = ""  #: the folder it lay in, which names its class
    notes: tuple[str, ...] = ()  #: sentences such as "First frame of 3."
    digest: str = ""  #: of the file's bytes: the same photo, whatever it is called and however small it is kept


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken."""

    name: str
    reason: str  #: one sentence


def read_photo(data: bytes, name: str = "") -> Photo:
    """Decode one photo.

    Args:
        data: the file's bytes; the name's extension is ignored.
        name: for the label and the list of thumbnails; ``oak/1.jpg`` gives the label ``oak``.

    Raises:
        PhotoError: empty, over 20 MB or 40 megapixels, under 16 pixels a side, longer than 20 : 1, of another
            format, or damaged. The sentence never contains the name.
    """
    if not data:
        raise PhotoError("The file is empty.")
    if len(data) > MAX_BYTES:
        raise PhotoError(f"The file is larger than {MAX_BYTES // 1_000_000} MB.")
    notes: list[str] = []
    if apart.is_needed(data):
        rgb, size, notes = apart.decode(data)
    else:
        with _decoders:
            rgb, size = decode(data, notes)
    folder, plain = split_name(name)
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    return Photo(rgb, *size, plain, folder, tuple(notes), digest)


def decode(data: bytes, notes: list[str]) -> tuple[np.ndarray, tuple[int, int]]:
    """The upright pixels, and the upload's own (width, height); ``notes`` on what was done are added.

    Raises:
        PhotoError: see :func:`read_photo`.
    """
    try:
        return _decode(data, notes)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError("There is not enough memory for this photo. Make it smaller.", repr(error)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(TOO_MANY_PIXELS, repr(error)) from error
    except UnidentifiedImageError as error:
        raise PhotoError(_what_it_is(data), repr(error)) from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, RuntimeError, …
        raise PhotoError(DAMAGED, repr(error)) from error


def _decode(data: bytes, notes: list[str]) -> tuple[np.ndarray, tuple[int, int]]:
    """The upright pixels, and the upload's own (width, height)."""
    structure.check(data)
    with Image.open(structure.Pieces(data), formats=FORMATS) as image:
        size = image.size
        _check_size(*size)
        structure.check_decoder(image.tile[0][0] if image.tile else "", size[0] * size[1])
        if image.format in ("JPEG", "MPO"):
            structure.check_passes(data, size[0] * size[1])
        # Pillow would load every page of a TIFF to count them, and compare each with all before it.
        frames = structure.pages(data) if image.format == "TIFF" else getattr(image, "n_frames", 1)
        if frames > 1:
            notes.append(f"First frame of {frames}." if image.format != "MPO" else f"First picture of {frames}.")
        image.draft("RGB" if image.mode != "L" else None, (SHOWN, SHOWN))  # JPEG only: decodes at 1/2, 1/4 or 1/8
        # Once and only once: a second load() of a PNG with a wrong checksum "succeeds" with a black picture.
        image.load()
        orientation = _orientation(image)
        picture = _as_rgb(image, notes)
        picture.thumbnail((SHOWN, SHOWN), Image.Resampling.BICUBIC, reducing_gap=2.0)
        if orientation > 1:
            picture = picture.transpose(_UPRIGHT[orientation])
            size = size if orientation < 5 else size[::-1]
            notes.append("Turned upright as its EXIF says.")
        if max(size) > SHOWN:
            notes.append(f"Kept at {picture.width} × {picture.height} of {size[0]} × {size[1]} pixels.")
        return np.asarray(picture), size


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError(TOO_MANY_PIXELS, f"{width}x{height}")
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"The photo is only {width} × {height} pixels; it needs at least {MIN_SIDE} on each side.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PhotoError(
            f"The photo is a strip of {width} × {height} pixels; at most {MAX_ASPECT:.0f} : 1 can be used."
        )


_T = Image.Transpose
_UPRIGHT = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_270,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_90,
}


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 where there is none or it makes no sense; Pillow turns TIFF upright by itself."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # the tag of a damaged EXIF block is no reason to refuse the photo
        return 1
    return value if value in _UPRIGHT else 1


def _as_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Any of Pillow's modes as RGB: depth scaled, transparency laid on white."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_scaled(np.asarray(image), image.mode, notes)).convert("RGB")
    if image.has_transparency_data:
        notes.append("Transparent parts are shown on white.")
        layers = image if image.mode == "RGBA" else image.convert("RGBA")
        layers.thumbnail((2 * SHOWN, 2 * SHOWN), reducing_gap=2.0)
        white = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(white, layers).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # a copy of 40 megapixels is 160 MB


def _scaled(values: np.ndarray, mode: str, notes: list[str]) -> np.ndarray:
    """16-bit, 32-bit and float greys as uint8; a plain convert() would clip them to white or black."""
    if mode.startswith("I;16"):
        return (values // 257).astype(np.uint8)
    step = max(1, max(values.shape) // (2 * SHOWN))  # nobody needs 40 megapixels of float64
    values = values[::step, ::step]
    known = np.isfinite(values)
    values = np.clip(np.where(known, values, 0), 0, None).astype(np.float64)
    top = float(values.max())
    if mode.startswith("I"):
        top = next((full for full in (255.0, 65535.0) if top <= full), top)
    elif top <= 1.0:
        top = 1.0
    notes.append(f"Values were scaled from 0…{top:g}.")
    if not known.all():
        notes.append("Pixels that hold no number are black.")
    return (values / top * 255 + 0.5).astype(np.uint8)


_SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript drawing"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
)
_BROKEN: tuple[bytes, ...] = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\x00", b"MM\x00*")


def _what_it_is(data: bytes) -> str:
    """A sentence about bytes that none of the allowed decoders knows."""
    head = data[:512]
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"):
        return f"HEIC photos cannot be read here. Export it as JPEG; these formats work: {_ALLOWED}."
    if head.startswith(_BROKEN) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return DAMAGED
    kind = next((words for sign, words in _SIGNS if head.startswith(sign)), "")
    if not kind and re.search(rb"<(svg|!doctype svg)", head, re.I):
        kind = "an SVG drawing"
    if not kind and re.search(rb"<(html|!doctype html)", head, re.I):
        kind = "a web page"
    return f"This is {kind or 'not a photo that can be read here'}. These formats work: {_ALLOWED}."


def split_name(name: str) -> tuple[str, str]:
    """The folder a file lay in ("" for none) and its plain name, without control characters, at most 80 long."""
    parts = [_plain(part) for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    return (parts[-2] if len(parts) > 1 else ""), (parts[-1] if parts else "")


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:80].strip()


# -- many at once ------------------------------------------------------------------------------------
def read_many(
    files: Iterable[tuple[str, bytes]], short_side: int = SHOWN
) -> tuple[tuple[Photo, ...], tuple[Refusal, ...]]:
    """Decode a batch of (name, bytes); what cannot be used is listed, the rest goes on.

    Each photo is brought to ``short_side`` before the next is decoded (see :func:`smaller`). At most 200 files are
    taken; the others are refused unread. A ZIP among them is refused (see :func:`read_zip`).
    """
    photos: list[Photo] = []
    refusals: list[Refusal] = []
    for number, (name, data) in enumerate(files):
        if number >= MAX_FILES:
            refusals.append(Refusal(split_name(name)[1], f"Only {MAX_FILES} files are taken at once."))
            continue
        try:
            photos.append(smaller(read_photo(data, name), short_side))
        except PhotoError as error:
            refusals.append(Refusal(split_name(name)[1], str(error)))
    return tuple(photos), tuple(refusals)


def to_bytes(rgb: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """An array as a file for download; made anew from pixels, so it carries no EXIF."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()


def thumbnail(photo: Photo, side: int = 112) -> np.ndarray:
    """The central square of a photo, ``side`` × ``side`` × 3, for a gallery."""
    return np.asarray(ImageOps.fit(Image.fromarray(photo.rgb), (side, side)))


def smaller(photo: Photo, short_side: int) -> Photo:
    """The photo with a short side of at most so many pixels: hundreds of them fit in memory."""
    height, width = photo.rgb.shape[:2]
    factor = short_side / min(height, width)
    if factor >= 1:
        return photo
    size = (round(width * factor), round(height * factor))
    return replace(photo, rgb=np.asarray(Image.fromarray(photo.rgb).resize(size, Image.Resampling.BILINEAR)))


def labelled(photo: Photo, label: str) -> Photo:
    """The same photo in another class."""
    return replace(photo, label=label)
