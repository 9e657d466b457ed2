"""Downloads and archives, each whole or not at all; only the standard library."""

import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from explorer.errors import DataError

CHUNK = 1 << 16
LARGEST = 2 << 30  #: bytes an archive may hold unpacked; CIFAR-10 has 0.2e9
MOST_FILES = 500_000


def download(
    urls: Sequence[str],
    target: Path,
    *,
    expect_bytes: int | None = None,
    md5: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    timeout: float = 20,
    accept_mismatch: bool = False,
) -> Path:
    """Fetch the first address that answers into ``target``, whole or not at all.

    What arrives goes to a temporary file beside ``target``, is checked, and only then takes its place;
    an earlier ``target`` stays until that moment.

    Args:
        urls: http(s) addresses of the same file, tried in order.
        target: where the file shall lie; its folder is made.
        expect_bytes: the file's size, where known.
        md5: its MD5, where known.
        progress: called with the bytes so far and the total, or None where the server does not say.
            May raise, which cancels the download.
        timeout: seconds without a byte after which an address is given up.
        accept_mismatch: keep a complete file of another size or MD5 too; the caller says so on screen.

    Returns:
        ``target``.

    Raises:
        DataError: no address gave the file; the sentence says what to do.
    """
    troubles = []
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise DataError(f"{url} is not a web address. Use one that starts with https://.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _partial_file(target) as (file, partial):
                trouble = _receive(url, file, expect_bytes, md5, progress, timeout, accept_mismatch)
                file.close()  # before the move, which Windows refuses for an open file
                if not trouble:
                    os.replace(partial, target)
                    return target
        except (OSError, HTTPException) as error:
            trouble = str(error) or type(error).__name__
        troubles.append(f"{url}: {trouble}")
    raise DataError(
        f"{target.name} could not be downloaded ({trouble}). Check the network and the disk and try again, "
        f"or get the file elsewhere and put it into the folder that EXPLORER_DATA names.",
        "; ".join(troubles),
    )


@contextmanager
def _partial_file(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """An open temporary file beside ``target`` that is gone afterwards, however the block ends."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, partial
    finally:
        partial.unlink(missing_ok=True)


def _receive(
    url: str,
    file: IO[bytes],
    expect_bytes: int | None,
    md5: str | None,
    progress: Callable[[int, int | None], None] | None,
    timeout: float,
    accept_mismatch: bool,
) -> str:
    """Write what ``url`` sends to ``file``; returns what is wrong with it, or an empty string."""
    request = urllib.request.Request(url, headers={"User-Agent": "lesson7-explorer"})
    digest, done = hashlib.md5(usedforsecurity=False), 0
    with urllib.request.urlopen(request, timeout=timeout) as response:
        said = response.headers.get("Content-Length", "")
        total = int(said) if said.isdigit() else None
        most = LARGEST if accept_mismatch or expect_bytes is None else expect_bytes
        while chunk := response.read(CHUNK):
            done += len(chunk)
            if done > most:
                return f"it has more than the expected {most:,} bytes"
            digest.update(chunk)
            file.write(chunk)
            if progress:
                progress(done, total if total is not None else expect_bytes)
    if total is not None and done < total:
        return f"the connection ended after {done:,} of {total:,} bytes"
    if not done:
        return "it is empty"
    if not accept_mismatch and expect_bytes is not None and done != expect_bytes:
        return f"it has {done:,} bytes, not {expect_bytes:,}"
    if not accept_mismatch and md5 is not None and digest.hexdigest() != md5:
        return f"its MD5 is {digest.hexdigest()}, not {md5}, so it is another file or damaged"
    return ""


class _Limited:
    """A readable file that refuses to give more than ``most`` bytes: no archive swells without end."""

    def __init__(self, file: IO[bytes], most: int, name: str) -> None:
        self.file, self.left, self.name = file, most, name

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(size)
        self.left -= len(piece)
        if self.left < 0:
            raise DataError(f"{self.name} unpacks to an absurd size. Use the course's own archive.")
        return piece


def read_archive(archive: Path, most_bytes: int = LARGEST) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """The regular files of a .tar or .tar.gz in its order, each with its path inside and its open content.

    The content can be read until the next file is asked for. Nothing is written anywhere.

    Raises:
        DataError: the archive is truncated or no archive, or holds a path that leaves the folder, a link,
            a device, or absurd sizes.
    """
    name, files, total = archive.name, 0, 0
    try:
        with open(archive, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            # gzip's own reader, because tarfile's streams do not notice when a .gz ends too early
            stream = _Limited(gzip.GzipFile(fileobj=raw) if packed else raw, most_bytes + (64 << 20), name)
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    path = _checked_path(member, name)
                    files, total = files + 1, total + max(member.size, 0)
                    if total > most_bytes or files > MOST_FILES:
                        raise DataError(f"{name} unpacks to an absurd size. Use the course's own archive.")
                    if member.isreg():
                        yield path, tar.extractfile(member)
                    tar.members.clear()  # tarfile would keep every header it has seen
            while stream.read(CHUNK):  # to the end, where gzip compares its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{name} is damaged or was not downloaded to its end. Delete it and fetch it again.", str(error)
        ) from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.", str(error)) from error


def _checked_path(member: tarfile.TarInfo, archive: str) -> PurePosixPath:
    path, windows = PurePosixPath(member.name), PureWindowsPath(member.name)
    if (
        path.is_absolute()
        or windows.drive
        or windows.root
        or ".." in windows.parts  # windows.parts splits at both kinds of slash
        or any(ord(c) < 32 for c in member.name)
    ):
        raise DataError(
            f"{archive} holds the path {member.name!r}, which leads out of its folder. Nothing was unpacked."
        )
    if not (member.isreg() or member.isdir()):
        kind = "link" if member.issym() or member.islnk() else "device"
        raise DataError(f"{archive} holds a {kind}, {member.name!r}; only files are taken. Nothing was unpacked.")
    return path


def safe_extract(archive: Path, folder: Path, most_bytes: int = LARGEST) -> Path:
    """Unpack ``archive`` so that ``folder`` holds its content: all of it, or nothing at all.

    It is unpacked beside ``folder`` and moved there at the end; a ``folder`` that was there is replaced.

    Returns:
        ``folder``.

    Raises:
        DataError: see :func:`read_archive`; or the disk is full.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    except OSError as error:
        raise DataError(f"{folder.parent} cannot be written: {error.strerror}.", str(error)) from error
    try:
        content = beside / "content"
        content.mkdir()
        for path, file in read_archive(archive, most_bytes):
            to = content / path
            to.parent.mkdir(parents=True, exist_ok=True)
            with open(to, "wb") as out:
                shutil.copyfileobj(file, out, CHUNK)
        if folder.exists():
            folder.rename(beside / "before")
        content.rename(folder)
    except OSError as error:
        raise DataError(
            f"{archive.name} could not be unpacked into {folder}: {error.strerror}. Make room and try again.",
            str(error),
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder
