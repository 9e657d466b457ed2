"""The one family of exceptions: a sentence for the person, the detail for the log."""

import functools
import logging
import secrets
import time

log = logging.getLogger(__name__)


class ExplorerError(Exception):
    """An error that may be shown as it is: what happened, and what to do.

    ``str(error)`` is the sentence for the page; ``error.detail`` goes to the log: see :func:`log_detail`.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class SettingsError(ExplorerError):
    """A setting is unknown, out of range, or does not fit the model."""


class DataError(ExplorerError):
    """A text, archive or picture set cannot be found, fetched or used."""


class WeightsError(ExplorerError):
    """A weights file is missing, damaged, or of another shape."""


class OtherDataError(WeightsError):
    """Weights know other characters or classes than the data at hand."""


class PhotoError(ExplorerError):
    """An uploaded photo cannot be read or is outside the limits."""


class StorageError(ExplorerError):
    """A run could not be written to disk; what was there before is untouched."""


def log_detail(error: ExplorerError) -> None:
    """Put into the log what the sentence leaves out; the same at most once a minute, however often a page is drawn."""
    if error.detail:
        _log_detail(str(error), error.detail, int(time.monotonic() // 60))


@functools.lru_cache(maxsize=64)
def _log_detail(sentence: str, detail: str, minute: int) -> None:
    log.warning("%s (%s)", sentence, detail)


def out_of_memory(error: Exception) -> bool:
    """Whether it says so, in the words of CUDA, of the CPU's allocator (two versions) or of cuBLAS."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def explain(error: Exception) -> str:
    """A sentence for a page about an error nobody foresaw; the log has the rest, under the number it names."""
    if out_of_memory(error):
        log.warning("out of memory: %s", error)
        return "The device ran out of memory. Use a smaller batch, a smaller model, or a shorter bptt."
    return f"Something went wrong ({type(error).__name__}). The server's log has the details under {numbered(error)}."


def numbered(error: Exception) -> str:
    """The number under which the log has an error nobody foresaw, written there the first time it is asked for."""
    number: str = getattr(error, "explorer_number", "")
    if not number:
        number = error.explorer_number = secrets.token_hex(3)  # type: ignore[attr-defined]
        log.error("error %s: %r", number, error, exc_info=error)
    return number
