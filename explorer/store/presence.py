"""Which servers are alive: each holds a lock that the system takes away when it ends, however it ends.

A process number says less: after a restart another program may have it, in two containers it means two things. Between
machines a lock may not be seen, as disks that are shared over a network differ in that. So a server also says which
machine it is on, and shows that it lives every few seconds.
"""

import contextlib
import functools
import os
import secrets
import socket
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO
from weakref import WeakSet

BEAT = 5.0  # seconds between two signs of life
SILENT = 30.0  # seconds after the last one from another machine, after which a server counts as dead


class Presence:
    """A server's sign of life in a folder that several share: ``<name>.lock``, locked as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: tuple[str, BinaryIO] | None = None
        self._lock = threading.Lock()

    def announce(self) -> str:
        """This server's name, under which others see it from now on; the same every time.

        Raises:
            OSError: the folder cannot be written.
        """
        with self._lock:
            while self._held is None or not self._path(self._held[0]).exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                for path in self.folder.glob("*.lock"):
                    self.alive(path.stem)  # if not, it is removed
                name = secrets.token_hex(8)
                file = self._path(name).open("wb")
                with contextlib.suppress(BlockingIOError):  # somebody tidies up just now: another name, then
                    _lock(file)
                    file.write(machine().encode())
                    file.flush()
                    self._held = name, file
            _beat_for(self)
            return self._held[0]

    def alive(self, name: str) -> bool:
        """Whether the server of that name still lives. What a dead one left is removed."""
        try:
            file = self._path(name).open("r+b")
        except FileNotFoundError:
            return False
        except OSError:
            return True  # it cannot be told: leave its runs alone
        with file:
            try:
                _lock(file)
            except OSError:
                return True
            with contextlib.suppress(OSError):  # while it is locked, so that nobody takes it up meanwhile
                if self._beats(file):
                    return True
                self._path(name).unlink()
        return False

    def beat(self) -> None:
        """Show that this server lives."""
        with self._lock, contextlib.suppress(OSError):
            if self._held is not None:
                os.utime(self._path(self._held[0]))

    def _beats(self, file: BinaryIO) -> bool:
        """Whether it is another machine's, whose lock may not be seen here, and has shown a sign of life lately."""
        there = file.read().decode(errors="replace")
        return there not in ("", machine()) and self._now() - os.fstat(file.fileno()).st_mtime < SILENT

    def _now(self) -> float:
        """By the clock of the disk, where it can be asked: a machine's own may be wrong."""
        own = self._held  # without the lock, which announcing holds
        if own is not None:
            with contextlib.suppress(OSError):
                os.utime(self._path(own[0]))
                return self._path(own[0]).stat().st_mtime
        return time.time()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.lock"


@functools.cache
def machine() -> str:
    """This machine since it was started; containers on it are the same one, as they see each other's locks."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()}-{secrets.token_hex(4)}" if sys.platform == "linux" else socket.gethostname()


_beating: WeakSet[Presence] = WeakSet()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def _beat_for(presence: Presence) -> None:
    """Have the one thread of this process that does so show that this server lives."""
    global _thread
    with _starting:
        _beating.add(presence)
        if _thread is None:
            with contextlib.suppress(RuntimeError):  # no thread is left: on one machine the locks say it
                _thread = threading.Thread(target=_beat, name="beat", daemon=True)
                _thread.start()


def _beat() -> None:
    while True:
        time.sleep(BEAT)
        with _starting:
            alive = list(_beating)
        for presence in alive:
            presence.beat()


def _lock(file: BinaryIO) -> None:
    """Lock it for this process alone; OSError when another has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
