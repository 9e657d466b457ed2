"""Which servers are alive: each holds a lock that the system takes away when it ends, however it ends.

A process number says less: after a restart another program may have it, in two containers it means two things.
"""

import contextlib
import secrets
import sys
import threading
from pathlib import Path
from typing import BinaryIO


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
                    self._held = name, file
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
                self._path(name).unlink()
        return False

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.lock"


def _lock(file: BinaryIO) -> None:
    """Lock it for this process alone; OSError when another has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
