"""Runs on disk: an SQLite index with every metric, weights beside it; written as the run goes."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from explorer import paths
from explorer.errors import StorageError
from explorer.store import index
from explorer.store.database import DAMAGED, Connection, Database, in_words
from explorer.store.history import COLUMNS, EpochRow, Mark, Snapshot
from explorer.store.index import ID, Query, Run
from explorer.store.presence import Presence
from explorer.store.words import ENDED, State

UNDO = 3600.0  # seconds in which a removed run can be brought back


class Which(StrEnum):
    """Which of a run's weights; besides these there are snapshots, one for each cycle's end."""

    BEST = "best"  #: of the epoch that validated best
    FINAL = "final"  #: of its last step


def cycle(number: int) -> str:
    """Which weights: those at the end of a cycle of the rate, counted from 0."""
    return f"cyc{number}"


class Store(Database):
    """The runs under one folder, and each one's files in a folder of its own.

    Every method raises StorageError, with a sentence, where the folder cannot be used, and works again once it can.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder or paths.home() / "runs")
        self._presence = Presence(self.folder / "servers")
        self._settled = False

    @property
    def address(self) -> str:
        """Where it is, as a word that any process on this machine can be given: see :meth:`at`."""
        _open[str(self.folder)] = self
        return str(self.folder)

    @staticmethod
    def at(address: str) -> "Store":
        """The store of an address: the one that gave it, while this process has it, else another of the same runs."""
        return _open.get(address) or Store(Path(address))

    # -- writing -----------------------------------------------------------------------------------
    def begin(self, run: Run) -> None:
        """Enter a run into the index; one that is there already begins anew, under the name its owner gave it."""
        with self._writing() as connection:
            line = index.values(run) | {"process": os.getpid(), "server": self._presence.announce()}
            names, marks = ", ".join(line), ", ".join("?" * len(line))
            anew = ", ".join(f"{name} = excluded.{name}" for name in line)
            connection.execute(
                f"INSERT INTO runs ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {anew}", [*line.values()]
            )

    def claim(self, run: str) -> bool:
        """Take a run that has ended, to go on with it; False if it is at work, here or elsewhere, or gone."""
        self._settle_what_can_be()
        with self._writing() as connection:
            ended = ", ".join("?" * len(ENDED))
            done = connection.execute(
                "UPDATE runs SET state = ?, message = '', updated = ?, process = ?, server = ? "
                f"WHERE id = ? AND state IN ({ended})",
                [State.QUEUED, time.time(), os.getpid(), self._presence.announce(), run, *sorted(ENDED)],
            )
            return bool(done.rowcount > 0)

    def take_over(self, run: str) -> None:
        """Have a run count as this process's: the one that ran it is gone, as somebody may have noted already."""
        with self._writing() as connection:
            mine = [os.getpid(), self._presence.announce(), run]
            connection.execute("UPDATE runs SET message = '', process = ?, server = ? WHERE id = ?", mine)

    def rewind(self, run: str, step: int, epoch: int, marks: int) -> Snapshot:
        """Forget what a run recorded after a step, which will be done again; its history up to there."""
        with self._writing() as connection:
            connection.execute("DELETE FROM steps WHERE run = ? AND step > ?", [run, step])
            connection.execute("DELETE FROM epochs WHERE run = ? AND epoch > ?", [run, epoch])
            connection.execute(
                "DELETE FROM marks WHERE run = ? AND rowid NOT IN "
                "(SELECT rowid FROM marks WHERE run = ? ORDER BY rowid LIMIT ?)",
                [run, run, marks],
            )
            left = _snapshot([], connection.execute(_EPOCHS, [run]).fetchall())
            best = [value if value == value else None for value in (left.best_val_loss, left.best_accuracy)]
            connection.execute(
                "UPDATE runs SET steps = ?, epochs = ?, val_loss = ?, accuracy = ? WHERE id = ?",
                [step, epoch, *best, run],
            )
        return self.history(run)

    def update(self, run: Run) -> bool:
        """Write a run's line anew; False if it is not in the index any more."""
        with self._writing() as connection:
            line = index.values(run) | {"updated": time.time()}
            changes = ", ".join(f"{name} = ?" for name in line)
            done = connection.execute(f"UPDATE runs SET {changes} WHERE id = ?", [*line.values(), run.id])
            return bool(done.rowcount > 0)

    def append(self, run: str, rows: np.ndarray, epochs: Sequence[EpochRow] = (), marks: Sequence[Mark] = ()) -> bool:
        """Add metrics: rows of (rows, columns), finished epochs, marks. False, and nothing, if the run was deleted."""
        with self._writing() as connection:
            if not connection.execute("UPDATE runs SET updated = ? WHERE id = ?", (time.time(), run)).rowcount:
                return False
            self._sum_up(connection, run, rows, epochs)
            places = ", ".join("?" * (len(COLUMNS) + 1))
            anew = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
            connection.executemany(
                f"INSERT INTO steps VALUES ({places}) ON CONFLICT (run, step) DO UPDATE SET {anew}",
                ([run, *row] for row in rows.tolist()),
            )
            connection.executemany(
                "INSERT INTO epochs VALUES (?, ?, ?) ON CONFLICT (run, epoch) DO UPDATE SET row = excluded.row",
                [(run, row.epoch, json.dumps(asdict(row))) for row in epochs],
            )
            connection.executemany(
                "INSERT INTO marks (run, step, text) VALUES (?, ?, ?)", [(run, mark.step, mark.text) for mark in marks]
            )
            return True

    def _sum_up(self, connection: Connection, run: str, rows: np.ndarray, epochs: Sequence[EpochRow]) -> None:
        """Keep in the index what a table of runs shows, so that it reads no histories."""
        if len(rows):
            step, seconds = rows[-1, COLUMNS.index("step")], rows[-1, COLUMNS.index("seconds")]
            connection.execute("UPDATE runs SET steps = ?, seconds = ? WHERE id = ?", (int(step), seconds, run))
        for row in epochs:  # what is no number is NULL to the database: the best so far stays
            connection.execute(
                "UPDATE runs SET epochs = ?, "
                "val_loss = COALESCE(CASE WHEN val_loss <= ? THEN val_loss ELSE ? END, val_loss), "
                "accuracy = COALESCE(CASE WHEN accuracy >= ? THEN accuracy ELSE ? END, accuracy) WHERE id = ?",
                (row.epoch, row.val_loss, row.val_loss, row.accuracy, row.accuracy, run),
            )

    def conclude(self, run: str, outcome: str, source: str = "", seconds: float = 0.0) -> None:
        """Keep what a job that is no training came to, as JSON; on which data, and how long it took."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET outcome = ?, source = ?, seconds = ? WHERE id = ?", (outcome, source, seconds, run)
            )

    def describe(self, run: str, **words: str | bool) -> None:
        """Write its owner's words about a run: ``name``, ``note``, ``star``."""
        unknown = words.keys() - {"name", "note", "star"}
        if unknown:
            raise StorageError("A run has a name, a note and a star.", ", ".join(unknown))
        with self._writing() as connection:
            changes = ", ".join(f"{word} = ?" for word in words)
            connection.execute(f"UPDATE runs SET {changes} WHERE id = ?", [*words.values(), run])

    def settle(self, run: str, state: State, message: str = "", only: Sequence[State] = tuple(State)) -> None:
        """Record a run's state; where ``only`` is given, if it is in one of these."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE runs SET state = ?, message = ?, updated = ? "
                f"WHERE id = ? AND state IN ({', '.join('?' * len(only))})",
                (state, message, time.time(), run, *only),
            )

    def keep(self, run: str, which: str, write: Callable[[Path], None]) -> bool:
        """Have ``write`` put weights where they belong; False, and no file, if the run was or is being deleted."""
        return self.keep_file(self.weights(run, which), write)

    def keep_file(self, path: Path, write: Callable[[Path], None]) -> bool:
        """The same for any of a run's files."""
        write(path)
        run = path.parent.name
        with self._reading() as connection:
            if connection.execute("SELECT 1 FROM runs WHERE id = ?", [run]).fetchone():
                return True
        self._remove_files(run)
        return False

    def remove(self, runs: Sequence[str]) -> None:
        """Take runs out of every list; :meth:`restore` brings them back, for an hour."""
        self.purge()
        with self._writing() as connection:
            connection.executemany("UPDATE runs SET removed = ? WHERE id = ?", [(time.time(), run) for run in runs])

    def restore(self, runs: Sequence[str]) -> None:
        """Bring back what was removed."""
        with self._writing() as connection:
            connection.executemany("UPDATE runs SET removed = NULL WHERE id = ?", [(run,) for run in runs])

    def removed(self, owner: str) -> list[Run]:
        """What an owner removed lately, the last first."""
        since = time.time() - UNDO
        return self._select("owner = ? AND removed > ? ORDER BY removed DESC", [owner, since])

    def purge(self) -> None:
        """Delete for good what was removed more than an hour ago."""
        with self._reading() as connection:
            old = connection.execute("SELECT id FROM runs WHERE removed < ?", [time.time() - UNDO]).fetchall()
        for (run,) in old:
            self.delete(run)

    def delete(self, run: str) -> None:
        """Remove a run, its metrics and its weights, for good: whoever still trains it writes no more of it."""
        with self._writing() as connection:
            for table, column in (("runs", "id"), ("steps", "run"), ("epochs", "run"), ("marks", "run")):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [run])
        self._remove_files(run)

    def _remove_files(self, run: str) -> None:
        folder = self.weights(run).parent
        with in_words("The run's weights could not be removed"):
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
        if gone := [row for row in rows if row[2] not in servers]:
            with self._writing() as connection:
                for run, state, server in gone:  # another may have said so, and gone on with it, since
                    ran = State(state) != State.QUEUED
                    begun = "while this ran; what it had recorded is here." if ran else "before this began."
                    connection.execute(
                        "UPDATE runs SET state = ?, message = ?, updated = ? "
                        "WHERE id = ? AND state = ? AND COALESCE(server, '') = ?",
                        [State.STOPPED, f"The server ended {begun}", time.time(), run, state, server or ""],
                    )

    def _settle_what_can_be(self) -> None:
        with contextlib.suppress(StorageError):  # a store that can only be read is read
            self._settle_orphans()

    # -- reading -----------------------------------------------------------------------------------
    def runs(self, owner: str | None = None, limit: int = 200) -> list[Run]:
        """The newest runs first; those of one owner, or everybody's."""
        return self.find(Query(owner), limit)

    def find(self, query: Query, limit: int = 200, skip: int = 0) -> list[Run]:
        """The runs a query asks for, in its order."""
        self._settle_what_can_be()
        where, values = query.where()
        return self._select(f"{where} ORDER BY {query.order} LIMIT {int(limit)} OFFSET {int(skip)}", values)

    def count(self, query: Query) -> int:
        """How many there are of them."""
        where, values = query.where()
        with self._reading() as connection:
            return int(connection.execute(f"SELECT COUNT(*) FROM runs WHERE {where}", values).fetchone()[0])

    def run(self, run: str) -> Run | None:
        """One run, or None."""
        if not self._settled:
            self._settle_what_can_be()
        found = self._select("id = ? AND removed IS NULL", [run])
        return found[0] if found else None

    def cells(self, sweeps: Sequence[str]) -> list[Run]:
        """The cells of sweeps, in the order in which they begin."""
        marks = ", ".join("?" * len(sweeps)) or "NULL"
        return self._select(f"sweep IN ({marks}) AND removed IS NULL ORDER BY created, id", [*sweeps])

    def ends(self, sweeps: Sequence[str]) -> dict[str, EpochRow]:
        """The last validation of each of their cells, by the cell's id."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT run, row FROM epochs AS one WHERE "
                f"run IN (SELECT id FROM runs WHERE sweep IN ({', '.join('?' * len(sweeps)) or 'NULL'})) AND "
                "epoch = (SELECT MAX(epoch) FROM epochs WHERE run = one.run)",
                [*sweeps],
            ).fetchall()
        return {run: _snapshot([], [(row,)]).epochs[0] for run, row in rows}

    def _select(self, where: str, values: list[Any]) -> list[Run]:
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {index.COLUMNS} FROM runs WHERE {where}", values).fetchall()
        return [run for row in rows if (run := index.read(row)) is not None]

    def outcome(self, run: str) -> str:
        """What :meth:`conclude` kept; "" where there is nothing."""
        with self._reading() as connection:
            found = connection.execute("SELECT outcome FROM runs WHERE id = ?", [run]).fetchone()
        return str(found[0]) if found else ""

    def history(self, run: str) -> Snapshot:
        """Everything recorded of a run."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(COLUMNS)} FROM steps WHERE run = ? ORDER BY step", [run]
            ).fetchall()
            epochs = connection.execute(_EPOCHS, [run]).fetchall()
            marks = connection.execute("SELECT step, text FROM marks WHERE run = ? ORDER BY step", [run]).fetchall()
        return _snapshot(rows, epochs, tuple(Mark(*mark) for mark in marks))

    def epochs(self, run: str) -> tuple[EpochRow, ...]:
        """A run's validations, without its steps."""
        with self._reading() as connection:
            return _snapshot([], connection.execute(_EPOCHS, [run]).fetchall()).epochs

    def weights(self, run: str, which: str = Which.FINAL) -> Path:
        """Where a run's weights lie; the file may be absent.

        Raises:
            StorageError: that is no run's id, or no kind of weights.
        """
        if not ID.fullmatch(run) or not ID.fullmatch(which):
            raise StorageError("There is no such run on this server.", f"{run!r}, {which!r}")
        return self.folder / run / f"{which}.safetensors"

    def snapshots(self, run: str) -> list[int]:
        """The cycles at whose ends a run's weights were kept, in their order; :func:`cycle` names each one's."""
        numbers = (path.stem.removeprefix("cyc") for path in self.weights(run).parent.glob("cyc*.safetensors"))
        return sorted(int(number) for number in numbers if number.isascii() and number.isdigit())

    def bookmark(self, run: str) -> Path:
        """Where a run's bookmark lies, from which it can be continued; the file may be absent."""
        return self.weights(run).with_name("bookmark.pt")


_open: WeakValueDictionary[str, Store] = WeakValueDictionary()  # by address
_EPOCHS = "SELECT row FROM epochs WHERE run = ? ORDER BY epoch"


def _snapshot(steps: list[tuple[Any, ...]], epochs: list[tuple[str]], marks: tuple[Mark, ...] = ()) -> Snapshot:
    """What rows of the tables say together."""
    table = np.array(steps, np.float64).reshape(len(steps), len(COLUMNS))
    try:
        rows = tuple(EpochRow(**json.loads(row)) for (row,) in epochs)
    except (ValueError, TypeError) as error:
        raise StorageError(DAMAGED, repr(error)) from error
    return Snapshot({name: table[:, i] for i, name in enumerate(COLUMNS)}, rows, marks)
