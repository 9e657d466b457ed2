"""What one visitor may take of a server: settings of whoever runs it, with values that suit a class of thirty.

They come from the environment (``EXPLORER_…``); what a teacher changes on the teacher's page goes before, and lies in a
file in the server's home, so that it holds after a restart and for every server there.
"""

import dataclasses
import functools
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer import paths
from explorer.errors import SettingsError

log = logging.getLogger(__name__)

STALE = 5.0  # seconds after which the file is looked at again: another server may have changed it


def _limit(default: int, label: str, help: str, low: int, high: int) -> Any:
    return field(default=default, metadata={"label": label, "help": help, "low": low, "high": high})


@dataclass(frozen=True)
class Limits:
    """The table. A limit that may be 0 is off then."""

    workers: int = _limit(
        1,
        "Runs at once",
        "Runs that train at the same time; the others take turns. Read when the server starts.",
        1,
        64,
    )
    turn_seconds: int = _limit(
        20, "A turn, seconds", "How long a run trains before the next in the queue has its turn.", 1, 3600
    )
    run_minutes: int = _limit(
        60, "Longest run, minutes", "Minutes a job may run, pauses and waiting left out; 0 sets no end.", 0, 10_000
    )
    jobs_each: int = _limit(6, "Jobs of one visitor", "Jobs of one visitor that run, pause or wait at once.", 1, 1000)
    sweep_cells: int = _limit(
        100, "Cells of a sweep", "Cells of a sweep that a page begins; the terminal takes up to 1,000.", 1, 1000
    )
    jobs: int = _limit(200, "Jobs on the server", "Jobs of everybody that run, pause or wait at once.", 1, 100_000)
    lease_minutes: int = _limit(
        15, "Unwatched, minutes", "Minutes without a page that looks on, after which a job stops.", 1, 10_000
    )
    disk_mb: int = _limit(
        500,
        "Disk of one visitor, MB",
        "Weights and own texts of one visitor; the oldest runs make room; 0: any.",
        0,
        10**7,
    )
    run_days: int = _limit(
        60, "Runs kept, days", "Days after which a run and its weights are removed; 0: never.", 0, 36_500
    )
    text_days: int = _limit(
        30, "Own texts and weights, days", "Days after their last use that they are removed; 0: never.", 0, 36_500
    )

    preset: str = ""  #: the settings that a page opens with, by a preset's name, where its rung has one of that name

    def check(self) -> "Limits":
        """Itself, if every value is in its range.

        Raises:
            SettingsError: one is not.
        """
        for name, limit in TABLE.items():
            value, low, high = getattr(self, name), limit["low"], limit["high"]
            if not (isinstance(value, int) and low <= value <= high):
                raise SettingsError(f"{limit['label']} must be a whole number from {low} to {high:,}.")
        if not isinstance(self.preset, str) or len(self.preset) > 40:
            raise SettingsError("The class's preset is a preset's name.")
        return self


TABLE: dict[str, Any] = {f.name: f.metadata for f in dataclasses.fields(Limits) if f.metadata}


def variable(name: str) -> str:
    """The environment variable of a limit."""
    return f"EXPLORER_{name.upper()}"


def from_environment() -> Limits:
    """What the environment says; what is no value of a limit is left at its default, with a line in the log."""
    found = Limits(preset=os.environ.get("EXPLORER_PRESET", "").strip()[:40])
    for name in TABLE:
        if word := os.environ.get(variable(name), "").strip():
            try:
                found = dataclasses.replace(found, **{name: int(word)}).check()  # type: ignore[arg-type]
            except (ValueError, SettingsError) as error:
                _warn(f"{variable(name)} is {word!r} and is ignored: {error}")
    return found


@functools.lru_cache(maxsize=64)
def _warn(line: str) -> None:
    """A line in the log, once: what it is about is read again every few seconds."""
    log.warning("%s", line)


def full(owner: str, owners: Sequence[str]) -> str:
    """Why no more jobs of an owner's are taken in, in a sentence; "" where they are. ``owners``: of those there are."""
    each, most = now().jobs_each, now().jobs
    if owner and owners.count(owner) >= each:
        return f"{each} jobs of yours run, pause or wait already. Stop one, or let it end, and start this again."
    if len(owners) >= most:
        return f"This server has as many jobs as it takes ({most}). Start this again in a few minutes."
    return ""


_lock = threading.Lock()
_known: tuple[float, Path, Limits] | None = None  # when it was last looked at, where, and what it said


def now() -> Limits:
    """What holds now. Cheap: the file is looked at once in a few seconds."""
    global _known
    moment, known = time.monotonic(), _known
    if known is not None and moment - known[0] < STALE:
        return known[2]
    with _lock:
        path = _path()
        found = from_environment()
        for name, value in _changed(path).items():
            try:
                found = dataclasses.replace(found, **{name: value}).check()
            except (TypeError, SettingsError) as error:
                _warn(f"{path}: {name} is ignored: {error}")
        _known = (moment, path, found)
        return found


def change(**values: int | str) -> Limits:
    """Set limits for everybody on the servers with this home, from now on.

    Raises:
        SettingsError: a value is out of range; nothing has changed. OSError: the file cannot be written.
    """
    dataclasses.replace(now(), **values).check()  # type: ignore[arg-type]
    path = _path()
    with _lock:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        partial.write_text(json.dumps(_changed(path) | values, indent=1))
        partial.replace(path)
    forget()
    return now()


def reset() -> Limits:
    """Take back what a teacher changed: the environment says again what holds."""
    _path().unlink(missing_ok=True)
    forget()
    return now()


def forget() -> None:
    """Look at the file and the environment again the next time."""
    global _known
    _known = None


def _path() -> Path:
    return paths.home() / "limits.json"


def _changed(path: Path) -> dict[str, Any]:
    """What a teacher changed; nothing where there is no such file, or it is none."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return (
        {name: value for name, value in found.items() if name in TABLE or name == "preset"}
        if isinstance(found, dict)
        else {}
    )
