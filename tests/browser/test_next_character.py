"""The die of the Character RNN page: a temperature reshapes the bars in the browser, and what is drawn is appended."""

import numpy as np
import pytest

from explorer.models.next_character import Next

BARS = """() => [...document.querySelectorAll('.x-die tbody tr')].map(row =>
    [row.children[0].innerText, ...[1, 2].map(i => Number(row.children[i].innerText)),
     parseFloat(row.children[4].innerText)])"""


def _heat(page, degrees: float) -> None:
    page.locator(".x-die .heat").evaluate(
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }", degrees
    )


def test_a_temperature_reshapes_the_bars_at_once_and_a_drawn_character_is_appended(visitor) -> None:
    page = visitor.open("char_rnn?model=gru").page
    page.get_by_role("tab", name="The next character").click()
    page.locator(".x-die tbody tr").first.wait_for()
    visitor.idle()
    before = page.evaluate(BARS)
    assert len(before) == 10 and before[0][0] == "e"
    asked = []
    page.on("websocket", lambda socket: asked.append(socket))
    logits = page.evaluate("() => [...document.querySelectorAll('.x-die .strip i')].length")
    assert logits == 53
    for degrees in (0.5, 2.0):
        _heat(page, degrees)
        bars = page.evaluate(BARS)
        assert [bar[:2] for bar in bars] == [bar[:2] for bar in before], "the order and the logits stay"
        assert [bar[2] for bar in bars] == pytest.approx([bar[1] / degrees for bar in bars], abs=0.02)
        # Ten of 53 logits to two digits: ratios of shares are e to the differences.
        expected = Next(tuple("0123456789"), np.array([bar[1] for bar in bars])).shares(degrees)
        shown = np.array([bar[3] for bar in bars]) / 100
        assert shown / shown.sum() == pytest.approx(expected, abs=0.02)
    running = "document.querySelector('[data-testid=\"stApp\"]').dataset.testScriptState"
    assert page.evaluate(running) == "notRunning" and not asked
    _heat(page, 0.1)
    page.get_by_role("button", name="Draw one").click()
    assert "share of “e”" in page.locator(".x-die .said").inner_text()
    page.get_by_role("button", name="Append").click()
    visitor.until(lambda: page.locator(".written").last.inner_text() == "for those")
    visitor.until(lambda: page.evaluate(BARS)[0][0] != "e")
    assert not visitor.errors
