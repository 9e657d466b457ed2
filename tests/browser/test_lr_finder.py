"""A click on a curve takes the rate there, and the training page says to try it."""

import re

import pytest

from tests.browser.looks import settle

pytestmark = [pytest.mark.browser, pytest.mark.data]


def test_a_click_on_a_curve_takes_that_rate_along(visitor) -> None:
    page = visitor.open("lr_finder?models=convnet").page
    visitor.until(lambda: visitor.points(trace=1) > 20)
    settle(page)
    # Half way along the axis from 1e-5 to about 1: a rate near 1e-3 whatever the height.
    plot = page.locator(".explorer-plot .nsewdrag").first.bounding_box()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
    page.wait_for_timeout(300)
    page.mouse.click(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
    use = page.get_by_role("button", name=re.compile(r"Use [\d.e-]+ · yours"))
    use.wait_for()
    rate = float(re.search(r"Use ([\d.e-]+)", use.inner_text())[1])
    assert 5e-4 < rate < 2e-2
    use.click()
    page.wait_for_url(re.compile(r"cifar10\?.*lr="))
    page.get_by_text(f"{rate:g} comes from the LR finder").wait_for()
    visitor.press("Train")
    page.get_by_text("comes from the LR finder").wait_for(state="detached")
    visitor.press("Stop")
    assert not visitor.errors
