"""Short questions go first: while a page asks a model something, runs wait between two steps.

A question of half a second asked beside a run gets half the cores and every other turn of the interpreter, and so takes
several. Training that waits for it loses no more than it took; and never more than its share, however many ask.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

MOST = 3.0  # seconds a run waits in one go
SHARE = 0.5  # of what it waited, that it then trains at least before it waits again
SOON = 1.0  # seconds from a click until the question itself is there
LOOK = 0.01  # seconds between looks at what else is asked of the run


class Courtesy:
    """Who asks just now; whoever trains calls :meth:`let_pass` between two steps."""

    def __init__(self, most: float = MOST, share: float = SHARE) -> None:
        self.most, self.share = most, share
        self._asking = 0
        self._expected = 0.0  # until when a question is on its way
        self._training = 0.0  # until when runs have their turn again
        self._over = threading.Condition()

    def expect(self) -> None:
        """A question is on its way: its page is being run. Call it from the button's callback."""
        self._expected = time.monotonic() + SOON

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """While a question to a model is at work."""
        with self._over:
            self._asking += 1
            self._expected = 0.0
        try:
            yield
        finally:
            with self._over:
                self._asking -= 1
                self._over.notify_all()

    @property
    def asked(self) -> bool:
        """Whether a question is at work or on its way."""
        return self._asking > 0 or time.monotonic() < self._expected

    def let_pass(self, urgent: Callable[[], bool]) -> bool:
        """Wait while questions are at work, up to the run's share; at once back when there are none.

        Args:
            urgent: whether the run itself has something to do, such as to hand its weights to the one who asks.

        Returns:
            Whether it came back because of that, and is to be called again.
        """
        if not self.asked:
            return False
        began = time.monotonic()
        with self._over:
            if began < self._training:
                return False
            while self.asked and time.monotonic() - began < self.most:
                if urgent():
                    return True
                self._over.wait(LOOK)
            now = time.monotonic()
            self._training = now + self.share * (now - began)
        return False


COURTESY = Courtesy()  #: of this process
