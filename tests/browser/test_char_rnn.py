"""A visitor trains a small GRU on the real text, in a real browser."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.data]
SMALL = "char_rnn?model=gru&hidden=32&n_fac=16&epochs=30&schedule=constant"  # is still at work when it is stopped


PLOTLY = """() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/media/'))
    .map(entry => [entry.decodedBodySize, entry.transferSize]).sort(([one], [other]) => other - one)[0]"""
RANGE = "() => document.querySelector('.explorer-plot').layout.xaxis.range"


def drag(page, left: float, right: float) -> None:
    """Zoom the first chart from one share of its width to another, as one does with a mouse."""
    box = page.locator(".explorer-plot .nsewdrag").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + left * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], y, steps=5)
    page.mouse.up()


def test_train_watch_change_the_rate_zoom_stop_write_and_come_back(visitor) -> None:
    page = visitor.open(SMALL).page
    visitor.press("Train")
    visitor.until(lambda: visitor.points() > 5)
    first = visitor.points()
    visitor.until(lambda: visitor.points() > first)
    run = re.search(r"run=(\w+)", page.url).group(1)

    # Zoom in, and see that it lasts while the curve grows.
    drag(page, 0.1, 0.4)
    zoomed = page.evaluate(RANGE)
    assert 0 < zoomed[0] < zoomed[1] < 20
    grown = visitor.points()
    visitor.until(lambda: visitor.points() > grown or visitor.points() >= 400)
    page.wait_for_timeout(1500)
    assert page.evaluate(RANGE) == zoomed

    # Another rate, while it runs.
    slider = page.get_by_role("slider", name=re.compile("^Learning rate")).first
    slider.focus()
    slider.press("ArrowRight")
    visitor.until(
        lambda: page.evaluate(
            """() => (document.querySelector('.explorer-plot').layout.annotations || [])
                       .some(note => note.text.startsWith('lr'))"""
        )
    )

    visitor.press("Stop")
    page.get_by_text(re.compile(r"\bstopped\b")).first.wait_for()
    visitor.press("Write")
    visitor.until(lambda: len(page.locator(".written").last.inner_text()) > 400)  # it streams in

    page.reload()
    visitor.idle()
    assert f"run={run}" in page.url
    page.get_by_text(re.compile(r"\bstopped\b")).first.wait_for()
    visitor.until(lambda: visitor.points() > 5)
    asked, came = page.evaluate(PLOTLY)
    assert asked > 1e6 and came == 0, "what draws charts has been here before"
    assert not visitor.errors


def test_something_is_on_screen_at_once(regular) -> None:
    visitor = regular
    page = visitor.visit("char_rnn").page
    page.locator(".written").first.wait_for()
    visitor.until(lambda: visitor.points(trace=2) == 9)
    assert "1.42" in page.inner_text("body")
    assert not visitor.errors
