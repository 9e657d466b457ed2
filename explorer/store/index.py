"""A run's line in the index, and what one may ask the index for: which runs, in which order."""

import functools
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.store.words import Kind, State

log = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-z]{1,40}")  # what a run's id looks like: it names a folder, and comes from links
TERMINAL = "terminal"  # the owner of runs that no browser started


class By(StrEnum):
    """Who started a run."""

    PAGE = "page"
    TERMINAL = "terminal"


@dataclass(frozen=True)
class Run:
    """One line of the index."""

    id: str
    owner: str
    kind: Kind
    title: str
    experiment: Experiment | None  #: None where there is none, as for photos, or more than one
    state: State
    message: str
    device: str
    source: str
    created: float
    updated: float
    model: str = ""  #: the rung's key; several between commas
    name: str = ""  #: its owner's words
    star: bool = False
    note: str = ""
    begun_by: str = ""  #: one of :class:`By`
    begun_from: str = ""  #: the weights it began with, in words; "" for fresh ones
    torch: str = ""  #: versions, of torch and of this program
    program: str = ""
    steps: int = 0
    epochs: int = 0
    val_loss: float | None = None  #: the best
    accuracy: float | None = None
    seconds: float = 0.0  #: since its first step
    sweep: str = ""  #: the sweep it is a cell of
    cell: str = ""  #: and its values on the sweep's axes, in JSON

    @property
    def at(self) -> dict[str, Any]:
        """Its values on its sweep's axes."""
        found: dict[str, Any] = json.loads(self.cell) if self.cell else {}
        return found

    @property
    def label(self) -> str:
        """What it is called on screen: the name its owner gave it, else its title, and the id that tells it apart."""
        return f"{self.name or self.title} {self.id[:4]}"


_NAMES = tuple(Run.__dataclass_fields__)
COLUMNS = ", ".join(_NAMES)
_OF_THE_OWNER = {"name", "star", "note"}  # which a run that goes on does not touch
_OF_THE_CURVE = {"steps", "epochs", "val_loss", "accuracy", "seconds"}  # which are kept as the curve is written


def values(run: Run) -> dict[str, Any]:
    """What its recorder says about a run: column → value."""
    line = {name: getattr(run, name) for name in _NAMES if name not in _OF_THE_OWNER | _OF_THE_CURVE}
    experiment = run.experiment
    return line | {
        "experiment": experiment.to_json() if experiment else "",
        "model": run.model or (experiment.model if experiment else ""),
    }


def read(row: Sequence[Any]) -> Run | None:
    """A line of the table; None where another program wrote it: one line is no reason to lose the rest."""
    fields = dict(zip(_NAMES, row, strict=True))
    try:
        fields |= {"kind": Kind(fields["kind"]), "state": State(fields["state"]), "star": bool(fields["star"])}
        return Run(**fields | {"experiment": _experiment(fields["experiment"])})
    except (ExplorerError, ValueError, TypeError, KeyError) as error:
        log.warning("run %s was written by another program and is left out: %r", fields["id"], error)
        return None


@functools.lru_cache(maxsize=4096)
def _experiment(text: str) -> Experiment | None:
    return Experiment.from_json(text) if text else None


class Sort(StrEnum):
    """Orders a table of runs may have."""

    NEWEST = "newest"
    OLDEST = "oldest"
    VAL_LOSS = "loss"
    ACCURACY = "accuracy"
    LONGEST = "time"
    NAME = "name"


_ORDERS = {
    Sort.NEWEST: "created DESC",
    Sort.OLDEST: "created",
    Sort.VAL_LOSS: "{val_loss} IS NULL, {val_loss}, created DESC",
    Sort.ACCURACY: "{accuracy} IS NULL, {accuracy} DESC, created DESC",
    Sort.LONGEST: "{seconds} DESC, created DESC",
    Sort.NAME: "name = '', LOWER(name), created DESC",
}
_OF_A_SWEEP = {"val_loss": "MIN", "accuracy": "MAX", "seconds": "SUM"}  # what its one line is sorted by


@dataclass(frozen=True)
class Query:
    """Which runs, and in which order. What is left empty asks for everything."""

    owner: str | None = None
    models: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    text: str = ""  #: somewhere in name, note, title, id, settings, data or device
    starred: bool = False
    sort: Sort = Sort.NEWEST
    not_data: str = ""  #: leave out experiments whose data begin so, unless they are the owner's of ``but_of``
    but_of: str = ""
    sweep: str = ""  #: the cells of this sweep alone
    folded: bool = False  #: one line a sweep, in place of one a cell

    def where(self) -> tuple[str, list[Any]]:
        """The WHERE of it, without the word, and its values."""
        clauses, values = ["removed IS NULL"], []
        if self.owner is not None:
            clauses.append("owner = ?")
            values.append(self.owner)
        for column, wanted in (("state", self.states), ("kind", self.kinds)):
            if wanted:
                clauses.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        if self.models:
            clauses.append("(" + " OR ".join("',' || model || ',' LIKE ?" for _ in self.models) + ")")
            values += [f"%,{model},%" for model in self.models]
        if self.starred:
            clauses.append("star = 1")
        for word in self.text.split():
            columns = (
                "name || ' ' || note || ' ' || title || ' ' || id || ' ' || model || ' ' || source || ' ' || device"
            )
            clauses.append(f"LOWER({columns} || ' ' || begun_from) LIKE LOWER(?) ESCAPE '!'")
            values.append(f"%{_literally(word)}%")
        if self.not_data:
            clauses.append("(owner = ? OR experiment NOT LIKE ? ESCAPE '!')")
            values += [self.but_of, f'%"data": "{_literally(self.not_data)}%']
        if self.sweep:
            clauses.append("sweep = ?")
            values.append(self.sweep)
        found = " AND ".join(clauses)
        if self.folded:  # of the cells that are asked for, one stands for the sweep
            one = f"id IN (SELECT MIN(id) FROM runs WHERE {found} AND sweep <> '' GROUP BY sweep)"
            return f"{found} AND (sweep = '' OR {one})", [*values, *values]
        return found, values

    @property
    def order(self) -> str:
        """The ORDER BY of it."""
        return _ORDERS[self.sort].format(**{column: self._figure(column) for column in _OF_A_SWEEP})

    def _figure(self, column: str) -> str:
        """What a line is sorted by: a run's own figure; where a sweep is one line, that of all its cells together."""
        if not self.folded:
            return column
        cells = "FROM runs AS one WHERE one.sweep = runs.sweep AND one.removed IS NULL"
        together = f"SELECT {_OF_A_SWEEP[column]}(one.{column}) {cells}"
        return f"(CASE sweep WHEN '' THEN {column} ELSE ({together}) END)"


def _literally(word: str) -> str:
    return re.sub(r"([!%_])", r"!\1", word)


def as_json(run: Run) -> dict[str, Any]:
    """A line as plain data, its experiment too."""
    return asdict(run) | {"experiment": json.loads(run.experiment.to_json()) if run.experiment else None}
