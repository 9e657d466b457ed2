"""A lane: a few places to run in, and whose turn it is."""

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

NEWCOMERS = 2  # who has not run yet goes first, but at most so many in a row while others wait to go on
REMEMBERED = 1000  # owners whose last turn is known


class Guest(Protocol):
    """Who wants a place."""

    @property
    def owner(self) -> str:
        """Whose it is; each of nobody's ("") counts as somebody else's."""

    @property
    def began(self) -> bool:
        """Whether it has had a turn."""


G = TypeVar("G", bound=Guest)


class Lane(Generic[G]):
    """A fixed number of places, given out in turns.

    Nobody polls: a place that is given back goes straight to the next, in the thread that gives it back. Whoever has
    had a place for a whole turn is :meth:`due` to give it back while another owner waits, and stands in line again. So
    a run of ten seconds waits for a turn of those before it and not for their end.

    Who is next: of each owner only one stands in line, the other ones behind everybody's first. Those that have not
    run yet go before those that go on, two to one, so that neither keeps the other out; each in the order in which it
    came or its owner's last turn ended. Every place in line moves forward with every turn, whoever comes later.
    """

    def __init__(self, places: int, turn: Callable[[], float] = lambda: 20.0) -> None:
        self.places, self.turn = places, turn
        self._inside: dict[G, float] = {}  # since when
        self._waiting: dict[G, tuple[float, Callable[[], bool]]] = {}  # since when, in the order they asked
        self._last: dict[str, float] = {}  # when an owner's last turn ended
        self._newcomers = 0  # that were let in one after the other
        self._known: list[G] | None = None  # the line, until something changes
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """Places nobody has."""
        return self.places - len(self._inside)

    def ask(self, guest: G, take: Callable[[], bool]) -> None:
        """Wait for a place; ``take()`` is called, once, when it is there, and says whether it is still wanted."""
        with self._lock:
            self._waiting[guest] = time.monotonic(), take
            self._known = None
        self._hand_out()

    def leave(self, guest: G) -> bool:
        """Wait no longer; False when a place has been given already, and must be given back."""
        with self._lock:
            self._known = None
            return self._waiting.pop(guest, None) is not None

    def release(self, guest: G) -> None:
        """Give the place back."""
        with self._lock:
            del self._inside[guest]
            if guest.owner:
                self._last.pop(guest.owner, None)
                self._last[guest.owner] = time.monotonic()
            if len(self._last) > REMEMBERED:
                del self._last[next(iter(self._last))]
            self._known = None
        self._hand_out()

    def due(self, guest: G) -> bool:
        """Whether its turn is over and somebody else waits."""
        since = self._inside.get(guest)
        if since is None or not self._waiting or time.monotonic() - since < self.turn():
            return False
        with self._lock:
            return any(not _same(other, guest) for other in self._waiting)

    def before(self, guest: G) -> list[G]:
        """Who has a place and who has its turn before this one; nobody for one that does not wait."""
        with self._lock:
            if guest not in self._waiting:
                return []
            line = self._line()
            return [*self._inside, *line[: line.index(guest)]]

    def wait(self, guest: G, left: Callable[[G], float | None]) -> float | None:
        """About how many seconds until a waiting guest has its turn; None if that cannot be told.

        Args:
            left: seconds that another will still need, as far as that is known.
        """
        ahead, now, turn = self.before(guest), time.monotonic(), self.turn()
        with self._lock:
            alone = all(_same(other, guest) for other in self._waiting)
            inside = dict(self._inside)
        total = 0.0
        for other in ahead:
            needs = left(other)
            if other in inside and alone and _same(other, guest):
                if needs is None:
                    return None
                total += needs  # nobody else waits: it keeps its place
            else:
                total += min(turn if needs is None else needs, max(0.0, turn - (now - inside.get(other, now))))
        if not guest.began and not alone:
            # A has the place; B, C and D came, all new: the line is B, C, D. After two newcomers one that goes on has a
            # turn, and by then that is A, which is not in the line yet: between 1, in_line 0, one more turn for D.
            new = sum(not other.began for other in ahead)
            between = (new + self._newcomers) // NEWCOMERS
            in_line = len(ahead) - len(inside) - new
            total += turn * max(0, between - in_line)
        return total / self.places

    def _line(self) -> list[G]:
        """Who waits, in the order of their turns, as far as it can be told now. Under the lock."""
        if self._known is None:
            count: dict[object, int] = {}
            for guest in self._inside:
                count[_whose(guest)] = count.get(_whose(guest), 0) + 1
            rounds: dict[int, tuple[list[tuple[float, G]], list[tuple[float, G]]]] = {}
            for guest, (since, _) in self._waiting.items():
                number = count.get(_whose(guest), 0)
                count[_whose(guest)] = number + 1
                since = max(since, self._last.get(guest.owner, since))
                rounds.setdefault(number, ([], []))[guest.began].append((since, guest))
            self._known, let_in = [], self._newcomers
            for number in sorted(rounds):
                new, others = ([guest for _, guest in sorted(line, key=_since)] for line in rounds[number])
                let_in = _interleave(self._known, new, others, let_in)
        return self._known

    def _hand_out(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self.free <= 0:
                    return
                guest = self._line().pop(0)  # what is left of the line stays as it is
                _, take = self._waiting.pop(guest)
                self._newcomers = 0 if guest.began else min(self._newcomers + 1, NEWCOMERS)
                self._inside[guest] = time.monotonic()
            if not take():
                with self._lock:
                    del self._inside[guest]
                    if any(_same(other, guest) for other in self._waiting):
                        self._known = None


def _whose(guest: Guest) -> object:
    return guest.owner or guest


def _same(one: Guest, other: Guest) -> bool:
    return _whose(one) == _whose(other)


def _since(waiting: tuple[float, object]) -> float:
    return waiting[0]


def _interleave(line: list[G], new: list[G], others: list[G], let_in: int) -> int:
    """Add both to the line, newcomers first, two to one. ``let_in`` is how many of them went last; so it returns."""
    new, others = new[::-1], others[::-1]
    while new or others:
        if new and (let_in < NEWCOMERS or not others):
            line.append(new.pop())
            let_in = min(let_in + 1, NEWCOMERS)
        else:
            line.append(others.pop())
            let_in = 0
    return let_in
