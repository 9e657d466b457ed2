"""Addresses as strangers might write them, through the pages' own scripts: no error, no request, no file elsewhere."""

import random
import re
import secrets
import socket
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer import paths
from explorer.data import text
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.store.words import Kind
from explorer.ui import parts
from explorer.ui.desk import entry
from explorer.ui.runs import asked
from tests.addresses import NAMES, odd
from tests.pages.conftest import open_page

pytestmark = pytest.mark.data
EACH, SESSION = 40, 8  # addresses a page is asked for, and how many of them one visitor follows
PAGES = ("home", "char_rnn", "cifar10", "lr_finder", "batchnorm", "cam", "runs", "desk")
BOUND = re.compile(r'(?:bound|tab|followed|say)\(\s*"(\w+)"')
OPENS = ("evaluating", "map", "time", "memory", "network", "code", "notes", "loop", "layers", "everybody's", "0.5", "7")
ACTIVE = re.compile(r"(?<!\\)\]\(|(?<!\\)<(img|script|iframe|a)\b[^>]*(evil|alert)|(?<!\\):red\[x|https?://evil")
CHECKED = ("markdown", "caption", "toast", "html", "title", "header", "info", "warning", "error", "success")


class Watch:
    """What the process opens and where it connects while it is switched on; an audit hook stays for good."""

    def __init__(self) -> None:
        self.on, self.opened, self.asked = False, set[str](), list[str]()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple) -> None:
        if self.on and event == "open" and isinstance(args[0], str | bytes | Path):
            self.opened.add(str(args[0]))
        elif self.on and event in ("socket.connect", "socket.getaddrinfo"):
            self.asked.append(f"{event} {args[1:] if event == 'socket.connect' else args}")


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def may_be_opened(path: str) -> bool:
    """Programs and what comes with them, the data, this server's own home, and what the system tells of itself."""
    home = (sys.prefix, sys.base_prefix, paths.REPOSITORY, paths.home(), "/proc", "/sys", "/dev", "/usr", "/tmp/torch")
    real = Path(path).resolve()
    return (
        any(real.is_relative_to(Path(root).resolve()) for root in home)
        or real.parent == paths.find_data("nietzsche.txt").parent
    )


def rendered(at: AppTest) -> str:
    """All that a browser would read as Markdown or HTML."""
    found = [getattr(element, "value", "") or "" for kind in CHECKED for element in at.get(kind)]
    return "\n".join(map(str, found))


def bound() -> list[str]:
    """Every parameter that a page reads, as the pages' sources have it."""
    sources = "".join(file.read_text() for file in (paths.REPOSITORY / "explorer" / "ui").rglob("*.py"))
    return sorted({*NAMES, *BOUND.findall(sources), *asked.NAMES} - {"start"})  # which sets something to work


@pytest.mark.parametrize("page", PAGES)
def test_no_address_brings_a_page_down_or_leads_out_of_the_house(page, watch, monkeypatch, few_asked) -> None:
    monkeypatch.setenv(entry.VARIABLE, "a long enough token of a teacher")
    rng, names = random.Random(page), bound()
    own = text.keep_own(b"The quick brown fox jumps over the lazy dog. " * 60, "somebody else")
    theirs = queue.registry().submit(
        Job(rng.choice([*Kind]), "theirs", owner=secrets.token_hex(4), experiment=Experiment.of("gru"))
    )
    told, at, watch.opened, watch.asked = False, open_page(page), set(), []
    for number in range(EACH):
        if number % SESSION == 0:
            at = open_page(page)
            assert "Teacher view" in [toggle.label for toggle in at.toggle], "the app is around it"
            at.session_state["share"] = True  # the code of its link, too
        query = odd(rng, own, theirs.id, "1", *OPENS, names=names) if number else {"run": theirs.id}
        at.query_params.clear()
        for name, word in query.items():
            at.query_params[name] = word.encode("utf-8", "replace").decode()
        watch.on = True
        try:
            at.run()
        finally:
            watch.on = False
        assert not at.exception, (query, at.exception)
        assert not (found := ACTIVE.search(rendered(at))), (query, found)
        assert not [path for path in watch.opened if not may_be_opened(path)], query
        assert not watch.asked, query
        watch.opened.clear()
        told |= "From the link" in rendered(at)
    assert told or page in ("runs", "desk"), "what it asks for in vain is said"


def test_what_the_others_watch_for_is_heard(watch) -> None:
    assert ACTIVE.search("![x](http://evil/x.png)") and ACTIVE.search('<img src="//evil">')
    assert ACTIVE.search("see https://evil") and ACTIVE.search(":red[x]")
    assert not ACTIVE.search(parts.escape("![x](http://evil/x.png) :red[x] <img src=//evil>"))
    watch.on = True
    try:
        assert Path("/etc/hostname").read_text()
        with socket.socket() as line, pytest.raises(OSError):
            line.connect(("127.0.0.1", 9))
    finally:
        watch.on = False
    assert "/etc/hostname" in watch.opened and not may_be_opened("/etc/hostname") and "9)" in watch.asked[0]
