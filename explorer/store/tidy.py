"""What is too old, or more than one visitor may keep, makes room: runs with weights, own texts, own weights."""

import contextlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from explorer import limits
from explorer.data import brought, text
from explorer.errors import StorageError
from explorer.store.index import TERMINAL, Run
from explorer.store.store import Store
from explorer.store.words import ENDED
from explorer.training import own_weights

log = logging.getLogger(__name__)

DAY = 24 * 3600.0
EVERY = 3600.0  # seconds between two looks of a server
ALL = 1_000_000  # runs that are looked at


@dataclass(frozen=True)
class Tidied:
    """What was removed."""

    runs: int = 0
    texts: int = 0
    weights: int = 0


def tidy(store: Store, now: float | None = None) -> Tidied:
    """Remove what the limits say, and for good what its owner removed an hour ago and more.

    Runs of the terminal, and those at work, stay; starred ones go last, and not of age.

    Raises:
        StorageError: the record of runs cannot be read or written.
    """
    moment = time.time() if now is None else now
    allowed = limits.now()
    store.purge()
    texts = _unused(text.own_files(), moment, allowed.text_days)
    weights = _unused(own_weights.files(), moment, allowed.text_days)
    runs = [run for run in store.runs(limit=ALL) if run.owner != TERMINAL and run.state in ENDED]
    old = [run for run in runs if allowed.run_days and not run.star and moment - run.updated > allowed.run_days * DAY]
    kept = [run for run in runs if run not in old]
    for run in [*old, *_beyond(store, kept, 1_000_000 * allowed.disk_mb)]:
        store.delete(run.id)
        old.append(run)
    removed = len({run.id for run in old})
    if removed or texts or weights:
        log.info("tidied: %d runs, %d texts, %d weights of visitors' own", removed, texts, weights)
    return Tidied(removed, texts, weights)


def _beyond(store: Store, runs: list[Run], most: int) -> list[Run]:
    """Runs for which their owners have no room: starred ones have it first, then the newest.

    One that alone is too large for what is left makes room for older ones, which may be small.
    """
    too_many: list[Run] = []
    for owner in {run.owner for run in runs} if most else ():
        taken = text.kept_by(owner) + own_weights.kept_by(owner)
        mine = [run for run in runs if run.owner == owner]  # the newest first
        for run in sorted(mine, key=lambda run: not run.star):
            size = brought.size(store.weights(run.id).parent.glob("*"))
            if size and taken + size > most:
                too_many.append(run)
            else:
                taken += size
    return too_many


def _unused(files: Iterable[Path], now: float, days: int) -> int:
    """Remove what visitors brought and nobody has used for so long; how many there were."""
    removed = 0
    for path in files if days else ():
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > days * DAY:
                path.unlink()
                removed += 1
    return removed


def keep_tidy(store: Store) -> None:
    """One look, which tells the log and not its caller what went wrong."""
    try:
        tidy(store)
    except StorageError as error:
        log.warning("could not tidy up: %s (%s)", error, error.detail)
    except Exception:  # whoever calls goes on to the next look, whatever was in the way of this one
        log.exception("could not tidy up")
