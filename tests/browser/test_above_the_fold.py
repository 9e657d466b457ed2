"""While a run goes on, its curve and the controls of a demo are on the first screen; on a phone on the first two.

A page that trains: a line in ``PAGES``.
"""

from dataclasses import dataclass

import pytest

from tests.browser.conftest import SIZE, Visitor

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
SCREENS = {"laptop": (1440, 900), "small": (1280, 720)}
PROJECTOR, PHONE = (1920, 1080), (390, 844)
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


def where(visitor: Visitor, trains: Trains, screen: tuple[int, int]) -> dict[str, float]:
    """Where things stand on a screen, once the page has its final shape: the same at three looks."""
    page = visitor.page
    page.set_viewport_size(dict(zip(("width", "height"), screen, strict=True)))
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    seen: list[dict[str, float] | None] = [None]

    def still() -> bool:
        seen.append(page.evaluate(SEEN, [trains.chart, trains.controls]))
        return seen[-1] is not None and len(seen) > 3 and seen[-1] == seen[-2] == seen[-3]

    visitor.until(still, 120)
    coloured = page.locator('[class*="-runbar-atwork"] [data-testid="stBaseButton-primary"]').all_inner_texts()
    assert len(coloured) == 1 and "Pause" in coloured[0], "the coloured button ends nothing"
    found = seen[-1] or {}
    assert found["overflow"] <= 0, screen
    return found


def on_the_first(visitor: Visitor, trains: Trains, screen: tuple[int, int]) -> None:
    """The controls, and what counts of the chart; on a busy machine drawings take their new width seconds later."""
    for _ in range(10):
        seen = where(visitor, trains, screen)
        controls = 0 <= seen["first"] < seen["last"] <= screen[1]
        chart = seen["top"] >= 0 and seen["top"] + ENOUGH * seen["height"] <= screen[1]
        if controls and chart:
            return
    pytest.fail(f"not all of it is on {screen}: {seen}")


def on_a_phones_first_two(visitor: Visitor, trains: Trains) -> None:
    seen = where(visitor, trains, PHONE)
    assert seen["top"] + seen["height"] <= 2 * PHONE[1]
    assert seen["left"] >= 0 and seen["right"] <= PHONE[0]


@pytest.mark.parametrize("name", PAGES)
def test_the_curve_and_the_controls_are_on_the_first_screen_and_on_a_phones_first_two(visitor, name) -> None:
    """Of every screen, while one run goes on."""
    page, trains = visitor.page, PAGES[name]
    start(visitor, trains)
    for screen in SCREENS.values():
        on_the_first(visitor, trains, screen)
    on_a_phones_first_two(visitor, trains)
    page.set_viewport_size(SIZE)
    page.get_by_text("Teacher view").click()
    page.get_by_test_id("stSidebar").wait_for(state="hidden")
    on_the_first(visitor, trains, PROJECTOR)
    visitor.press("Stop")
    page.locator('[class*="-runbar-atwork"]').wait_for(state="detached")  # or the next one's shares the machine
    assert not visitor.errors


def test_the_run_bar_stays_in_sight_however_far_one_scrolls_and_a_phone_comes_by_the_link(visitor) -> None:
    page, trains = visitor.page, PAGES["char_rnn"]
    start(visitor, trains)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 900)")
    page.wait_for_timeout(300)
    pause = page.get_by_test_id("stMain").get_by_role("button", name="Pause")
    box = pause.bounding_box()
    assert 0 <= box["y"] < 300
    on_top = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y)?.closest('button')?.innerText ?? ''",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert "Pause" in on_top, "nothing lies over it"
    pause.click()
    page.get_by_test_id("stMain").get_by_role("button", name="Resume").click()
    page.get_by_test_id("stMain").get_by_role("button", name="Pause").wait_for()
    page.set_viewport_size(dict(zip(("width", "height"), PHONE, strict=True)))
    page.reload()
    page.locator('[class*="-runbar-atwork"]').first.wait_for()
    on_a_phones_first_two(visitor, trains)
    visitor.press("Stop")
    page.locator('[class*="-runbar-atwork"]').wait_for(state="detached")
    assert not visitor.errors
