"""Small pieces pages share: headings, source notices, text a model wrote, code, links."""

import ast
import contextlib
import functools
import html
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from explorer.data import SourceKind
from explorer.errors import ExplorerError, log_detail
from explorer.jobs.job import Job
from explorer.ladders import Rung
from explorer.store.words import State
from explorer.ui import state

if TYPE_CHECKING:
    from explorer.data import Source
    from explorer.lecture.verdicts import Verdict
    from explorer.models.generate import Character
    from explorer.models.summary import LayerRow

Colour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "primary"]
STATE_LOOKS: dict[str, tuple[str, Colour]] = {
    State.QUEUED: ("hourglass_top", "gray"),
    State.RUNNING: ("play_arrow", "green"),
    State.PAUSED: ("pause", "orange"),
    State.STOPPING: ("stop", "gray"),
    State.DONE: ("check", "green"),
    State.STOPPED: ("stop", "gray"),
    State.FAILED: ("error", "red"),
    State.DIVERGED: ("trending_up", "red"),
    "recorded": ("inventory_2", "blue"),
}


@dataclass(frozen=True)
class Ready:
    """HTML to be drawn as it stands; a string is unindented by Streamlit, line by line, at every run."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def image(file: bytes, **options: Any) -> None:
    """``st.image`` of a PNG or JPEG file as it is: told its format, Streamlit does not decode it at each run.

    A ``width`` in pixels below the file's own would have it encoded anew each time; a container's width does not.
    """
    st.image(file, output_format="PNG" if file.startswith(b"\x89PNG") else "JPEG", **options)


def drawing(svg: str, caption: str = "") -> None:
    """An inline SVG in the page's own colours (``st.html`` and ``st.image`` would not let it inherit them)."""
    st.markdown(svg, unsafe_allow_html=True)
    if caption:
        st.caption(caption)


def title(text: str, icon: str, idea: str = "") -> None:
    """The page's heading and, where there is one, the line under it."""
    st.title(f":material/{icon}: {text}", anchor=False)
    if idea:
        st.html(f'<p class="idea">{html.escape(idea)}</p>')


def state_badge(state: str, note: str = "") -> None:
    """What a run is doing, in a word, a sign and a colour."""
    icon, colour = STATE_LOOKS[state]
    st.badge(state, icon=f":material/{icon}:", color=colour, help=note or None)


def recorded(device: str, button: str, what: str = "on CIFAR-10") -> None:
    """Above what ships with the program: where it was measured, and what gets one of the visitor's own."""
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge("recorded")
        st.caption(f"Measured {what} ({escape(device)}). Press **{button}** to run your own.")


def source_note(source: "Source | None") -> None:
    """What the numbers were measured on."""
    if source is not None:
        st.caption(source_name(source))
        source_notice(source)


ICONS = {
    SourceKind.REAL: "verified",
    SourceKind.SAMPLE: "photo_library",
    SourceKind.STANDIN: "draft",
    SourceKind.YOURS: "person",
}


def source_name(source: "Source | None") -> str:
    """What the numbers were measured on, as Markdown in one line; "" before that is known."""
    if source is None:
        return ""
    return f":material/{ICONS[source.kind]}: {escape(source.name)}"


def source_notice(source: "Source | None") -> None:
    """What one should know about the data, where there is such a thing."""
    if source is not None and source.notice:
        st.info(escape(source.notice), icon=":material/info:")


def escape(text: str) -> str:
    """User text that Markdown would take for markup, as it is."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|$~:" else c for c in text)


def upload_limit(most: int) -> int:
    """Megabytes for a ``file_uploader`` that may take ``most`` bytes: what the server cuts off is not promised."""
    return min(most // 1_000_000, int(st.get_option("server.maxUploadSize")))


def cookies_for_files() -> None:
    """Beside a ``file_uploader``: what to do where the server refuses every file, as Streamlit does without cookies."""
    if state.session().forgotten:
        st.caption(
            ":orange[:material/cookie_off: Your browser refuses cookies, and without them this server takes no files: "
            "it answers 403. Allow cookies for this address, then reload the page.]"
        )


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What a click asks for may be refused: the sentence is drawn here, and the rest of the block left out."""
    try:
        yield
    except ExplorerError as error:
        refused(error)


def refused(error: ExplorerError) -> None:
    """Why not, in a sentence; the log has the detail."""
    log_detail(error)
    st.error(escape(str(error)), icon=":material/error:")


def problem(job: Job[Any]) -> None:
    """Why a run failed or diverged, and what to try; a notice about the disk."""
    if job.state == State.FAILED:
        st.error(escape(job.message), icon=":material/error:")
    elif job.state == State.DIVERGED:
        st.warning(escape(job.message), icon=":material/trending_up:")
    elif job.message:
        st.caption(escape(job.message))
    if job.notice:
        st.warning(escape(job.notice), icon=":material/save:")


def verdict(found: "Verdict", source: str) -> None:
    """What came out of a claim: whether it agrees, where that was measured, and the sentence with its numbers."""
    looks: dict[bool | None, tuple[str, str, Colour]] = {
        True: ("agrees", "check_circle", "green"),
        False: ("does not agree", "cancel", "orange"),
        None: ("it depends", "help", "gray"),
    }
    words, icon, colour = looks[found.agrees]
    with st.container(gap="xxsmall"):
        st.badge(f"{words} · {source}", icon=f":material/{icon}:", color=colour)
        st.markdown(escape(found.text))


def written(prompt: str, characters: "Sequence[Character]", surprise: bool) -> str:
    """HTML of a prompt and what a model wrote; each character shaded by how surprised the model was."""
    body = "".join(_shaded(c) if surprise else html.escape(c.text) for c in characters)
    return f'<div class="written"><span class="prompt">{html.escape(prompt)}</span>{body}</div>'


def _shaded(character: "Character") -> str:
    strength = min(1.0, character.surprise / 5.0)
    return (
        f'<span style="background:rgba(201,105,15,{0.55 * strength:.2f})" '
        f'title="{character.surprise:.2f} nats">{html.escape(character.text)}</span>'
    )


def code(thing: Any, note: str = "") -> None:
    """The source of a class or function, as it runs; its long docstrings, cut to a line, on demand."""
    if note:
        st.caption(note)
    short, docstrings = shortened(source(thing))
    st.code(short, language="python", line_numbers=False)
    if docstrings:
        with st.popover("Its docstring" if len(docstrings) == 1 else "Its docstrings", type="tertiary"):
            for words in docstrings:
                st.code(words, language=None, wrap_lines=True)


@functools.lru_cache(maxsize=256)
def source(thing: Any) -> str:
    """The lines of a class or function, looked up once: finding them reads the whole file's syntax."""
    return re.sub(r"  # type: ignore.*", "", inspect.getsource(thing))  # a word to the type checker alone


@functools.lru_cache(maxsize=128)
def shortened(text: str) -> tuple[str, tuple[str, ...]]:
    """Source with the first line only of each docstring of several, and those docstrings whole."""
    text, found = textwrap.dedent(text), []
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and (words := ast.get_docstring(node)):
            first = node.body[0]
            if first.lineno != first.end_lineno:
                found.append((first, words))
    for first, words in sorted(found, key=lambda one: -one[0].lineno):
        line = words.splitlines()[0]
        lines[first.lineno - 1 : first.end_lineno] = [f'{" " * first.col_offset}"""{line}"""']
    return "\n".join(lines) + "\n", tuple(words for _, words in found)


def layer_cells(row: "LayerRow", learns: str = "learns") -> dict[str, str | int]:
    """A layer's line in a table of layers; ``learns`` heads the parameters that training changes."""
    return {
        "layer": row.name,
        "kind": row.kind,
        "in": " × ".join(map(str, row.input)),
        "out": " × ".join(map(str, row.output)),
        "parameters": row.parameters,
        learns: row.trainable,
        "multiply-adds": row.multiply_adds,
    }


def reference_table(rung: Rung) -> None:
    """The lecture's own figures for a rung, labelled as such."""
    if rung.figures:
        st.dataframe(
            [
                {"measured by": f.source, "what": f.metric, "after epochs": f.epochs, "value": f.value}
                for f in rung.figures
            ],
            hide_index=True,
            width="stretch",
        )


def seconds(value: float) -> str:
    """A duration in words."""
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"
