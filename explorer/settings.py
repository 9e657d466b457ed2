"""What a row of the table of settings says: its range, its scale, where it means something, and how it is checked."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from explorer.errors import SettingsError
from explorer.ladders import Ladder


class Scale(StrEnum):
    """How a number is set."""

    LINEAR = "linear"  #: by a slider, even steps apart
    LOG = "log"  #: by a slider, even factors apart
    TYPED = "typed"  #: by typing it


@dataclass(frozen=True)
class Setting:
    """One row of the table: what a control, a link and the terminal need to know about a field."""

    name: str
    kind: type
    default: Any
    label: str
    help: str
    group: str  #: the heading it stands under: model, data, training, rate
    low: float = -math.inf
    high: float = math.inf
    step: float | None = None
    scale: Scale = Scale.LINEAR
    choices: tuple[float, ...] = ()  #: the stops of a slider, where no scale gives them: see :attr:`stops`
    options: tuple[str, ...] = ()
    pattern: str = ""  #: what a word must look like, where there are no options
    live: bool = False  #: takes effect at the next step; every other change restarts the run
    ladder: Ladder | None = None  #: None for both
    when: tuple[str, tuple[str, ...]] | None = None  #: shown only while another setting has one of these values

    @cached_property
    def stops(self) -> tuple[float, ...]:
        """Where its slider rests; any other number in the range may be asked for in a link. () where it rests anywhere.

        On a logarithmic scale: powers of two for whole numbers, else 1, 2, 3, 5 and 7 times powers of ten.
        """
        if self.scale != Scale.LOG:
            return self.choices
        if self.kind is int:
            found: Iterable[float] = [*(2**power for power in range(1, 17)), int(self.low), int(self.high)]
        else:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = (float(f"{digit}e{power}") for power in powers for digit in (1, 2, 3, 5, 7))
        return tuple(sorted({stop for stop in found if self.low <= stop <= self.high}))

    def check(self, value: Any) -> Any:
        """``value`` converted and checked; raises SettingsError with the allowed range."""
        if self.options and (value := str(value)) not in self.options:
            raise SettingsError(f"{self.label} must be one of {', '.join(self.options)}, not {value!r}.")
        try:
            if self.kind is bool:
                value = _as_bool(value)
            elif self.kind is int:
                if float(value) != int(float(value)):
                    raise ValueError(value)
                value = int(float(value))
            else:
                value = self.kind(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise SettingsError(f"{self.label} must be {_article(self.kind)}, not {value!r}.") from error
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise SettingsError(f"{self.label} cannot be {value[:40]!r}. {self.help}")
        if self.kind in (int, float) and not self.low <= value <= self.high:  # a NaN fails here too
            raise SettingsError(f"{self.label} must lie between {self.low:.10g} and {self.high:.10g}, not {value}.")
        return value


def _as_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "on or off"}.get(kind, "a word")


def row(default: Any, label: str, help: str, group: str, **rest: Any) -> Any:
    """A field of the table; ``rest`` is what else :class:`Setting` knows of it."""
    return field(default=default, metadata={"label": label, "help": help, "group": group, **rest})


def from_zero(low: float, high: float) -> tuple[float, ...]:
    """0, then 1, 2 and 5 times powers of ten from ``low`` to ``high``."""
    powers = range(round(math.log10(low)), math.ceil(math.log10(high)) + 1)
    stops = (float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5))
    return (0.0, *(stop for stop in stops if stop <= high))
