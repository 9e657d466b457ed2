"""Runs on disk: an SQLite index with every metric, weights beside it; written as the run goes."""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explorer import paths
from explorer.errors import StorageError
from explorer.experiment import Experiment
from explorer.history import COLUMNS, EpochRow, Mark, Snapshot

_IMPORTED = time.time()  # this process has written nothing before
WAIT = 10.0  # seconds for another process to finish writing

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, owner TEXT, kind TEXT, title TEXT, experiment TEXT, state TEXT, message TEXT,
    device TEXT, source TEXT, created REAL, updated REAL, process INTEGER);
CREATE TABLE IF NOT EXISTS steps (
    run TEXT, {", ".join(f"{name} REAL" for name in COLUMNS)}, PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epochs (run TEXT, epoch INTEGER, row TEXT, PRIMARY KEY (run, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (run TEXT, step INTEGER, text TEXT);
CREATE INDEX IF NOT EXISTS marks_of ON marks (run);
"""


@dataclass(frozen=True)
class Run:
    """One line of the index."""

    id: str
    owner: str
    kind: str
    title: str
    experiment: Experiment
    state: str
    message: str
    device: str
    source: str
    created: float
    updated: float


class Store:
    """The runs under one folder. Every thread has its own connection; writers never block readers (WAL)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.home() / "runs"
        self._local = threading.local()
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._connection().executescript(_SCHEMA)
            self._connection().commit()
        self._settle_orphans()

    def _connection(self) -> sqlite3.Connection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.folder / "runs.sqlite3", timeout=WAIT)
            _use_wal(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = connection
        return connection

    def _writing(self) -> "_Writing":
        return _Writing()

    def _settle_orphans(self) -> None:
        """Runs whose process is gone were cut off: say so."""
        with self._writing():
            rows = self._connection().execute(
                "SELECT id, process, updated FROM runs WHERE state IN ('queued', 'running', 'paused', 'stopping')"
            )
            unsettled = rows.fetchall()
        for run, process, updated in unsettled:
            # In a container a restarted server often has its predecessor's number.
            if not _alive(process) or (process == os.getpid() and updated < _IMPORTED):
                self.settle(run, "stopped", "The server ended while this ran; what it had recorded is here.")

    def begin(self, run: Run) -> None:
        """Enter a run into the index."""
        with self._writing():
            values = asdict(run) | {"experiment": run.experiment.to_json(), "process": os.getpid()}
            names = ", ".join(values)
            marks = ", ".join("?" * len(values))
            with self._connection() as connection:
                connection.execute(f"INSERT OR REPLACE INTO runs ({names}) VALUES ({marks})", [*values.values()])

    def append(self, run: str, rows: np.ndarray, epochs: Sequence[EpochRow] = (), marks: Sequence[Mark] = ()) -> None:
        """Add metrics: rows of (rows, columns), finished epochs, marks."""
        with self._writing(), self._connection() as connection:
            places = ", ".join("?" * (len(COLUMNS) + 1))
            connection.executemany(
                f"INSERT OR REPLACE INTO steps VALUES ({places})", ([run, *row] for row in rows.tolist())
            )
            connection.executemany(
                "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)",
                [(run, row.epoch, json.dumps(asdict(row))) for row in epochs],
            )
            connection.executemany(
                "INSERT INTO marks VALUES (?, ?, ?)", [(run, mark.step, mark.text) for mark in marks]
            )
            connection.execute("UPDATE runs SET updated = ? WHERE id = ?", (time.time(), run))

    def settle(self, run: str, state: str, message: str = "") -> None:
        """Record a run's state."""
        with self._writing(), self._connection() as connection:
            connection.execute(
                "UPDATE runs SET state = ?, message = ?, updated = ? WHERE id = ?",
                (state, message, time.time(), run),
            )

    def runs(self, owner: str | None = None, limit: int = 200) -> list[Run]:
        """The newest runs first; those of one owner, or everybody's."""
        where, values = ("WHERE owner = ?", [owner]) if owner is not None else ("", [])
        return self._select(f"{where} ORDER BY created DESC LIMIT {int(limit)}", values)

    def run(self, run: str) -> Run | None:
        """One run, or None."""
        found = self._select("WHERE id = ?", [run])
        return found[0] if found else None

    def _select(self, where: str, values: list[Any]) -> list[Run]:
        names = ", ".join(Run.__dataclass_fields__)
        runs = []
        for row in self._connection().execute(f"SELECT {names} FROM runs {where}", values):
            fields = dict(zip(Run.__dataclass_fields__, row, strict=True))
            runs.append(Run(**fields | {"experiment": Experiment.from_json(fields["experiment"])}))
        return runs

    def history(self, run: str) -> Snapshot:
        """Everything recorded of a run."""
        connection = self._connection()
        rows = connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM steps WHERE run = ? ORDER BY step", [run]
        ).fetchall()
        table = np.array(rows, np.float64).reshape(len(rows), len(COLUMNS))
        epochs = connection.execute("SELECT row FROM epochs WHERE run = ? ORDER BY epoch", [run])
        marks = connection.execute("SELECT step, text FROM marks WHERE run = ? ORDER BY step", [run])
        return Snapshot(
            {name: table[:, i] for i, name in enumerate(COLUMNS)},
            tuple(EpochRow(**json.loads(row)) for (row,) in epochs),
            tuple(Mark(*mark) for mark in marks),
        )

    def delete(self, run: str) -> None:
        """Remove a run, its metrics and its weights."""
        with self._writing():
            with self._connection() as connection:
                for table, column in (("runs", "id"), ("steps", "run"), ("epochs", "run"), ("marks", "run")):
                    connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [run])
            for which in ("best", "final"):
                self.weights(run, which).unlink(missing_ok=True)

    def weights(self, run: str, which: str = "final") -> Path:
        """Where a run's weights lie ("best" or "final"); the file may be absent."""
        return self.folder / run / f"{which}.safetensors"


class _Writing:
    """Turns a failing disk into a sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if type(error) is sqlite3.DatabaseError:
            raise StorageError(
                "The record of runs is damaged and cannot be used. Move runs.sqlite3 away; training itself goes on.",
                str(error),
            ) from error
        if isinstance(error, (sqlite3.OperationalError, OSError)):
            raise StorageError(
                "The run could not be recorded on disk. Free some space; training itself goes on.", str(error)
            ) from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """Write beside readers. Where two processes switch a new file at once SQLite does not wait by itself."""
    end = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.02)


def _alive(process: int | None) -> bool:
    if not process:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True
