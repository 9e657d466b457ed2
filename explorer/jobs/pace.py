"""How fast a job goes: its steps, the time it really ran, and how long it still needs at that pace."""

import time
from dataclasses import dataclass

LATELY = 1.0  # seconds over which the rate is measured


@dataclass
class Pace:
    """A stopwatch that stands still while the job does."""

    seconds: float = 0.0  #: spent running
    before: float = 0.0  #: of these, before it was continued
    steps: int = 0
    rate: float = 0.0  #: steps a second, lately
    _now: float = 0.0
    _since: tuple[float, int] = (0.0, 0)

    def go(self) -> None:
        """Begin, or go on after a rest."""
        self._now = time.monotonic()
        self._since = (self._now, self.steps)

    @property
    def lately(self) -> float:
        """Seconds spent running since it was begun or continued."""
        return self.seconds - self.before

    @property
    def now(self) -> float:
        """Seconds spent running by now, as its own thread sees it between two looks."""
        now = time.monotonic()
        return self.seconds + now - (self._now or now)

    def passed(self, steps: int) -> None:
        """Time has passed, in which so many steps were done."""
        now = time.monotonic()
        self.seconds += now - (self._now or now)
        self._now = now
        self.steps += steps
        since, before = self._since
        if now - since > LATELY:
            self.rate = (self.steps - before) / (now - since)
            self._since = (now, self.steps)

    def left(self, progress: float) -> float | None:
        """Seconds to the end at the pace so far; None before there is a pace."""
        if progress < 0.005 or self.seconds < 0.3:
            return None
        return self.seconds * (1 - progress) / progress
