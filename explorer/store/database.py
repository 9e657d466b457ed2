"""The database with the index and the metrics: its tables, its connections, and what a disk does wrong, in words.

It is a SQLite file, which all processes of one machine may use; or, where ``EXPLORER_STORE`` names one, a database of
PostgreSQL, for those of several (:mod:`explorer.store.postgres`).
"""

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from explorer.errors import StorageError
from explorer.store.history import COLUMNS

WAIT = 10.0  # seconds for another process to finish writing
IDLE = 4  # connections kept open for the next who asks
VERSION = 3  #: of the tables; an older file is brought up to it when it is opened
SUMMED_UP = 2  #: the version from which on the index says what a table of runs shows, and no history has to be read

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, owner TEXT, kind TEXT, title TEXT, experiment TEXT, state TEXT, message TEXT,
    device TEXT, source TEXT, created REAL, updated REAL, process INTEGER, server TEXT);
CREATE TABLE IF NOT EXISTS steps (
    run TEXT, {", ".join(f"{name} REAL" for name in COLUMNS)}, PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epochs (run TEXT, epoch INTEGER, row TEXT, PRIMARY KEY (run, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (run TEXT, step INTEGER, text TEXT);
CREATE INDEX IF NOT EXISTS marks_of ON marks (run);
"""

# What came to the index since the first version: column → what it is in a run that is older than it.
ADDED = {
    "server": "TEXT",
    "model": "TEXT NOT NULL DEFAULT ''",
    "name": "TEXT NOT NULL DEFAULT ''",
    "star": "INTEGER NOT NULL DEFAULT 0",
    "note": "TEXT NOT NULL DEFAULT ''",
    "begun_by": "TEXT NOT NULL DEFAULT ''",
    "begun_from": "TEXT NOT NULL DEFAULT ''",
    "torch": "TEXT NOT NULL DEFAULT ''",
    "program": "TEXT NOT NULL DEFAULT ''",
    "steps": "INTEGER NOT NULL DEFAULT 0",
    "epochs": "INTEGER NOT NULL DEFAULT 0",
    "val_loss": "REAL",
    "accuracy": "REAL",
    "seconds": "REAL NOT NULL DEFAULT 0",
    "outcome": "TEXT NOT NULL DEFAULT ''",
    "removed": "REAL",
    "sweep": "TEXT NOT NULL DEFAULT ''",
    "cell": "TEXT NOT NULL DEFAULT ''",
}
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS runs_by_age ON runs (created)",
    "CREATE INDEX IF NOT EXISTS runs_by_state ON runs (state)",
    "CREATE INDEX IF NOT EXISTS runs_by_sweep ON runs (sweep) WHERE sweep <> ''",
)
_SUMMARY = """
UPDATE runs SET
    model = COALESCE(json_extract(experiment, '$.model'), ''),
    begun_by = CASE owner WHEN 'terminal' THEN 'terminal' ELSE 'page' END,
    steps = COALESCE((SELECT MAX(step) FROM steps WHERE run = id), 0),
    seconds = COALESCE((SELECT seconds FROM steps WHERE run = id ORDER BY step DESC LIMIT 1), 0),
    epochs = COALESCE((SELECT MAX(epoch) FROM epochs WHERE run = id), 0),
    val_loss = (SELECT MIN(json_extract(row, '$.val_loss')) FROM epochs WHERE run = id AND json_valid(row)),
    accuracy = (SELECT MAX(json_extract(row, '$.accuracy')) FROM epochs WHERE run = id AND json_valid(row))
WHERE json_valid(experiment)
"""

DAMAGED = "The record of runs is damaged and cannot be used. Move runs.sqlite3 away; training itself goes on."


class Connection(Protocol):
    """A connection; used as a context it is a transaction, undone if anything goes wrong."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Any:
        """Run a statement."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Run a statement for each row."""

    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *raised: Any) -> Any: ...


class Database:
    """The file under one folder, or what ``EXPLORER_STORE`` names; any thread and any process may read and write.

    It is opened at the first use, and again when it was deleted, moved away or out of reach.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = os.environ.get("EXPLORER_STORE", "").strip()  #: of PostgreSQL; "" for the file
        self._idle: list[tuple[Connection, tuple[int, int]]] = []

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "runs.sqlite3"

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with in_words("The record of runs cannot be read"), self._connection() as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A connection in a transaction, undone if anything goes wrong."""
        with in_words("The run could not be recorded on disk"), self._connection() as connection, connection:
            yield connection

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection to the file that lies there now, nobody else's meanwhile."""
        connection, file = self._take() or self._open()
        try:
            yield connection
        finally:
            self._idle.append((connection, file))
            while len(self._idle) > IDLE:
                with contextlib.suppress(IndexError):  # another thread does the same
                    self._idle.pop(0)[0].close()

    def _take(self) -> tuple[Connection, tuple[int, int]] | None:
        """An open connection that nobody uses, unless it is broken, or the file was deleted or moved since."""
        while True:
            try:
                connection, file = self._idle.pop()
            except IndexError:
                return None
            if getattr(connection, "usable", True) and (self.url or file == _identity(self.path)):
                return connection, file
            if not self.url:
                _ABANDONED.append(connection)

    def _open(self) -> tuple[Connection, tuple[int, int]]:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.url:
            return _postgres(self.url), (0, 0)
        connection = sqlite3.connect(self.path, timeout=WAIT, check_same_thread=False)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        if _version(connection) < VERSION:
            _bring_up(connection)
        return connection, _identity(self.path)


def _postgres(url: str) -> Connection:
    if not url.startswith(("postgresql://", "postgres://")):
        raise StorageError(
            "EXPLORER_STORE is an address such as postgresql://user@host/name; without it, a file is used."
        )
    try:
        from explorer.store import postgres
    except ImportError as error:
        raise StorageError(
            "EXPLORER_STORE names PostgreSQL, whose driver is not installed: "
            "pip install -r explorer/deploy/requirements-cluster.txt.",
            repr(error),
        ) from error
    columns = [f"ALTER TABLE runs ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in ADDED.items()]
    return postgres.connect(url, [*filter(str.strip, SCHEMA.split(";")), *columns, *_INDEXES])


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _bring_up(connection: sqlite3.Connection) -> None:
    """Make the tables, or add to older ones what they lack; one process does it, others wait and find it done."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        version = _version(connection)
        if version >= VERSION:
            return
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(statement)
        there = {column[1] for column in connection.execute("PRAGMA table_info(runs)")}
        for name, kind in ADDED.items():
            if name not in there:
                connection.execute(f"ALTER TABLE runs ADD COLUMN {name} {kind}")
        for statement in _INDEXES:
            connection.execute(statement)
        if version < SUMMED_UP:
            connection.execute(_SUMMARY)
        connection.execute(f"PRAGMA user_version = {VERSION}")


# Connections to a file that was deleted under them. Closed, each would remove the journal of the file that lies in
# its place by now: SQLite finds that by name.
_ABANDONED: list[Connection] = []


def _identity(path: Path) -> tuple[int, int]:
    """Which file lies at a path; (0, 0) for none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def in_words(what: str) -> Iterator[None]:
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
        return DAMAGED
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
