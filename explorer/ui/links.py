"""What an address asks of a page: read with suspicion, in one place, and told about in one notice.

Who writes into the address, in the order of a page's run:

1. :func:`begin`, from ``app.begin``: what a teacher's link hides, on every page.
2. Each control that a link can set, before it is drawn: :func:`bound`, :func:`tab`, or :func:`say` itself. What a link
   asks for goes before what was set; what is as it is by default is not written.
3. On a page that trains ``controls.write_link``, on the Runs page ``asked.write_link``: all of the experiment and its
   run, or of what is listed, at once.
4. :func:`end`, from ``app.end``, takes out the words of 2 whose controls are not on screen any more.

A fragment that runs alone does 2 and 3 for what is in it. A bare address opens a page as one left it in this session,
else as it is by default, which on a page that trains is the class's preset. One that says something means just that.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import streamlit as st

from explorer import ladders
from explorer.data import text
from explorer.experiment import SETTINGS, Experiment
from explorer.ladders import Ladder, Page
from explorer.ui import parts, state
from explorer.ui.kept import Session

ECHO = 3.0  # seconds within which a browser has heard of another address
SENTENCES, LONGEST = 3, 200  # of a notice; characters of each
#: What a link may name besides a text of one's own.
DATA = {Ladder.LANGUAGE: text.NAMES, Ladder.VISION: ("auto", "standin")}

EXPERIMENT = frozenset((*SETTINGS, "model", "run"))  #: the parameters of a page that trains


def of_experiment() -> dict[str, str]:
    """What the address says of an experiment and its run, and of nothing else."""
    return {word: text for word, text in st.query_params.items() if word in EXPERIMENT}


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
    say("hide", state.session().hidden)
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


def go(address: str) -> NoReturn:
    """Go where an address on this server leads, such as ``char_rnn?model=gru``."""
    page, _, query = address.partition("?")
    state.open(Page(page), None, None, **dict(parse_qsl(query)))


# -- what a page's controls are set to -------------------------------------------------------------------
@dataclass(frozen=True)
class Words:
    """How the setting of a control is written in an address, and read again."""

    read: Callable[[str], Any]  #: raises ValueError for what cannot be
    write: Callable[[Any], str] = str


def one_of(options: Iterable[Any], write: Callable[[Any], str] = str) -> Words:
    """One of a control's options, each by its short word."""
    by_word = {write(option): option for option in options}
    return Words(lambda word: _known(by_word, word), write)


def some_of(options: Iterable[Any], most: int = 100) -> Words:
    """Some of a control's options, between commas; each once, and ``most`` of them at most."""
    by_word = {str(option): option for option in options}

    def read(words: str) -> list[Any]:
        found = [_known(by_word, word) for word in dict.fromkeys(words.split(",")) if word]
        if len(found) > most:
            raise ValueError
        return found

    return Words(read, lambda values: ",".join(map(str, values)))


def span_of(stops: Iterable[Any]) -> Words:
    """From one of some stops to another, with two dots between."""
    by_word = {str(stop): stop for stop in stops}
    order = list(by_word)

    def read(words: str) -> tuple[Any, Any]:
        low, high = (_known(by_word, word) for word in words.split(".."))
        if order.index(str(low)) > order.index(str(high)):
            raise ValueError
        return low, high

    return Words(read, lambda span: f"{span[0]}..{span[1]}")


def number(low: float, high: float, kind: Callable[[str], Any] = float) -> Words:
    """A number within limits."""

    def read(word: str) -> Any:
        if not low <= (value := kind(word)) <= high:
            raise ValueError
        return value

    return Words(read, "{:g}".format)


def text_of(most: int) -> Words:
    """What a visitor typed, of at most so many characters."""

    def read(words: str) -> str:
        if len(words) > most or not words.isprintable():
            raise ValueError
        return words

    return Words(read)


_UNSET: Any = object()
SWITCH = Words(lambda word: _known({"1": True, "0": False}, word), lambda on: str(int(on)))


def _known(by_word: Mapping[str, Any], word: str) -> Any:
    if word not in by_word:
        raise ValueError
    return by_word[word]


def followed(word: str, key: str) -> str | None:
    """What a link asks for under a name; None where the address is as the page left it.

    Args:
        key: of a widget that the name is about: what stands there goes for one that is not set to anything yet.
    """
    asked = st.query_params.get(word)
    return None if asked == state.session().said.get(word) and state.drawn(key) else asked


def bound(word: str, key: str, words: Words, default: Any) -> str:
    """The key of a widget that is to be drawn next without a default of its own: the address says what it is set to.

    What a link asks for goes before what was set till then; a bare address changes nothing. What is as it is by
    default is not said, and what cannot be is told about.

    Args:
        word: the parameter, short; within a page only one control on screen has it.
        default: what the widget is set to where nobody said anything.
    """
    here, asked, value = state.session(), st.query_params.get(word), state.widget(key, _UNSET)
    if asked is not None and (value is _UNSET or asked != here.said.get(word)):  # as in `followed`
        try:
            value = words.read(asked)
            state.set_widget(key, value)
        except (ValueError, OverflowError):
            refuse(word, asked)
    if value is _UNSET:
        value = default
        state.set_widget(key, value)
    _say(here, word, None if value == default or value is None else words.write(value))
    return key


def tab(word: str, key: str, titles: Mapping[str, str]) -> str:
    """The same for a row of tabs, by the short words for their titles; the first is the one where nobody chose."""
    words = {title: short for short, title in titles.items()}
    return bound(word, key, one_of(words, words.__getitem__), next(iter(words)))


def refuse(word: str, asked: str) -> None:
    """Tell that a link asks for what cannot be."""
    tell([f"From the link: {word} cannot be {asked!r}. Ignored."])


def say(word: str, text: str | None) -> None:
    """Let the address say something; None: nothing of that name."""
    _say(state.session(), word, text)


def _say(here: Session, word: str, text: str | None) -> None:
    text = text or None
    here.said[word] = text
    here.words.add(word)
    here.now.add(word)
    if text is None:
        st.query_params.pop(word, None)
    elif st.query_params.get(word) != text:
        st.query_params[word] = text


def begin(page: str) -> None:
    """Before a page: no control has spoken yet; what holds on every page is said again."""
    here = state.session()
    here.now.clear()
    if here.page != page:
        here.page = page
        here.said.clear()
        here.left, here.replaced = st.query_params.to_dict(), None
    elif _is_echo(here):
        st.query_params.from_dict(here.left)
    hide()


def _is_echo(here: Session) -> bool:
    """Whether a browser still says the address that was just replaced: it clicked, or its timer did, before it heard.

    Followed as a link, that would bring back the run or the setting that one has just left.
    """
    asked = st.query_params.to_dict()
    return asked != here.left and asked == here.replaced and time.monotonic() - here.replaced_at < ECHO


def end() -> None:
    """After the page: what belongs to controls that are not on screen is no longer in the address."""
    here = state.session()
    for word in here.words - here.now:
        st.query_params.pop(word, None)
    if (now := st.query_params.to_dict()) != here.left:
        here.left, here.replaced, here.replaced_at = now, here.left, time.monotonic()
