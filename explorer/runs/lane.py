"""A lane: a few places to run in, and those who wait for one, in their order."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Guest = TypeVar("Guest")


class Lane(Generic[Guest]):
    """A fixed number of places, given out strictly in the order they were asked for.

    Nobody polls: a place that is given back goes straight to the first who waits, in the thread that gives it back.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self._inside: dict[Guest, None] = {}
        self._waiting: OrderedDict[Guest, Callable[[], bool]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """Places nobody has."""
        return self.places - len(self._inside)

    def ask(self, guest: Guest, take: Callable[[], bool]) -> None:
        """Wait for a place; ``take()`` is called, once, when it is there, and says whether it is still wanted."""
        with self._lock:
            self._waiting[guest] = take
        self._hand_out()

    def leave(self, guest: Guest) -> bool:
        """Wait no longer; False when a place has been given already, and must be given back."""
        with self._lock:
            return self._waiting.pop(guest, None) is not None

    def release(self, guest: Guest) -> None:
        """Give the place back."""
        with self._lock:
            del self._inside[guest]
        self._hand_out()

    def before(self, guest: Guest) -> list[Guest]:
        """Who has a place and who waits in front of this one; nobody for one that does not wait."""
        with self._lock:
            waiting = list(self._waiting)
            if guest not in self._waiting:
                return []
            return [*self._inside, *waiting[: waiting.index(guest)]]

    def _hand_out(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self.free <= 0:
                    return
                guest, take = self._waiting.popitem(last=False)
                self._inside[guest] = None
            if not take():
                with self._lock:
                    del self._inside[guest]
