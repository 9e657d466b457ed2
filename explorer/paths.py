"""Where things lie: the repository, the user's data folder, the data at hand."""

import os
import sys
from pathlib import Path

from explorer.errors import SettingsError

REPOSITORY = Path(__file__).resolve().parent.parent
WEIGHTS = REPOSITORY / "weights"
SHIPPED = REPOSITORY / "explorer" / "data" / "shipped"  #: data that ship; licences and authors in its README


def home() -> Path:
    """The folder for caches and runs: ``$EXPLORER_HOME``, else the platform's user data folder.

    Raises:
        SettingsError: it names no folder.
    """
    if os.environ.get("EXPLORER_HOME"):
        return _named_by("EXPLORER_HOME")
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local"))
    elif sys.platform == "darwin":
        base = Path("~/Library/Application Support")
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", "~/.local/share"))
    try:
        return base.expanduser() / "lesson7-explorer"
    except RuntimeError as error:
        raise SettingsError("This user has no home folder here. Set EXPLORER_HOME to a folder.", str(error)) from error


def _named_by(variable: str) -> Path:
    """The folder an environment variable names.

    Raises:
        SettingsError: it is another user's, who is not known here.
    """
    word = os.environ[variable]
    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{variable} is {word}, and there is no such user. Set it to a folder.") from error


def cache() -> Path:
    """The folder for downloads and decoded data; safe to delete."""
    return home() / "cache"


def find_data(name: str) -> Path | None:
    """The file or folder ``name`` in ``$EXPLORER_DATA``, else in the cache, else None."""
    folders = [_named_by("EXPLORER_DATA")] if os.environ.get("EXPLORER_DATA") else []
    for folder in [*folders, cache()]:
        if (folder / name).exists():
            return folder / name
    return None
