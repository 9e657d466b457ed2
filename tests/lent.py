"""What the tests of one session, in however many processes, do only once: decode CIFAR-10, for every home."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from explorer.data import cifar10

SESSION = "EXPLORER_TESTS"  # the folder of a session of tests; outside of one nothing is lent


@contextlib.contextmanager
def session() -> Iterator[None]:
    """The folder, from here to the end; of the processes of a session the first one makes and removes it."""
    if os.environ.get(SESSION):
        yield
        return
    os.environ[SESSION] = tempfile.mkdtemp(prefix="explorer-lent-")
    try:
        yield
    finally:
        shutil.rmtree(os.environ.pop(SESSION), ignore_errors=True)


def pictures(home: Path, data: str, decode: bool = True) -> None:
    """Put CIFAR-10 into a home's cache, decoded as this program does it, where the folder ``data`` has the archive.

    ``decode``: if nobody in this session has, do it now.
    """
    archive = Path(data, "cifar10.tgz")
    if not (data and os.environ.get(SESSION) and archive.is_file()):
        return
    kept = Path(os.environ[SESSION], f"cifar10-decoded-{cifar10._stamp(archive)}")
    with _alone(kept.with_suffix(".lock")):
        if not kept.exists():
            if not decode:
                return
            cifar10._store(kept, *cifar10.decode(archive), cifar10._md5(archive))
    (home / "cache").mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (home / "cache" / kept.name).symlink_to(kept)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # there, each process decodes for itself
        yield
        return
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
