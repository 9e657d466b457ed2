"""What had arrived of a download when it ended early, kept beside the file so that the next try goes on from there.

Only where the server names the version of what it sends (its ETag): the rest of another version would not fit.
"""

import json
import shutil
from pathlib import Path
from typing import IO


class Partial:
    """The beginning of ``target``, and whose it is."""

    def __init__(self, target: Path) -> None:
        self._content = target.with_name(f".{target.name}.part")
        self._story = target.with_name(f".{target.name}.part.json")

    def ask(self, url: str) -> dict[str, str]:
        """The headers that ask for the rest, and for all of it should it be another version by now."""
        try:
            story = json.loads(self._story.read_text())
            size = self._content.stat().st_size
            fits = story["url"] == url and story["size"] == size > 0
            return {"Range": f"bytes={size}-", "If-Range": str(story["etag"])} if fits else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def open(self) -> IO[bytes]:
        """What has arrived."""
        return self._content.open("rb")

    def keep(self, url: str, etag: str, arrived: Path) -> None:
        """Keep what has arrived for the next try, where the server named its version."""
        if etag and not etag.startswith("W/"):
            shutil.copyfile(arrived, self._content)
            self._story.write_text(json.dumps({"url": url, "etag": etag, "size": self._content.stat().st_size}))

    def forget(self) -> None:
        """It is whole, or of no use."""
        self._content.unlink(missing_ok=True)
        self._story.unlink(missing_ok=True)
