"""While a run goes on, its curve and the controls of a demo are on the first screen; on a phone on the first two.

A page that trains: a line in ``PAGES``.
"""

import re
from dataclasses import dataclass

import pytest

from tests.browser.conftest import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.data]

ENOUGH = 0.6  # of the chart's height


@dataclass(frozen=True)
class Trains:
    """A page that trains, with settings that keep it busy, and what must be seen of it."""

    path: str
    start: str  #: the button that begins
    controls: str  #: a CSS selector of what holds the demo's controls
    chart: str = '.explorer-plot[aria-label*="loss"]'  #: of the chart that moves


PAGES = {
    "char_rnn": Trains("char_rnn?model=gru&hidden=64&epochs=20&schedule=constant", "Train", ".st-key-char_rnn-demo"),
    "cifar10": Trains("cifar10?model=bn&images=20000&batch_size=32&epochs=8", "Train", ".st-key-cifar10-demo"),
    "race": Trains("batchnorm?race=ten-times&images=20000", "Start the race", ".st-key-batchnorm-race-demo"),
    "sweep": Trains(
        "lr_finder?models=resnet2,resnet&steps=400",
        "Sweep",
        ".st-key-lr_finder-demo",
        '.explorer-plot[aria-label^="Loss against"]',
    ),
    "your own": Trains("cifar10?model=builder&images=20000&batch_size=32&epochs=8", "Train", ".st-key-cifar10-demo"),
}
SCREENS = {"laptop": (1440, 900, False), "small": (1280, 720, False), "projector": (1920, 1080, True)}
SEEN = """([chart, controls]) => {
    const [plot, demo] = [chart, controls].map(one => document.querySelector(one));
    if (!plot?.calcdata?.flat().length || !demo) return null;
    const box = plot.getBoundingClientRect(), row = demo.getBoundingClientRect();
    return { top: box.top, height: box.height, left: box.left, right: box.right, first: row.top, last: row.bottom,
             overflow: document.scrollingElement.scrollWidth - innerWidth }; }"""


def start(visitor: Visitor, trains: Trains) -> None:
    """Begin the page's run and wait for its curve."""
    page = visitor.open(trains.path).page
    visitor.press(trains.start)
    page.locator('[class*="-runbar-atwork"]').first.wait_for()
    page.get_by_test_id("stMain").get_by_role("button", name="Pause").wait_for()
    visitor.until(lambda: page.evaluate(SEEN, [trains.chart, trains.controls]), 120)


def where(visitor: Visitor, trains: Trains) -> dict[str, float]:
    """Where things stand once the page has its final shape: the same three times, a fifth of a second apart."""
    seen: list[dict[str, float] | None] = [None]

    def still() -> bool:
        seen.append(visitor.page.evaluate(SEEN, [trains.chart, trains.controls]))
        return seen[-1] is not None and len(seen) > 3 and seen[-1] == seen[-2] == seen[-3]

    visitor.until(still, 120)
    coloured = visitor.page.locator('[class*="-runbar-atwork"] [data-testid="stBaseButton-primary"]').all_inner_texts()
    assert len(coloured) == 1 and "Pause" in coloured[0], "the coloured button ends nothing"
    return seen[-1] or {}


@pytest.mark.parametrize("name", PAGES)
def test_the_curve_and_the_controls_are_on_the_first_screen_and_on_a_phones_first_two(visitor, name) -> None:
    """Of every screen, while one run goes on; a phone comes to it by its link."""
    page, began = visitor.page, False
    for screen, (width, height, teacher) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        if not began:
            start(visitor, PAGES[name])
            began = True
        if teacher:
            page.get_by_text("Teacher view").click()
            page.get_by_test_id("stSidebar").wait_for(state="hidden")
        page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
        seen = where(visitor, PAGES[name])
        assert 0 <= seen["first"] < seen["last"] <= height, f"the controls, {screen}"
        assert seen["top"] >= 0 and seen["top"] + ENOUGH * seen["height"] <= height, f"the chart, {screen}"
        assert seen["overflow"] <= 0, screen
    page.set_viewport_size({"width": 390, "height": 844})
    if name == "sweep":  # which no link brings back
        start(visitor, PAGES[name])
    else:
        page.goto(re.sub("&?teacher=1", "", page.url))
        page.locator('[class*="-runbar-atwork"]').first.wait_for()
    seen = where(visitor, PAGES[name])
    assert seen["top"] + seen["height"] <= 2 * 844
    assert seen["left"] >= 0 and seen["right"] <= 390 and seen["overflow"] <= 0
    visitor.press("Stop")
    assert not visitor.errors


def test_the_run_bar_stays_in_sight_however_far_one_scrolls(visitor) -> None:
    page = visitor.page
    trains = PAGES["char_rnn"]
    visitor.open(trains.path)
    visitor.press("Train")
    page.locator('[class*="-runbar-atwork"]').first.wait_for()
    visitor.until(lambda: page.evaluate(SEEN, [trains.chart, trains.controls]), 120)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 900)")
    page.wait_for_timeout(500)
    pause = page.get_by_test_id("stMain").get_by_role("button", name="Pause")
    box = pause.bounding_box()
    assert 0 <= box["y"] < 300
    on_top = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y)?.closest('button')?.innerText ?? ''",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert "Pause" in on_top, "nothing lies over it"
    pause.click()
    page.get_by_test_id("stMain").get_by_role("button", name="Resume").wait_for()
    visitor.press("Stop")
    page.locator('[class*="-runbar-atwork"]').wait_for(state="detached")
    assert not visitor.errors
