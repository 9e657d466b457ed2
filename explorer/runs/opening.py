"""CIFAR-10's archive, decoded in a thread of its own: whoever comes meanwhile waits for the same, and sees how far."""

import logging
import threading

from explorer.data import cifar10
from explorer.errors import ExplorerError
from explorer.jobs.courtesy import COURTESY

log = logging.getLogger(__name__)


class Opening:
    """One decoding: how far it is, and how it ended."""

    def __init__(self, identity: str) -> None:
        self.identity = identity  #: of what is decoded
        self.over = threading.Event()
        self.error = ""  #: why it came to nothing, in a sentence
        threading.Thread(target=self._work, name="opening", daemon=True).start()

    def _work(self) -> None:
        try:
            with COURTESY.asking():  # somebody waits for it
                cifar10.load()
        except ExplorerError as error:
            self.error = str(error)
            log.warning("CIFAR-10 cannot be opened: %s (%s)", error, error.detail)
        except Exception:  # a thread's end must not be silence
            self.error = "The pictures could not be read; the server's log says why."
            log.exception("CIFAR-10 cannot be opened")
        finally:
            self.over.set()

    @property
    def share(self) -> float:
        """How much of the course's archive is decoded, in [0, 1]."""
        return min(1.0, self.pictures / cifar10.PICTURES)

    @property
    def pictures(self) -> int:
        """How many pictures are decoded."""
        return cifar10.decoded()


_one = threading.Lock()
_latest: Opening | None = None


def opening() -> Opening:
    """The decoding of what is here, begun if nobody has; one that failed stays, until other data are here."""
    global _latest
    identity = cifar10.identity()
    with _one:
        if _latest is None or _latest.identity != identity:
            _latest = Opening(identity)
        return _latest


def again() -> None:
    """Forget how it ended: the next who asks begins anew."""
    global _latest
    with _one:
        if _latest is not None and _latest.over.is_set():
            _latest = None
