"""A ZIP of photos from a stranger: its entries one after the other, none unpacked before it is known to be harmless."""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from explorer.data.photos import DAMAGED, MAX_BYTES, MAX_FILES, SHOWN, Photo, Refusal, read_many, split_name
from explorer.errors import PhotoError

MAX_ZIP_BYTES = 200_000_000
MAX_ZIP_DIRECTORY = 2_000_000  #: bytes of a ZIP's table of contents; some 20,000 entries
MAX_UNPACKED = 400_000_000  #: bytes unpacked from one ZIP in all, or read from it: entries may lie in the same place
_BROKEN = (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, RuntimeError, zlib.error)
MAX_RATIO = 100  #: unpacked over packed; photos are compressed already, so an honest one is near 1


def read_zip(data: bytes, short_side: int = SHOWN) -> tuple[tuple[Photo, ...], tuple[Refusal, ...]]:
    """Decode the photos in a ZIP, in memory; ``oak/1.jpg`` gives a photo with the label ``oak``.

    ``short_side``: as in :func:`read_many`.

    Refused one by one: paths that leave the archive, links, encrypted entries, ZIPs inside, entries over 20 MB,
    packed more than 100 : 1 or by anything but deflate. Folders, hidden files and macOS's own entries are passed over.

    Raises:
        PhotoError: not a ZIP, damaged, larger than 200 MB, or with an absurd table of contents.
    """
    if len(data) > MAX_ZIP_BYTES:
        raise PhotoError(f"The ZIP is larger than {MAX_ZIP_BYTES // 1_000_000} MB.")
    _check_directory(data)
    refusals: list[Refusal] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            photos, refused = read_many(_entries(archive, refusals), short_side)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise PhotoError("The ZIP is damaged. Pack it again and try once more.", repr(error)) from error
    return photos, (*refusals, *refused)


def _check_directory(data: bytes) -> None:
    """Refuse, before Python builds a list of it, a table of contents that is missing, huge or ZIP64."""
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - 65557))
    if at < 0 or at + 22 > len(data):
        raise PhotoError("This is not a ZIP archive, or it is cut short.")
    (directory,) = struct.unpack_from("<I", data, at + 12)
    if directory > MAX_ZIP_DIRECTORY or data[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        raise PhotoError(f"The ZIP has too many entries; at most {MAX_FILES} photos are taken at once.")


def _entries(archive: zipfile.ZipFile, refusals: list[Refusal]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the entries worth decoding; the others are added to ``refusals``."""
    unpacked = 0
    for entry in archive.infolist():
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        if not parts or entry.is_dir() or any(map(_is_no_photo, parts)):
            continue
        if unpacked + entry.file_size > MAX_UNPACKED:
            refusals.append(
                Refusal(split_name(entry.filename)[1], "The ZIP unpacks to too much; the rest is left out.")
            )
            return
        if reason := _why_not(entry, parts):
            refusals.append(Refusal(split_name(entry.filename)[1], reason))
            continue
        unpacked += max(entry.file_size, entry.compress_size)  # whether or not it comes to anything
        try:
            content = _unpack(archive, entry)
        except _BROKEN:
            refusals.append(Refusal(split_name(entry.filename)[1], DAMAGED))
            continue
        yield entry.filename, content


def _is_no_photo(part: str) -> bool:
    """Whether a folder or file is what systems leave behind: hidden, or macOS's and Windows' own."""
    return (part.startswith(".") and part != "..") or part in ("__MACOSX", "Thumbs.db")


def _why_not(entry: zipfile.ZipInfo, parts: tuple[str, ...]) -> str:
    """Why an entry is refused before a byte of it is unpacked; "" when it is not."""
    if ".." in parts or entry.filename.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", entry.filename):
        return "Its path leads out of the ZIP."
    if (entry.external_attr >> 16) & 0o170000 == 0o120000:
        return "It is a link, not a photo."
    if entry.flag_bits & 0x1:
        return "It is encrypted."
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks all that it has read of the other kinds at once: gigabytes, from four kilobytes.
        return "It is packed in a way that is not read here. Pack the ZIP again, in the usual way."
    if entry.file_size > MAX_BYTES:
        return f"The file is larger than {MAX_BYTES // 1_000_000} MB."
    if entry.file_size > MAX_RATIO * max(entry.compress_size, 1) + 10_000:
        return "It is packed far too tightly for a photo."
    if parts and parts[-1].lower().endswith((".zip", ".7z", ".rar", ".gz", ".tar", ".tgz")):
        return "Archives inside a ZIP are not opened."
    return ""


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The entry's bytes; never more than it declared, packed or unpacked, whatever the stream says."""
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size)
        if stream.read(1):
            raise zipfile.BadZipFile("longer than declared")
    return content


# -- out again ---------------------------------------------------------------------------------------
