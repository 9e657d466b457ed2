"""A visitor sweeps the rate, takes the suggestion and trains a rung on real pictures, in a real browser."""

import re

import pytest

from explorer.experiment import Experiment

pytestmark = [pytest.mark.browser, pytest.mark.data]


def test_sweep_take_the_suggestion_train_and_see_accuracy_rise(visitor) -> None:
    page = visitor.open("cifar10?model=convnet&images=4000&batch_size=64&epochs=3&lead_epochs=0").page
    page.get_by_text("1 epoch").first.wait_for(timeout=120_000)  # the first decoding takes long
    visitor.idle()
    visitor.press("Find a learning rate")
    page.get_by_role("heading", name="LR finder").wait_for()
    visitor.idle()
    visitor.press("Sweep")
    page.get_by_role("button", name=re.compile("^Use ")).first.wait_for()
    page.get_by_text(re.compile(r"\bdone\b")).first.wait_for()
    visitor.idle()  # the last suggestions are drawn a moment after the word
    suggestion = page.get_by_role("button", name=re.compile("^Use ")).first
    rate = float(re.search(r"Use ([\d.e+-]+)", suggestion.inner_text()).group(1))
    suggestion.click()

    page.get_by_role("heading", name="CIFAR-10").wait_for()
    visitor.until(lambda: "images=4000" in page.url)  # what was set before the sweep is still set
    if rate != Experiment.of("convnet").lr:  # a link names only what differs from the lecture's
        visitor.until(lambda: f"lr={rate:g}" in page.url or f"lr={rate}" in page.url)
    visitor.idle()
    visitor.press("Train")
    page.get_by_text(re.compile(r"\bdone\b")).first.wait_for(timeout=120_000)
    visitor.until(lambda: accuracies(page))
    rising = accuracies(page)[0]
    assert rising[-1] > max(0.2, rising[0])
    assert not visitor.errors


def accuracies(page) -> list[list[float]]:
    """What the validation traces of three epochs on screen show; losses lie above 1."""
    traces = page.evaluate(
        """() => Array.from(document.querySelectorAll('.explorer-plot')).flatMap(plot => plot.data ?? [])
                 .filter(trace => trace.name === 'validation').map(trace => Array.from(trace.y))"""
    )
    return [values for values in traces if len(values) == 3 and max(values) < 1]


CELL = """() => { const plot = document.querySelector('.explorer-plot[aria-label^="Confusion"]');
    plot.scrollIntoView({ block: 'center' });
    const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p('dog'), box.top + yaxis._offset + yaxis.d2p('cat')]; }"""


def test_a_click_into_the_confusion_matrix_shows_its_pictures(visitor) -> None:
    page = visitor.open("cifar10?model=convnet").page
    page.locator('.explorer-plot[aria-label^="Confusion"] .nsewdrag').first.wait_for(timeout=180_000)
    visitor.idle()
    page.evaluate(CELL)
    page.wait_for_timeout(500)  # scrolled
    page.mouse.click(*page.evaluate(CELL))
    visitor.until(lambda: "it was cat" in page.get_by_test_id("stMain").inner_text(), 90)
    gallery = page.locator(".x-gallery").inner_text()
    assert gallery.count("dog") >= 3 and gallery.count("it was cat") >= 3 and "it was dog" not in gallery
    assert not visitor.errors


def test_a_network_that_cannot_be_is_said_so_until_it_can(regular) -> None:
    visitor = regular
    page = visitor.visit("cifar10?model=builder&widths=8,8,8,8,8,8&stem=0&show=network").page
    main = page.get_by_test_id("stMain")
    train = main.get_by_role("button", name=re.compile(r"\bTrain\b"))
    main.get_by_text("shrink").wait_for()
    assert not train.count()
    for widths, there in (("8,16", True), ("8,8,8,8,8,8", False), ("8,16,32", True)):
        box = main.get_by_role("textbox", name=re.compile("^Widths"))
        box.fill(widths)
        box.press("Enter")
        visitor.until(lambda there=there: bool(train.count()) == there)
        main.get_by_text("shrink").wait_for(state="detached" if there else "visible")
    page.get_by_text("The learning rate these settings plan").wait_for()
    page.get_by_text("Multiply-adds a picture", exact=True).wait_for()
    assert page.get_by_test_id("stException").count() == 0 and not visitor.errors
