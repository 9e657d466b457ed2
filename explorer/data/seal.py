"""A checksum for weights: a bit that flipped on a disk or on the way is noticed, and not played as if it were learnt.

It stands in the file's own metadata and covers everything else in it: names, shapes, story and numbers. Files without
one are taken as they are; those that ship from before there were any have theirs in a list beside them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from explorer.errors import WeightsError

WORD = "sha256"  #: in the metadata
LIST = "checksums.json"  #: beside files that carry none: name → SHA-256 of the whole file


def sealed(content: bytes) -> bytes:
    """A safetensors file with its checksum in it."""
    header, numbers = _parts(content)
    words = header.setdefault("__metadata__", {})
    words.pop(WORD, None)
    words[WORD] = _digest(header, numbers)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of eight
    return len(text).to_bytes(8, "little") + text + numbers


def read(path: Path) -> bytes:
    """A weights file's content, as it was written.

    Raises:
        OSError: it cannot be read. WeightsError: it is not as it was written.
    """
    content = path.read_bytes()
    check(content, path.name, _listed(path))
    return content


def check(content: bytes, name: str, listed: str = "") -> None:
    """That a file's content is what it was when it was written, as far as it says.

    Args:
        content: of a safetensors file; of any other it says nothing.
        name: what to call it.
        listed: the SHA-256 it should have, where it carries none itself.

    Raises:
        WeightsError: it is not.
    """
    try:
        header, numbers = _parts(content)
        said = header.get("__metadata__", {}).get(WORD)
    except (ValueError, AttributeError, RecursionError):
        said = None
    found = wanted = ""
    if said is not None:
        header["__metadata__"].pop(WORD)
        found, wanted = _digest(header, numbers), str(said)
    elif listed:
        found, wanted = hashlib.sha256(content).hexdigest(), listed
    if found != wanted:
        raise WeightsError(
            f"{name} is damaged: it is not what its checksum was made of. Train it again, or restore the file.",
            f"{found}, not {wanted[:80]}",
        )


def words(content: bytes) -> dict[str, str]:
    """A safetensors file's metadata, without the seal; {} where there are none, or not of that kind."""
    try:
        found = _parts(content)[0].get("__metadata__", {})
        return {str(name): str(value) for name, value in found.items() if name != WORD}
    except (ValueError, AttributeError, RecursionError):
        return {}


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header and what follows it; ValueError or RecursionError where there is none."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("no header")
    return header, memoryview(content)[8 + length :]


def _digest(header: dict[str, Any], numbers: memoryview) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(numbers)
    return digest.hexdigest()


def _listed(path: Path) -> str:
    """What the list beside a file says of it; "" where there is none, or none that can be read."""
    try:
        found = json.loads(path.with_name(LIST).read_text())
        return str(found.get(path.name, ""))
    except (OSError, ValueError, AttributeError):
        return ""
