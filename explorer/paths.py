"""Where things lie: the repository, the user's data folder, the data at hand."""

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
WEIGHTS = REPOSITORY / "weights"


def home() -> Path:
    """The folder for caches and runs: ``$EXPLORER_HOME``, else the platform's user data folder."""
    if set_by_user := os.environ.get("EXPLORER_HOME"):
        return Path(set_by_user).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "lesson7-explorer"


def cache() -> Path:
    """The folder for downloads and decoded data; safe to delete."""
    return home() / "cache"


def find_data(name: str) -> Path | None:
    """The file or folder ``name`` in ``$EXPLORER_DATA``, else in the cache, else None."""
    folders = [Path(folder).expanduser() for folder in [os.environ.get("EXPLORER_DATA", "")] if folder]
    for folder in [*folders, cache()]:
        if (folder / name).exists():
            return folder / name
    return None
