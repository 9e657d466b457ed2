"""Files that are written, downloaded or unpacked whole or not at all; only the standard library."""

import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING, cast
from urllib.error import HTTPError

from explorer.data import published
from explorer.data.partial import Partial
from explorer.errors import DataError, StorageError

if TYPE_CHECKING:
    import gzip
    import tarfile

CHUNK = 1 << 16
LARGEST = 2 << 30  #: bytes a file may have, or an archive may hold unpacked; CIFAR-10 has 0.2e9
MOST_FILES = 500_000

Progress = Callable[[int, int | None], object]
"""Told the bytes so far, and in all where the server says; may raise, which cancels the download."""

Told = Callable[[str], object]
"""Told, once a file is here, what it was held against: its size, and the MD5 that its source publishes or not."""


# -- whole or not at all -------------------------------------------------------------------------------


@contextmanager
def replacing(target: Path, lasting: bool = True) -> Iterator[IO[bytes]]:
    """A file to write beside ``target``, which takes its place when the block ends well and is gone if it does not.

    An earlier ``target`` stays until that moment; its folder is made. Raises OSError as the disk does.

    Args:
        target: the file.
        lasting: wait until the disk has it, so that it outlives a power cut and not only this process.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")  # others may write the same file
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        beside.replace(target)  # after it is closed: Windows does not move an open file
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """As :func:`replacing`, for a folder: an empty one beside ``target`` to be filled."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        (beside / "content").mkdir()
        yield beside / "content"
        if target.exists():
            target.rename(beside / "before")
        (beside / "content").rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_whole(path: Path, content: bytes, lasting: bool = True) -> None:
    """Replace ``path`` by ``content`` in one move; on any failure the old file is as it was.

    ``lasting``: see :func:`replacing`.

    Raises:
        StorageError: the disk is full or not writable.
    """
    try:
        with replacing(path, lasting) as file:
            file.write(content)
    except OSError as error:
        raise StorageError(
            f"{path.name} could not be saved: {error.strerror or error}. Free some space there, or allow writing.",
            str(error),
        ) from error


def check_writable(path: Path) -> None:
    """Find out whether :func:`write_whole` could write ``path``; what is there stays, its folder is made.

    Raises:
        StorageError: it could not.
    """
    try:
        if not path.name or path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".partial"):
            pass
    except OSError as error:
        raise StorageError(
            f"Nothing can be saved as {str(path)!r}: {error.strerror or error}. Give another file name.", str(error)
        ) from error


# -- downloads -----------------------------------------------------------------------------------------


class _Wrong(Exception):
    """What arrived from one address is not the file."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str = "",
    check: Callable[[Path], object] | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
    timeout: float = 20,
) -> Path:
    """Fetch the first address that answers into ``target``, whole or not at all.

    What arrives is checked beside ``target``, and only then takes its place; an earlier one stays until that moment.
    Its size and MD5 must be those that the source publishes, where it does.

    Args:
        urls: http(s) addresses of the same file, tried in order.
        target: where the file shall lie; its folder is made.
        sha256: the first digits of the file's SHA-256, where known.
        check: looks into what has arrived; raises DataError to refuse it.
        progress: see :data:`Progress`.
        told: see :data:`Told`.
        timeout: seconds without a byte after which an address is given up.

    Returns:
        ``target``.

    Raises:
        DataError: no address gave the file; the sentence says what to do. And what ``check`` raises.
    """
    troubles = []
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise DataError(f"{url} is not a web address. Use one that starts with https://.")
        try:
            with replacing(target) as file:
                held = _receive(url, file, sha256, progress, timeout, Partial(target))
                file.flush()
                if check:
                    check(Path(file.name))
            if told:
                told(held)
            return target
        except (OSError, HTTPException, _Wrong) as error:
            trouble = str(error) or type(error).__name__
        troubles.append(f"{url}: {trouble}")
    raise DataError(
        f"{target.name} could not be downloaded ({trouble}). Check the network and the disk and try again, "
        f"or get the file elsewhere and put it into the folder that EXPLORER_DATA names.",
        "; ".join(troubles),
    )


def _receive(
    url: str, file: IO[bytes], sha256: str, progress: Progress | None, timeout: float, partial: Partial
) -> str:
    """Write what ``url`` sends to ``file``; _Wrong when it is too much, too little or another file. What it was held
    against, in a sentence.

    What an earlier try had received is taken from ``partial``, and what this one has, should it end early, goes there.
    """
    digest, md5, done, total, etag = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0, None, ""
    theirs = ""  # the MD5 that the source publishes

    def take(chunk: bytes) -> None:
        nonlocal done
        done += len(chunk)
        if done > LARGEST:
            raise _Wrong(f"it has more than {LARGEST:,} bytes")
        digest.update(chunk)
        md5.update(chunk)
        file.write(chunk)

    request = urllib.request.Request(url, headers={"User-Agent": "lesson7-explorer", **partial.ask(url)})
    try:
        with _opened(request, timeout, partial) as response:
            etag, said = response.headers.get("ETag", ""), response.headers.get("Content-Length", "")
            theirs = published.md5(dict(response.headers), whole=response.status != 206)
            if response.status == 206:  # only the rest comes
                with partial.open() as earlier:
                    while chunk := earlier.read(CHUNK):
                        take(chunk)
            total = done + int(said) if said.isdigit() else None
            while chunk := response.read(CHUNK):
                take(chunk)
                if progress:
                    progress(done, total)
    finally:
        file.flush()
        if total is not None and 0 < done < total:
            partial.keep(url, etag, Path(file.name))
        elif done:
            partial.forget()
    if total is not None and done < total:
        raise _Wrong(f"the connection ended after {done:,} of {total:,} bytes")
    if not done:
        raise _Wrong("it is empty")
    if not digest.hexdigest().startswith(sha256):
        raise _Wrong(f"its SHA-256 begins with {digest.hexdigest()[:16]}, not {sha256}: it is another file, or damaged")
    if theirs and md5.hexdigest() != theirs:
        raise _Wrong(f"its MD5 is {md5.hexdigest()}, and its source publishes {theirs}: it was damaged on the way")
    if theirs:
        return f"{done:,} bytes, with the MD5 that their source publishes ({theirs})."
    size = "as many as their source says" if total is not None else "their source says not how many"
    return f"{done:,} bytes, {size}; it publishes no MD5, theirs is {md5.hexdigest()}."


def _opened(request: urllib.request.Request, timeout: float, partial: Partial) -> HTTPResponse:
    """The server's answer; where it knows no such rest, what was kept is forgotten for the next try."""
    try:
        return cast(HTTPResponse, urllib.request.urlopen(request, timeout=timeout))
    except HTTPError as error:
        if error.code == 416:
            partial.forget()
        raise


# -- archives ------------------------------------------------------------------------------------------


class _Limited:
    """A readable file that refuses to give more than ``most`` bytes: no archive swells without end.

    It has the one method that reading a stream asks for.
    """

    def __init__(self, file: "IO[bytes] | gzip.GzipFile", most: int, name: str) -> None:
        self.file, self.left, self.name = file, most, name

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(size)
        self.left -= len(piece)
        if self.left < 0:
            raise DataError(f"{self.name} unpacks to an absurd size. Use the course's own archive.")
        return piece


def _small(stream: IO[bytes], size: int) -> IO[bytes]:
    """The next ``size`` bytes of an archive, where the content of a small file is."""
    import tarfile

    content = stream.read(size)
    if len(content) < size:
        raise tarfile.ReadError("unexpected end of data")
    return io.BytesIO(content)


_PLAIN = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)  # a path that leads nowhere else, on any system


def read_archive(archive: Path, most_bytes: int = LARGEST) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """The regular files of a .tar or .tar.gz in its order, each with its path inside and its open content.

    The content can be read until the next file is asked for. Nothing is written anywhere.

    Raises:
        DataError: the archive is truncated or no archive, or holds a path that leaves the folder, a link,
            a device, or absurd sizes.
    """
    import gzip
    import tarfile

    from explorer.data.headers import Header

    name, files, total = archive.name, 0, 0
    try:
        with open(archive, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            # gzip's own reader, because tarfile's streams do not notice when a .gz ends too early
            stream = _Limited(gzip.GzipFile(fileobj=raw) if packed else raw, most_bytes + (64 << 20), name)
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", tarinfo=Header) as tar:
                for member in tar:
                    path = _checked_path(member, name)
                    files, total = files + 1, total + max(member.size, 0)
                    if total > most_bytes or files > MOST_FILES:
                        raise DataError(f"{name} unpacks to an absurd size. Use the course's own archive.")
                    if member.type == tarfile.REGTYPE and member.size <= CHUNK and not member.issparse():
                        yield (
                            path,
                            _small(cast(IO[bytes], tar.fileobj), member.size),
                        )  # as extractfile, at a fraction of the cost
                    elif member.isreg() and (content := tar.extractfile(member)):
                        yield path, content
                    # It would keep every header it has seen.
                    tar.members.clear()  # type: ignore[attr-defined]  # known to tarfile, not to its stub
            while stream.read(CHUNK):  # to the end, where gzip compares its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{name} is damaged or was not downloaded to its end. Delete it and fetch it again.", str(error)
        ) from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.", str(error)) from error


def _checked_path(member: "tarfile.TarInfo", archive: str) -> PurePosixPath:
    if member.type in (b"0", b"5") and _PLAIN.fullmatch(member.name):  # a file or a folder
        return PurePosixPath(member.name)
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
