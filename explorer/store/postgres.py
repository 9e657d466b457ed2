"""The record of runs in PostgreSQL, for servers on several machines: the very statements that SQLite is given.

``EXPLORER_STORE=postgresql://user@host/name`` chooses it. Both understand the statements in
:mod:`explorer.store.store`; here is only what differs: how values stand in them, the types of a table's columns, and
what goes wrong.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np
import psycopg

LOCK = 7_201_901  # of our own, held while the tables are made


class Broken(OSError):
    """What the database, or the way to it, did wrong."""


class Connection:
    """A connection that takes SQLite's way of writing statements; used as a context it is a transaction."""

    def __init__(self, address: str) -> None:
        with _in_words():
            self._connection = psycopg.connect(address, autocommit=True, connect_timeout=10)
            # A run that is cut off loses its last half second anyway; nobody waits for the disk of another machine.
            self._connection.execute("SET synchronous_commit = off")
        self._transactions: list[contextlib.AbstractContextManager[Any]] = []

    @property
    def usable(self) -> bool:
        """Whether it can be used again."""
        return not (self._connection.closed or self._connection.broken)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run a statement; what it finds is read from what is returned."""
        with _in_words():
            return self._connection.execute(_ours(statement), [_plain(value) for value in values])

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row, without waiting for one before the next is sent."""
        many = [[_plain(value) for value in row] for row in rows]
        if many:
            with _in_words(), self._connection.cursor() as cursor:
                cursor.executemany(_ours(statement), many)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def __enter__(self) -> "Connection":
        transaction = self._connection.transaction()
        with _in_words():
            transaction.__enter__()
        self._transactions.append(transaction)
        return self

    def __exit__(self, *raised: Any) -> None:
        with _in_words():
            self._transactions.pop().__exit__(*raised)


def _ours(statement: str) -> Any:
    return statement.replace("%", "%%").replace("?", "%s")


def _plain(value: Any) -> Any:
    """A value as PostgreSQL's driver takes it: words as text, whatever they are to us; NaN as NULL, as in SQLite."""
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, bool | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return None if value != value else float(value)
    return value


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise Broken(str(error).strip().replace("\n", " ")) from error


_made: set[str] = set()  # addresses whose tables are there
_making = threading.Lock()


def connect(address: str, schema: Iterable[str]) -> Connection:
    """A connection to a database that has these tables."""
    connection = Connection(address)
    with _making:
        if address not in _made:
            with connection:
                connection.execute("SELECT pg_advisory_xact_lock(?)", [LOCK])
                for statement in schema:
                    connection.execute(_typed(statement))
            _made.add(address)
    return connection


def _typed(statement: str) -> str:
    """SQLite's types as PostgreSQL calls them: a REAL has eight bytes there."""
    for ours, theirs in ((" REAL", " DOUBLE PRECISION"), (" INTEGER", " BIGINT"), (" WITHOUT ROWID", "")):
        statement = statement.replace(ours, theirs)
    return statement.replace("marks (run TEXT", "marks (rowid BIGSERIAL, run TEXT")
