"""What an address asks of a page: read with suspicion, in one place, and told about in one notice."""

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from explorer import ladders
from explorer.data import text
from explorer.experiment import SETTINGS, Experiment
from explorer.ladders import Ladder
from explorer.ui import parts, state

SENTENCES, LONGEST = 3, 200  # of a notice; characters of each
#: What a link may name besides a text of one's own.
DATA = {Ladder.LANGUAGE: text.NAMES, Ladder.VISION: ("auto", "standin")}


def experiment(query: Mapping[str, str], default_model: str, owner: str) -> tuple[Experiment, list[str]]:
    """The experiment a link describes to ``owner`` on the page of ``default_model``'s ladder.

    Returns:
        The experiment, as it would be without what cannot be used, and a sentence for each such thing.
    """
    ladder = ladders.rung(default_model).ladder
    found, notices = Experiment.from_query(query, default_model)
    if found.rung.ladder != ladder:
        notices = [f"From the link: {found.rung.title} has another page. Ignored."]
        found = Experiment.of(default_model)
    if found.data not in DATA[ladder]:
        if text.is_own(found.data) and not text.may_see(found.data, owner):
            why = "Its text is another visitor's own, which only they see."
        elif ladder == Ladder.LANGUAGE and text.is_own(found.data):
            return found, notices
        else:
            why = f"There are no data called {found.data!r} here."
        notices.append(f"From the link: {why} Ignored.")
        found = found.replace(data="auto")
    return found, notices


def picked(query: Mapping[str, str], name: str, known: Iterable[str], most: int = 1) -> tuple[list[str], list[str]]:
    """Those words of a parameter, between commas, that are known; each once and ``most`` of them at most.

    Returns:
        The words, and a sentence if others were left out.
    """
    known = set(known)
    asked = [word for word in query.get(name, "").split(",") if word]
    words = list(dict.fromkeys(word for word in asked if word in known))
    strange = [word for word in asked if word not in known]
    notices = [f"From the link: {name} cannot be {strange[0]!r}. Ignored."] if strange else []
    if len(words) > most:
        notices.append(f"From the link: {name} takes {most} at most; the first are used.")
    return words[:most], notices


def hide() -> str:
    """The settings a teacher's link hides, between commas: on its page and on every later one of the session."""
    if "hide" in st.query_params:
        words, notices = picked(st.query_params, "hide", SETTINGS, most=len(SETTINGS))
        tell(notices)
        state.session().hidden = ",".join(words)
    return state.session().hidden


def tell(sentences: Sequence[str]) -> None:
    """One notice of what a link asked for in vain, in its own words and not as Markdown; each only once a session."""
    told = state.session().told
    new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in told]
    if not new:
        return
    told.update(new)
    shown = [_short(sentence) for sentence in new[:SENTENCES]]
    if more := len(new) - SENTENCES:
        shown += [f"And {more} more."] if more > 0 else []
    st.toast(parts.escape(" ".join(shown)), icon=":material/link_off:", duration="long")


def _short(sentence: str) -> str:
    words = " ".join(sentence.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
