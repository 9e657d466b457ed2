"""What the page shows, as its controls say and as its address says: one and the same, readable, and safe to type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from explorer import ladders
from explorer.figures.compare import X, Y
from explorer.ladders import Page
from explorer.store.index import ID, Query, Sort
from explorer.store.words import Kind, State
from explorer.ui import app, links, state

PAGE = Page.RUNS
MINE, ALL = "mine", "everybody's"
MOST = 8  #: runs over each other
MODELS = {rung.key: rung.title for ladder in ladders.LADDERS.values() for rung in ladder}
STATES = [str(word) for word in State if word != State.STOPPING]
_KINDS = {
    Kind.TRAIN: "training",
    Kind.LR_FIND: "rate sweep",
    Kind.EXPLODE: "exploding gradients",
    Kind.EVALUATE: "evaluation",
    Kind.OWN_CLASSES: "own classes",
    Kind.UNFREEZE: "own classes, unfrozen",
}
KINDS = {str(kind): _KINDS.get(kind, str(kind)) for kind in Kind}


@dataclass(frozen=True)
class Asked:
    """What is asked of the record, and what is laid over each other."""

    query: Query
    y: Y
    x: X
    log: bool


def follow_link() -> None:
    """Set the controls to what the address asks for, when that is not what this page wrote there itself."""
    here = state.runs()
    asked = st.query_params.to_dict()
    address = {name: asked[name] for name in NAMES if name in asked}
    if here.address == address:
        return
    here.address = address
    notices: list[str] = []

    def known(name: str, words: Sequence[str]) -> list[str]:
        found, strange = links.picked(address, name, words, most=len(words))
        notices.extend(strange)
        return found

    here.set("whose", ALL if known("whose", ["mine", "all"]) == ["all"] else MINE)
    here.set("models", known("model", list(MODELS)))
    here.set("states", known("state", STATES))
    here.set("kinds", known("kind", list(KINDS)))
    here.set("words", address.get("q", "")[:100])
    here.set("starred", address.get("star") == "1")
    here.set("sort", Sort((known("sort", list(Sort)) or [Sort.NEWEST])[0]))
    here.set("y", Y((known("y", list(Y)) or [Y.LOSS])[0]))
    here.set("x", X((known("x", list(X)) or [X.EPOCHS])[0]))
    here.set("log", address.get("log") == "1")
    here.sweep = address["sweep"] if ID.fullmatch(address.get("sweep", "")) else ""
    ids = [word for word in address.get("runs", "").split(",") if ID.fullmatch(word)]
    here.chosen = tuple(dict.fromkeys(ids))[:MOST]
    links.tell(notices)


NAMES = ("whose", "model", "state", "kind", "q", "star", "sort", "y", "x", "log", "sweep", "runs")


def controls() -> Query:
    """Whose runs, which of them, and in which order."""
    here = state.runs()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        whose = st.segmented_control("Whose", [MINE, ALL], required=True, key=here.key("whose"), width="content")
        words = st.text_input(
            "Search",
            key=here.key("words"),
            placeholder="name, note, settings, data …",
            icon=":material/search:",
            max_chars=100,
            width=230,
        )
        st.multiselect("Models", list(MODELS), format_func=MODELS.__getitem__, key=here.key("models"), width=230)
        st.multiselect("States", STATES, key=here.key("states"), width=180)
        st.multiselect("Kinds", list(KINDS), format_func=KINDS.__getitem__, key=here.key("kinds"), width=180)
        sort = st.selectbox("Sort by", list(Sort), key=here.key("sort"), width=200)
        starred = st.toggle("Starred", key=here.key("starred"))
    own = app.owner()
    return Query(
        own if whose == MINE and not here.sweep else None,
        tuple(here.value("models", [])),
        tuple(here.value("states", [])),
        tuple(here.value("kinds", [])),
        words or "",
        starred,
        Sort(sort or Sort.NEWEST),
        not_data="own-",
        but_of=own,
        sweep=here.sweep,
        folded=not here.sweep,
    )


def axes() -> tuple[Y, X, bool]:
    """What is laid over each other."""
    here = state.runs()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        y = st.segmented_control("Curves", list(Y), required=True, key=here.key("y"))
        x = st.segmented_control("Over", list(X), required=True, key=here.key("x"))
        log = st.toggle("Log scale", key=here.key("log"))
    return Y(y or Y.LOSS), X(x or X.EPOCHS), log


def write_link() -> None:
    """Put what is shown into the address, as far as it is not what anybody sees first."""
    here = state.runs()
    words: Mapping[str, str] = {
        "whose": "all" if here.value("whose", MINE) == ALL else "",
        "model": ",".join(here.value("models", [])),
        "state": ",".join(here.value("states", [])),
        "kind": ",".join(here.value("kinds", [])),
        "q": here.value("words", "") or "",
        "star": "1" if here.value("starred", False) else "",
        "sort": "" if here.value("sort", Sort.NEWEST) == Sort.NEWEST else str(here.value("sort", "")),
        "y": "" if here.value("y", Y.LOSS) == Y.LOSS else str(here.value("y", "")),
        "x": "" if here.value("x", X.EPOCHS) == X.EPOCHS else str(here.value("x", "")),
        "log": "1" if here.value("log", False) else "",
        "sweep": here.sweep,
        "runs": ",".join(here.chosen),
    }
    here.address = {name: word for name, word in words.items() if word}
    said = st.query_params.to_dict()
    for name in NAMES:
        if word := words[name]:
            if said.get(name) != word:
                st.query_params[name] = word
        elif name in said:
            del st.query_params[name]
