"""Files that visitors brought: how much they take, and when they were last used."""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

USED = 24 * 3600.0  # seconds after which a file that is used again is marked so


def size(files: Iterable[Path]) -> int:
    """Bytes of files together; one that is removed meanwhile has none."""
    total = 0
    for path in files:
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def mark_used(path: Path) -> None:
    """Note in its time that a file is used, so that it is kept. Cheap: one look, and a note at most once a day."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > USED:
            os.utime(path)
