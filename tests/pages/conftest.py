"""The whole app in AppTest: one engine, one registry, pages reached as a visitor reaches them."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from explorer import paths
from explorer.jobs import queue
from explorer.lecture import steps
from explorer.store.store import Store
from explorer.training import evaluate
from explorer.ui import app
from explorer.ui.cifar10 import pictures
from tests import lent

APP = paths.REPOSITORY / "streamlit_app.py"
VISION = ("cifar10", "cam", "batchnorm", "lr_finder")  # pages that show or learn from CIFAR-10


def open_page(page: str, **query: str) -> AppTest:
    """The app on a page, after its first run."""
    lent.pictures(paths.home(), os.environ.get("EXPLORER_DATA", ""), page in VISION)  # as for all but the first
    at = AppTest.from_file(APP, default_timeout=90).run()
    at.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def told(at: AppTest) -> list[str]:
    """What the session's links asked for in vain. Not the toasts: a page that draws itself anew has them no more."""
    return sorted(sentence for sentence in at.session_state["session"].told)


def wait(at: AppTest, reached: Callable[[], bool], seconds: float = 60) -> None:
    """Run the app again and again, as its timer would, until something is so."""
    end, pause = time.monotonic() + seconds, 0.5  # a page that is always being drawn holds up what it waits for
    while time.monotonic() < end:
        at.run()
        assert not at.exception, at.exception
        drawn = time.monotonic()
        while not (done := reached()) and time.monotonic() < drawn + pause:
            time.sleep(0.02)
        if done:
            at.run()  # it may have come true after the page was drawn
            return
        pause = 1.0
    raise AssertionError("it did not happen in time")


def store_of(owner: str, tmp_path, monkeypatch) -> Store:
    """An empty record of runs, and whoever looks is its ``owner``."""
    made = Store(tmp_path / "runs")
    monkeypatch.setattr(app, "store", lambda: made)
    monkeypatch.setattr(app, "owner", lambda: owner)
    return made


def texts(at: AppTest) -> str:
    """Everything a visitor can read, as one string."""
    kinds = ("title", "header", "markdown", "caption", "error", "warning", "info")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(at, kind))


def numbers(at: AppTest) -> dict[str, str]:
    """The numbers of the run bar, by their names: value and note."""
    cells = (re.findall(r"<dt>([^<]+)</dt><dd>(.*?)</dd>", str(html.value)) for html in at.get("html"))
    return {name: re.sub("<[^>]+>", "", value) for found in cells for name, value in found}


def ticked(at: AppTest, page: str) -> set[str]:
    """The steps of "Try this" that are done, as the page shows them."""
    found = {step.id for step in steps.PAGES[page] if f"**{step.title}** *(done)*" in texts(at)}
    assert any(e.label == f"Try this · {len(found)} of {len(steps.PAGES[page])}" for e in at.expander)
    return found


@pytest.fixture
def few_asked(monkeypatch) -> Iterator[None]:
    """Every network is asked about a hundredth of the validation pictures at first, and about as many more in a run."""
    monkeypatch.setattr(evaluate, "SHARES", 100)
    monkeypatch.setattr(pictures, "AT_ONCE", 0.0)
    pictures._asking.clear()
    yield
    pictures._asking.clear()


@pytest.fixture
def few_pages(tmp_path, monkeypatch) -> None:
    """The first tenth of Nietzsche's text in place of the whole: an epoch takes a tenth of the time."""
    whole = paths.find_data("nietzsche.txt").read_bytes()
    (tmp_path / "few pages").mkdir()
    (tmp_path / "few pages" / "nietzsche.txt").write_bytes(whole[: len(whole) // 10])
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "few pages"))


@pytest.fixture(autouse=True, scope="session")
def scanned_once() -> Iterator[None]:
    """One register of components, as a server has; the harness looks through all packages anew for each visitor."""
    made = BidiComponentManager()
    made.discover_and_register_components(start_file_watching=False)
    with (
        patch.object(app_test, "BidiComponentManager", lambda: made),
        patch.object(made, "discover_and_register_components", lambda **_: None),
    ):
        yield


@pytest.fixture(autouse=True, scope="session")
def inside_the_app() -> Iterator[None]:
    """The app's script around every page, as on a server. The harness forgets that from one run to the next: it would
    take the folder of pages for pages that stand by themselves."""
    made = PagesManager.__init__

    def make(self: PagesManager, *args: Any, **how: Any) -> None:
        made(self, *args, **how)
        PagesManager.uses_pages_directory = False

    with patch.object(PagesManager, "__init__", make):
        yield


@pytest.fixture(autouse=True)
def no_runs_left() -> Iterator[None]:
    """Stop what a test left running: it would go on beside the next one."""
    yield
    end = time.monotonic() + 20
    while left := _at_work():
        if time.monotonic() > end:
            pytest.fail(f"Still at work 20 s after it was stopped: {', '.join(left)}.", pytrace=False)
        time.sleep(0.05)


def _at_work() -> list[str]:
    """The jobs, each told once more to stop, which ends its sweep, too, and the sweeps that have not ended."""
    jobs = [job for job in queue.registry().all() if not job.ended]
    for job in jobs:
        job.stop("The test is over.")
    sweeps = [thread.name for thread in threading.enumerate() if thread.name.startswith("sweep-")]
    return [*(f"{job.kind} {job.id} ({job.title}), {job.state}" for job in jobs), *sweeps]
