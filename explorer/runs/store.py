"""Runs on disk: an SQLite index with every metric, weights beside it; written as the run goes."""

import contextlib
import errno
import json
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from explorer import paths
from explorer.errors import ExplorerError, StorageError
from explorer.experiment import Experiment
from explorer.runs.history import COLUMNS, EpochRow, Mark, Snapshot
from explorer.runs.presence import Presence
from explorer.runs.words import ENDED, Kind, State

log = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-z]{1,40}")  # what a run's id looks like: it names a folder, and comes from links
WAIT = 10.0  # seconds for another process to finish writing
IDLE = 4  # connections kept open for the next who asks

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, owner TEXT, kind TEXT, title TEXT, experiment TEXT, state TEXT, message TEXT,
    device TEXT, source TEXT, created REAL, updated REAL, process INTEGER, server TEXT);
CREATE TABLE IF NOT EXISTS steps (
    run TEXT, {", ".join(f"{name} REAL" for name in COLUMNS)}, PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epochs (run TEXT, epoch INTEGER, row TEXT, PRIMARY KEY (run, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (run TEXT, step INTEGER, text TEXT);
CREATE INDEX IF NOT EXISTS marks_of ON marks (run);
"""


class Which(StrEnum):
    """Which of a run's weights."""

    BEST = "best"  #: of the epoch that validated best
    FINAL = "final"  #: of its last step


def cycle(number: int) -> str:
    """Which weights: those at the end of a cycle of the rate, counted from 0."""
    return f"cyc{number}"


@dataclass(frozen=True)
class Run:
    """One line of the index."""

    id: str
    owner: str
    kind: Kind
    title: str
    experiment: Experiment
    state: State
    message: str
    device: str
    source: str
    created: float
    updated: float


class Store:
    """The runs under one folder. Writers never block readers (WAL); any thread and any process may do both.

    It is opened at the first use, and again when its file was deleted or moved away. Every method raises StorageError,
    with a sentence, where the folder cannot be used, and works again once it can.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.home() / "runs"
        self._presence = Presence(self.folder / "servers")
        self._idle: list[tuple[sqlite3.Connection, tuple[int, int]]] = []
        self._settled = False

    # -- connections -------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _in_words("The record of runs cannot be read"), self._connection() as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction, undone if anything goes wrong."""
        with _in_words("The run could not be recorded on disk"), self._connection() as connection, connection:
            yield connection

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection to the file that lies there now, nobody else's meanwhile."""
        connection, file = self._take() or self._open()
        try:
            yield connection
        finally:
            self._idle.append((connection, file))
            while len(self._idle) > IDLE:
                with contextlib.suppress(IndexError):  # another thread does the same
                    self._idle.pop(0)[0].close()

    def _take(self) -> tuple[sqlite3.Connection, tuple[int, int]] | None:
        """An open connection that nobody uses, unless the file was deleted or moved since."""
        while True:
            try:
                connection, file = self._idle.pop()
            except IndexError:
                return None
            if file == _identity(self.path):
                return connection, file
            _ABANDONED.append(connection)

    def _open(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        self.folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=WAIT, check_same_thread=False)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        if "server" not in [column[1] for column in connection.execute("PRAGMA table_info(runs)")]:
            with contextlib.suppress(sqlite3.OperationalError):  # another process is quicker
                connection.execute("ALTER TABLE runs ADD COLUMN server TEXT")
        connection.commit()
        return connection, _identity(self.path)

    @property
    def path(self) -> Path:
        """The file with the index and the metrics."""
        return self.folder / "runs.sqlite3"

    # -- writing -----------------------------------------------------------------------------------
    def begin(self, run: Run) -> None:
        """Enter a run into the index."""
        with self._writing() as connection:
            values = _values(run) | {"process": os.getpid(), "server": self._presence.announce()}
            names, marks = ", ".join(values), ", ".join("?" * len(values))
            connection.execute(f"INSERT OR REPLACE INTO runs ({names}) VALUES ({marks})", [*values.values()])

    def update(self, run: Run) -> bool:
        """Write a run's line anew; False if it is not in the index any more."""
        with self._writing() as connection:
            values = _values(run) | {"updated": time.time()}
            changes = ", ".join(f"{name} = ?" for name in values)
            done = connection.execute(f"UPDATE runs SET {changes} WHERE id = ?", [*values.values(), run.id])
            return done.rowcount > 0

    def append(self, run: str, rows: np.ndarray, epochs: Sequence[EpochRow] = (), marks: Sequence[Mark] = ()) -> bool:
        """Add metrics: rows of (rows, columns), finished epochs, marks. False, and nothing, if the run was deleted."""
        with self._writing() as connection:
            if not connection.execute("UPDATE runs SET updated = ? WHERE id = ?", (time.time(), run)).rowcount:
                return False
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
            return True

    def settle(self, run: str, state: State, message: str = "") -> None:
        """Record a run's state."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET state = ?, message = ?, updated = ? WHERE id = ?", (state, message, time.time(), run)
            )

    def keep(self, run: str, which: str, write: Callable[[Path], None]) -> bool:
        """Have ``write`` put weights where they belong; False, and no file, if the run was or is being deleted."""
        write(self.weights(run, which))
        if self.run(run) is not None:
            return True
        self._remove_files(run)
        return False

    def delete(self, run: str) -> None:
        """Remove a run, its metrics and its weights, for good: whoever still trains it writes no more of it."""
        with self._writing() as connection:
            for table, column in (("runs", "id"), ("steps", "run"), ("epochs", "run"), ("marks", "run")):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [run])
        self._remove_files(run)

    def _remove_files(self, run: str) -> None:
        folder = self.weights(run).parent
        with _in_words("The run's weights could not be removed"):
            for path in folder.glob("*"):
                path.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()

    def _settle_orphans(self) -> None:
        """Runs whose server is gone were cut off: say so."""
        alive = sorted(set(State) - ENDED)
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT id, state, server FROM runs WHERE state IN ({', '.join('?' * len(alive))})", alive
            ).fetchall()
        self._settled = True
        servers = {server for server in {row[2] for row in rows} if server and self._presence.alive(server)}
        for run, state, server in rows:
            if server not in servers:
                ran = State(state) != State.QUEUED
                begun = "while this ran; what it had recorded is here." if ran else "before this began."
                self.settle(run, State.STOPPED, f"The server ended {begun}")

    def _settle_what_can_be(self) -> None:
        with contextlib.suppress(StorageError):  # a store that can only be read is read
            self._settle_orphans()

    # -- reading -----------------------------------------------------------------------------------
    def runs(self, owner: str | None = None, limit: int = 200) -> list[Run]:
        """The newest runs first; those of one owner, or everybody's."""
        self._settle_what_can_be()
        where, values = ("WHERE owner = ?", [owner]) if owner is not None else ("", [])
        return self._select(f"{where} ORDER BY created DESC LIMIT {int(limit)}", values)

    def run(self, run: str) -> Run | None:
        """One run, or None."""
        if not self._settled:
            self._settle_what_can_be()
        found = self._select("WHERE id = ?", [run])
        return found[0] if found else None

    def _select(self, where: str, values: list[Any]) -> list[Run]:
        names = ", ".join(Run.__dataclass_fields__)
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {names} FROM runs {where}", values).fetchall()
        runs = []
        for row in rows:
            fields = dict(zip(Run.__dataclass_fields__, row, strict=True))
            try:
                fields |= {"kind": Kind(fields["kind"]), "state": State(fields["state"])}
                runs.append(Run(**fields | {"experiment": Experiment.from_json(fields["experiment"])}))
            except (ExplorerError, ValueError, TypeError, KeyError) as error:  # one line is no reason to lose the rest
                log.warning("run %s was written by another program and is left out: %r", fields["id"], error)
        return runs

    def history(self, run: str) -> Snapshot:
        """Everything recorded of a run."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(COLUMNS)} FROM steps WHERE run = ? ORDER BY step", [run]
            ).fetchall()
            epochs = connection.execute(_EPOCHS, [run]).fetchall()
            marks = connection.execute("SELECT step, text FROM marks WHERE run = ? ORDER BY step", [run]).fetchall()
        return _snapshot(rows, epochs, tuple(Mark(*mark) for mark in marks))

    def validations(self, runs: Sequence[str]) -> dict[str, Snapshot]:
        """The histories of several runs, in their order, without steps and marks: what a table of runs needs."""
        with self._reading() as connection:
            found = {run: connection.execute(_EPOCHS, [run]).fetchall() for run in runs}
        return {run: _snapshot([], epochs) for run, epochs in found.items()}

    def weights(self, run: str, which: str = Which.FINAL) -> Path:
        """Where a run's weights lie; the file may be absent.

        Raises:
            StorageError: that is no run's id, or no kind of weights.
        """
        if not ID.fullmatch(run) or not ID.fullmatch(which):
            raise StorageError("There is no such run on this server.", f"{run!r}, {which!r}")
        return self.folder / run / f"{which}.safetensors"


_DAMAGED = "The record of runs is damaged and cannot be used. Move runs.sqlite3 away; training itself goes on."


_EPOCHS = "SELECT row FROM epochs WHERE run = ? ORDER BY epoch"


def _snapshot(steps: list[tuple[Any, ...]], epochs: list[tuple[str]], marks: tuple[Mark, ...] = ()) -> Snapshot:
    """What rows of the tables say together."""
    table = np.array(steps, np.float64).reshape(len(steps), len(COLUMNS))
    try:
        rows = tuple(EpochRow(**json.loads(row)) for (row,) in epochs)
    except (ValueError, TypeError) as error:
        raise StorageError(_DAMAGED, repr(error)) from error
    return Snapshot({name: table[:, i] for i, name in enumerate(COLUMNS)}, rows, marks)


def _values(run: Run) -> dict[str, Any]:
    """A run's line in the index: column → value."""
    return asdict(run) | {"experiment": run.experiment.to_json()}


# Connections to a file that was deleted under them. Closed, each would remove the journal of the file that lies in
# its place by now: SQLite finds that by name.
_ABANDONED: list[sqlite3.Connection] = []


def _identity(path: Path) -> tuple[int, int]:
    """Which file lies at a path; (0, 0) for none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Turn what a disk, or what lies on it, does wrong into a sentence."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.IntegrityError)):
            raise
        raise StorageError(_sentence(what, error), str(error)) from error


def _sentence(what: str, error: Exception) -> str:
    reason = str(getattr(error, "strerror", None) or error)
    if type(error) is sqlite3.DatabaseError:
        return _DAMAGED
    if "full" in reason or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}: the disk is full. Free some space; training itself goes on."
    return f"{what} ({reason}). Whoever runs this server can look at the folder of runs; training itself goes on."


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
