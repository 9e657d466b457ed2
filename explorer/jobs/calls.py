"""What a job does, as data: a function's name and plain arguments, which any process can be given.

A closure would tie a job to the process that made it; a call can be pickled, sent to another machine, kept, and made
there again.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Concatenate, ParamSpec

from explorer.errors import SettingsError

NAME = re.compile(r"(explorer(?:\.[a-z_]+)+):([a-z]\w*)")  # a module of this program, and a public function in it

P = ParamSpec("P")


@dataclass(frozen=True)
class Call:
    """A function of this program, ``"explorer.runs.sweep:work"``, and its arguments but the first, which is the job."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)  #: plain data: numbers, words, arrays, data classes

    def function(self) -> FunctionType:
        """The function itself; its module is imported now and not before.

        Raises:
            SettingsError: there is no such function, or it is none of this program's.
        """
        found = NAME.fullmatch(self.name)
        try:
            function = getattr(importlib.import_module(found[1]), found[2]) if found else None
        except (ModuleNotFoundError, AttributeError):
            function = None
        if not isinstance(function, FunctionType) or function.__module__ != (found and found[1]):
            raise SettingsError(
                "This program has no such work to do. Do all its servers have the same version?", self.name
            )
        return function

    def check(self) -> None:
        """That it can be made: the function is there and takes these arguments.

        Raises:
            SettingsError: there is no such function. TypeError: it takes others.
        """
        inspect.signature(self.function()).bind(None, **self.arguments)

    def __call__(self, job: Any, **here: Any) -> object:
        """Make it, for a job; ``here`` are arguments that only this process has, such as an open recorder."""
        return self.function()(job, **self.arguments, **here)


def call(function: Callable[Concatenate[Any, P], object], *args: P.args, **arguments: P.kwargs) -> Call:
    """The call of a module's function with these arguments, its first one, the job, left out."""
    bound = inspect.signature(function).bind_partial(None, *args, **arguments)
    named: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[1:]:
        is_rest = bound.signature.parameters[name].kind == inspect.Parameter.VAR_KEYWORD
        named |= value if is_rest else {name: value}
    return Call(f"{function.__module__}:{function.__qualname__}", named)


def nothing(job: Any) -> None:
    """The work of a job that has none left, or that another thread drives."""
