"""A visitor starts a race, watches curves and heat maps grow, scrubs back to a step, and stops it."""

import re

import pytest

from tests.load.viewer import Viewer
from tests.serving import run_apart

pytestmark = [pytest.mark.browser, pytest.mark.data]


def kinds(page) -> list[str]:
    """The kinds of traces on screen, a chart's first trace each."""
    return page.evaluate(
        "() => [...document.querySelectorAll('.explorer-plot')].map(p => p.data && p.data[0] ? p.data[0].type : '')"
    )


def test_start_a_race_see_it_scrub_and_stop(visitor) -> None:
    page = visitor.open("batchnorm?race=deeper&images=20000").page
    visitor.until(lambda: visitor.points() == 5)  # the untrained networks, before any click
    visitor.press("Start the race")

    # Both curves of losses grow, and every network has its heat map.
    visitor.until(lambda: visitor.points(trace=0) > 3 and visitor.points(trace=2) > 3)
    visitor.until(lambda: kinds(page).count("heatmap") == 3)
    first = visitor.points(trace=2)
    visitor.until(lambda: visitor.points(trace=2) > first)

    # Back to the first step; the race goes on meanwhile, and the chosen step stays.
    slider = page.get_by_role("slider", name=re.compile("^Look at step"))
    slider.focus()
    slider.press("Home")
    page.get_by_text("at step 1", exact=False).first.wait_for()
    grown = visitor.points(trace=2)
    visitor.until(lambda: visitor.points(trace=2) > grown)
    assert page.get_by_text("at step 1", exact=False).first.is_visible()

    visitor.press("Stop")
    page.get_by_text(re.compile(r"\bstopped\b")).first.wait_for()
    page.get_by_text("nothing is decided").wait_for()
    assert not visitor.errors


def test_a_step_of_a_recorded_race_draws_the_race_alone_as_the_whole_page_would(visitor) -> None:
    async def ask(query: str) -> list[str]:
        async with Viewer(visitor.server.url, "batchnorm", query) as viewer:
            await viewer.open()
            before = len(viewer.sliders)
            for name in list(viewer.sliders):
                await viewer.move(name)
            assert before and not viewer.errors
            return [name for name in viewer.sliders if not viewer.fragment_of[name]]

    assert run_apart(ask("")) == []
    (everything,) = run_apart(ask("show=memory"))
    assert "at" in everything, "another stretch of text is another text for all that is shown"

    page = visitor.visit("batchnorm").page
    slider = page.get_by_role("slider", name=re.compile("^Look at step"))
    slider.focus()
    slider.press("Home")
    seen = page.get_by_text("at step 1", exact=False)
    seen.first.wait_for()
    visitor.until(lambda: "step=1" in page.url)
    drawn = seen.all_inner_texts()
    page.reload()
    visitor.idle()
    assert slider.input_value() == "1" and seen.all_inner_texts() == drawn
    slider.focus()
    slider.press("End")
    page.get_by_text("at the end", exact=False).first.wait_for()
    visitor.until(lambda: "step=" not in page.url)
    assert not visitor.errors


def test_a_clicked_character_is_the_one_explained(visitor) -> None:
    page = visitor.open("batchnorm?show=memory").page
    page.get_by_text("The boxed character had a probability of").wait_for()
    slider = page.get_by_role("slider", name=re.compile("^Predicted character"))
    assert slider.input_value() == "96"
    page.locator('[data-at="40"]').click()
    visitor.until(lambda: slider.input_value() == "40")
    visitor.until(lambda: page.locator('[data-at="40"]').count() == 0)  # it has the box now
    page.locator('[data-at="120"]').click()
    visitor.until(lambda: slider.input_value() == "120")
    typed = page.get_by_role("textbox", name="… or text of your own")
    typed.fill("<img src=x> the will to power")
    typed.press("Enter")
    page.get_by_text("<img src=x>").first.wait_for()
    assert page.locator(".written img").count() == 0, "what a visitor types is text"
    assert not visitor.errors
