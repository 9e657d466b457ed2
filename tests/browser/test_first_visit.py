"""A fresh clone, without data and without a network: everything a newcomer opens is real, and nothing is red."""

import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Request

from explorer import paths
from tests.browser.conftest import Visitor
from tests.browser.looks import PLACES, SHOWN, settle
from tests.serving import serve

pytestmark = pytest.mark.browser

HOME_VIEWS = ("The claims", "Did you notice?", "Data and weights")
SECTIONS = [name for name, path in PLACES.items() if path.startswith("batchnorm")]
UNREAL = ("trained on other pictures", "Drop a photo above", "Nothing is recorded", "stand-in's picture")
EMPTY = """all => all.filter(element => element.checkVisibility() && !element.innerText.trim()
    && !element.querySelector('svg, img, canvas, input, textarea')).length"""


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory, browser: Browser) -> Iterator[tuple[Visitor, set[str]]]:
    """Somebody on a fresh clone, whose server and browser reach nothing but 127.0.0.1; and what else they asked for."""
    clone, home = tmp_path_factory.mktemp("clone") / "explorer", tmp_path_factory.mktemp("home")
    subprocess.run(["git", "clone", "-q", f"file://{paths.REPOSITORY}", str(clone)], check=True, timeout=120)
    nowhere = "http://127.0.0.1:9"
    alone = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere)
    asked: set[str] = set()

    def heard(request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.hostname != "127.0.0.1":
            asked.add(request.url)

    with serve(home, folder=clone, EXPLORER_DATA="", **alone) as server:
        viewport = {"width": 1440, "height": 900}
        context = browser.new_context(viewport=viewport, proxy={"server": nowhere, "bypass": "127.0.0.1"})
        context.on("request", heard)
        yield Visitor(context.new_page(), server), asked
        context.close()


def look(visitor: Visitor, where: str) -> None:
    """Nothing is red or unreal, and every tab and fold that is open has something in it."""
    page = visitor.page
    settle(page)
    red = page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').all_inner_texts()
    assert red == [], where
    words = page.get_by_test_id("stMain").inner_text()
    assert [word for word in UNREAL if word in words] == [], where
    for kind in ('[role="tabpanel"]:not([hidden])', '[data-testid="stExpanderDetails"]'):
        assert page.locator(kind).evaluate_all(EMPTY) == 0, f"{where}: something opened on nothing"


SHUT = """all => all.map((one, at) => [at, one.innerText.slice(0, 60)])
    .filter(([at]) => all[at].checkVisibility() && !all[at].parentElement.open)"""
UNSEEN = """(all, from) => all.findIndex((one, at) => at >= from && one.checkVisibility()
    && one.ariaSelected !== 'true')"""


def unfold(visitor: Visitor, known: set[str]) -> list[str]:
    """Open every fold that is shut and not ``known``; the names of those there were."""
    folds, opened = visitor.page.get_by_test_id("stMain").locator("details > summary"), []
    while new := [(at, name) for at, name in folds.evaluate_all(SHUT) if name not in known]:
        at, name = new[0]
        folds.nth(at).click()
        known.add(name)
        opened.append(name)
    return opened


def walk(visitor: Visitor, where: str) -> int:
    """Open every fold and every tab of a page but those that are places of their own; how many there were."""
    main, known, opened = visitor.page.get_by_test_id("stMain"), set[str](), 0
    tabs = main.get_by_role("tab")
    at = main.get_by_role("tablist").first.get_by_role("tab").count() if where in SECTIONS else 0
    while names := unfold(visitor, known):  # there may be more in them
        look(visitor, f"{where}: {', '.join(names)}")
    while (at := tabs.evaluate_all(UNSEEN, at)) >= 0:  # also those that come to be on the way
        tab = tabs.nth(at)
        tab.click()
        names = unfold(visitor, known)
        look(visitor, f"{where}: {tab.inner_text()} {', '.join(names)}")
        while names := unfold(visitor, known):
            look(visitor, f"{where}: {', '.join(names)}")
        at, opened = at + 1, opened + 1
    return len(known) + opened


@pytest.mark.parametrize("name", PLACES)
def test_everything_opens_on_something_real(newcomer, seen, name) -> None:
    visitor, asked = newcomer
    visitor.errors.clear()
    visitor.go(PLACES[name])
    look(visitor, name)
    shown = visitor.page.evaluate(SHOWN)
    assert seen.setdefault(shown, name) == name, f"{shown} is {seen[shown]}"
    if name == "home":
        for view in HOME_VIEWS:
            visitor.page.get_by_role("radio", name=view).click()
            visitor.page.get_by_role("radio", name=view, checked=True).wait_for()
            look(visitor, view)
    opened = walk(visitor, name)
    assert opened or name in ("home", "runs")
    assert visitor.errors == []
    assert asked == set(), "nothing is asked of anybody else"


def test_the_claims_all_say_what_came_out(newcomer) -> None:
    visitor, _ = newcomer
    page = visitor.page
    page.goto(f"{visitor.server.url}/?view=claims")
    settle(page)
    page.get_by_role("radio", name="The claims").click()
    settle(page)
    cards = page.locator('[class*="st-key-claim"]').filter(has=page.get_by_role("button", name="Make it happen"))
    assert cards.count() > 0
    for card in cards.all():
        assert "recorded here" in card.inner_text()


def test_a_clone_is_small() -> None:
    """23.5 MB were tracked before data shipped; the sampler and the recorded races are most of what came since."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=paths.REPOSITORY, timeout=60)
    files = [paths.REPOSITORY / name for name in listed.decode().split("\0") if name]
    assert sum(file.stat().st_size for file in files if file.is_file()) < 23.5e6 + 20e6
    assert sum(file.stat().st_size for file in paths.SHIPPED.rglob("*") if file.is_file()) < 15e6
