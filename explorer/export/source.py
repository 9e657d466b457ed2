"""The program's own code, taken out with all it needs: so that what is exported is what ran."""

import ast
import builtins
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

_OURS = "explorer."


def bundle(*things: Any, instead: Mapping[str, str] | None = None) -> str:
    """The source of functions and classes, each after what it uses of this program; constants with their values.

    Args:
        things: functions and classes.
        instead: code for names that are not to be taken from here; "" leaves a name out.
    """
    pieces: dict[str, str] = {}
    for thing in things:
        _collect(thing, pieces, dict(instead or {}))
    return "\n\n\n".join(piece for piece in pieces.values() if piece) + "\n"


def _collect(thing: Any, pieces: dict[str, str], instead: dict[str, str]) -> None:
    name = thing.__name__
    if name in pieces:
        return
    if name in instead:
        pieces[name] = textwrap.dedent(instead[name]).strip("\n")
        return
    source = textwrap.dedent(inspect.getsource(thing))
    around = vars(sys.modules[thing.__module__])
    constants = []
    for used in _names(source):
        value = around.get(used, builtins)
        if used == name or value is builtins or used in pieces:
            continue
        if used in instead:
            pieces[used] = textwrap.dedent(instead[used]).strip("\n")
        elif inspect.isclass(value) or inspect.isfunction(value):
            if value.__module__.startswith(_OURS):
                _collect(value, pieces, instead)
        elif not inspect.ismodule(value) and not used.startswith("__"):
            pieces[used] = ""  # here already, together with the others of this piece
            constants.append(f"{used} = {literal(value)}")
    pieces.pop(name, None)
    pieces[name] = "\n".join(constants) + ("\n\n\n" if constants else "") + _plain(source).strip("\n")


def literal(value: Any) -> str:
    """A constant as code; a word of a list of words as the word."""
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if type(value) is tuple:
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


def _names(source: str) -> list[str]:
    """The names a piece of code uses, in their order."""
    found = [node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(found))


def _plain(source: str) -> str:
    """Without what only this program has: its modules' names, its errors, its marks for documentation."""
    source = re.sub(r"\brandomness\.", "", source)
    source = source.replace("SettingsError", "ValueError").replace("DataError", "ValueError")
    source = re.sub(r":(?:class|func|meth|data):`([^`]*)`", r"``\1``", source)
    return source.replace('"torch.Tensor"', "torch.Tensor")
