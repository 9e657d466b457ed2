"""Files that visitors bring to the CAM page: taken from their widget, dropped by the server, refused with a reason."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from explorer.data.photos import EXTENSIONS, Refusal
from explorer.ui import internals, parts, state

MOST_REASONS = 6  # in the box about files that could not be used
TYPES = [*EXTENSIONS, "heic", "heif"]  # the last two only to say what to do about them
PRIVACY = "Photos stay in memory on this server and are not saved."


def fresh(name: str) -> str:
    """A widget key that changes once its files have been taken, so that it is empty again."""
    return ".".join((name, str(state.cam().generations.get(name, 0))))


def uploader(
    label: str, types: Sequence[str], name: str, most: int, take: Callable[..., None], *args: Any, **more: Any
) -> None:
    """Where files come in: ``take``, called with ``args`` and ``name``, reads them with :func:`uploaded`.

    Args:
        most: bytes of a file.
        more: what else Streamlit's own is told.
    """
    st.file_uploader(
        label,
        type=types,
        key=fresh(name),
        on_change=take,
        args=(*args, name),
        max_upload_size=parts.upload_limit(most),
        **more,
    )


def uploaded(name: str) -> list[UploadedFile]:
    """The files that the widget ``fresh(name)`` holds now."""
    value: UploadedFile | list[UploadedFile] | None = state.widget(fresh(name), None)
    return value if isinstance(value, list) else [value] if value else []


def taken(name: str, files: Sequence[UploadedFile]) -> None:
    """The files of the widget ``fresh(name)`` have been read: empty it."""
    internals.forget_uploads(files)
    generations = state.cam().generations
    generations[name] = generations.get(name, 0) + 1


def refusals(found: Sequence[Refusal]) -> None:
    """Which files could not be used, on one line: one with its reason, several with a list that opens."""
    if not found:
        return
    by_reason: dict[str, list[str]] = {}
    for refusal in found:
        by_reason.setdefault(refusal.reason, []).append(parts.escape(refusal.name or "The photo"))
    lines = [f"{_listed(names)}: {parts.escape(reason)}" for reason, names in list(by_reason.items())[:MOST_REASONS]]
    if len(found) == 1:
        st.markdown(f":red[:material/error: {lines[0]}]")
        return
    with st.popover(f":red[{len(found)} files could not be used]", icon=":material/error:", type="tertiary"):
        st.markdown("\n".join(f"- {line}" for line in lines))


def _listed(names: Sequence[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
