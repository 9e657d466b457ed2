"""A copy of what a server keeps, made while it runs."""

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from explorer import paths
from explorer.errors import StorageError
from explorer.store.store import Store
from explorer.training import own_weights


@dataclass(frozen=True)
class Copied:
    """What was copied."""

    files: int
    bytes: int


def backup(store: Store, folder: Path) -> Copied:
    """Copy a store's index, weights, what visitors brought, limits and secret into a new folder, a home like any other.

    The index is copied by SQLite itself, whole as of one moment, whoever writes meanwhile; weights are written whole
    and then renamed, so that a copy is never half of one. Only the user may read the copy: it has the secret.

    Raises:
        StorageError: nothing is there to copy, the folder is there already, or something cannot be read or written.
    """
    if store.url:
        raise StorageError(
            "The record of runs is in PostgreSQL: copy that with pg_dump, then EXPLORER_HOME with any tool."
        )
    if not any(os.path.exists(path) for path in (store.path, paths.home() / "secret")):
        raise StorageError(
            f"There is nothing to copy in {paths.home()}: no record of runs and no server's secret that this user may "
            "read. Set EXPLORER_HOME to the server's home, and be its user."
        )
    try:
        folder.mkdir(parents=True, mode=0o700)
        (folder / "runs").mkdir()
        if store.path.exists():
            _copy_index(store.path, folder / "runs" / store.path.name)
        for source in store.folder.rglob("*"):
            inside = source.relative_to(store.folder)
            if source.is_file() and _is_kept(inside):
                _copy(source, folder / "runs" / inside)
        own = [*(paths.home() / "texts").rglob("*.txt"), *own_weights.files()]
        for source in [*own, paths.home() / "secret", paths.home() / "limits.json"]:
            _copy(source, folder / source.relative_to(paths.home()))
    except FileExistsError as error:
        raise StorageError(f"{folder} is there already. Name a new folder.", str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"The copy is not whole: {error}. Remove {folder} and try again.", str(error)) from error
    files = [path for path in folder.rglob("*") if path.is_file()]
    return Copied(len(files), sum(path.stat().st_size for path in files))


def _is_kept(inside: Path) -> bool:
    """Whether a file lies in a run's folder and is whole: no sign of life of a server, nothing half written."""
    whole = not (inside.name.startswith(".") or inside.suffix == ".partial")
    return whole and len(inside.parts) > 1 and inside.parts[0] != "servers"


def _copy_index(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source, timeout=30)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)  # in one step: between two, each write of a run would have it begin anew
        (found,) = new.execute("PRAGMA quick_check").fetchone()
    if found != "ok":
        raise OSError(f"the record of runs is damaged ({found})")


def _copy(source: Path, target: Path) -> None:
    """One file; one that was removed meanwhile is left out."""
    with contextlib.suppress(FileNotFoundError):
        data = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
