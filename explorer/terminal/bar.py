"""A progress bar on a terminal: how far, how fast, how long yet. Nothing where nobody looks."""

import contextlib
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from explorer.jobs.job import Job

EVERY = 0.2  # seconds between two looks
WIDTH = 28  # characters of the bar itself
CLEAR = "\r\x1b[K"


class Bar:
    """One line, drawn over and over; drawn only where ``stream`` is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.seen = bool(self.stream and self.stream.isatty())
        self._lock = threading.Lock()

    def draw(self, share: float, words: str) -> None:
        """Show how far it is, in [0, 1], and a few words after the bar."""
        if not self.seen:
            return
        full = round(max(0.0, min(1.0, share)) * WIDTH)
        columns = shutil.get_terminal_size().columns
        said = f"{'━' * full}{'─' * (WIDTH - full)} {share:4.0%}  {words}"
        with self._lock, contextlib.suppress(OSError):
            self.stream.write(CLEAR + said[: columns - 1])
            self.stream.flush()

    def clear(self) -> None:
        """Make room for other output."""
        if self.seen:
            with self._lock, contextlib.suppress(OSError):
                self.stream.write(CLEAR)
                self.stream.flush()


@contextlib.contextmanager
def following(bar: Bar, job: "Job[Any]", words: Callable[[], str] = str) -> Iterator[None]:
    """Draw a job's progress while the block runs, as a page does: by looking at it now and then."""
    if not bar.seen:
        yield
        return
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            said = [words()] if words() else []
            said += [f"{job.pace.rate:,.0f} steps/s"] if job.pace.rate else []
            said += [f"{duration(job.eta)} left"] if job.eta is not None else []
            bar.draw(job.progress, " · ".join(said))

    thread = threading.Thread(target=look, name="progress-bar", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        bar.clear()


def duration(seconds: float) -> str:
    """0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
