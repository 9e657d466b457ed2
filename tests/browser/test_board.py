"""The training board as a student sees it: the curve of a run, in the first screen, from the first press."""

import re

import pytest

from tests.browser.looks import settle

pytestmark = [pytest.mark.browser, pytest.mark.data]

PLOT = """() => { const plot = document.querySelector('.explorer-plot');
    if (!plot?.calcdata?.[1]?.length) return {};
    const { top, bottom } = plot.getBoundingClientRect(), reach = plot.layout.xaxis.range[1];
    return { top, bottom, reach, filled: plot.calcdata[1].at(-1).x / reach }; }"""
BOLTS = """() => Object.fromEntries([...document.querySelectorAll('label p')]
    .map(label => [label.innerText, getComputedStyle(label, '::after').content]))"""


def transport(page):
    """The board's own buttons, from left to right."""
    names = ("Pause", "1 step", "1 epoch", "Stop", "Restart", "More")
    return [page.get_by_test_id("stMain").get_by_role("button", name=name).first for name in names]


def row(page) -> str:
    """The state and the numbers of the run bar."""
    return page.locator(".x-row").first.inner_text()


def drawn(visitor) -> dict[str, float]:
    """Where the chart of a run that goes on stands, how far its axis reaches, and how much of that is filled."""
    visitor.until(lambda: visitor.points(trace=1) > 5)
    seen = {}
    while not seen:  # it may just be drawn anew
        seen = visitor.page.evaluate(PLOT)
    return seen


def test_the_first_curve_is_seen_without_scrolling_and_fills_its_chart(visitor) -> None:
    page = visitor.open("").page
    visitor.press("Start")
    page.wait_for_url("**/char_rnn**")
    seen = drawn(visitor)
    assert 0 < seen["top"] < 690
    assert seen["bottom"] <= 900
    assert 1 <= seen["reach"] < 1.1, "one epoch is planned"
    told = [""]  # the numbers may be drawn a moment after the curve
    visitor.until(lambda: told.append(row(page)) or re.search(r"Training loss\s+\d\.\d{4}", told[-1]))
    assert re.search(r"Epoch\s+0\S* of 1", told[-1]), "known long before the epoch is over"
    rows = {round(button.bounding_box()["y"]) for button in transport(page)}
    assert len(rows) == 1, "one row of buttons"
    page.get_by_text(re.compile(r"\bdone\b")).first.wait_for(timeout=180_000)
    visitor.until(lambda: page.evaluate(PLOT).get("filled", 0) > 0.9)
    assert re.search(r"Epoch\s+1 of 1", row(page))

    # The lecture's nine epochs come when asked for, and go again.
    page.get_by_text("All the lecture's epochs").click()
    visitor.until(lambda: page.evaluate(PLOT).get("reach", 0) > 9)
    page.get_by_text("All the lecture's epochs").click()
    visitor.until(lambda: page.evaluate(PLOT).get("reach", 99) < 1.1)
    assert not visitor.errors


def test_the_curve_of_pictures_is_seen_without_scrolling(visitor) -> None:
    page = visitor.open("cifar10?model=convnet&images=20000&batch_size=32&epochs=2&lead_epochs=0").page
    visitor.press("Train")
    visitor.until(lambda: "run=" in page.url and page.evaluate(PLOT).get("reach", 99) < 2.1)  # recorded were six epochs
    seen = drawn(visitor)
    assert 0 < seen["top"] < 690 and seen["bottom"] <= 900
    assert seen["reach"] >= 2
    visitor.press("Stop")
    page.get_by_text(re.compile(r"\bstopped\b")).first.wait_for()
    assert not visitor.errors


def test_keys_work_and_the_rare_buttons_are_a_click_away(visitor) -> None:
    page = visitor.open("char_rnn?model=gru&hidden=16&n_fac=8&epochs=20&schedule=constant").page
    main = page.get_by_test_id("stMain")
    visitor.until(lambda: visitor.points(trace=2) == 9)  # keys are listened to a moment after the buttons are there
    settle(page)
    page.keyboard.press("t")
    main.get_by_role("button", name="Restart").wait_for()
    visitor.until(lambda: visitor.points(trace=1) > 3)
    page.keyboard.press("p")
    main.get_by_role("button", name="Resume").wait_for()
    visitor.idle()
    run = re.search(r"run=(\w+)", page.url).group(1)
    main.get_by_role("button", name="More", exact=False).first.click()
    page.get_by_role("button", name="Rewind").click()
    visitor.until(lambda: f"run={run}" not in page.url)
    page.get_by_text(re.compile(r"\bpaused\b")).first.wait_for()
    visitor.idle()
    page.keyboard.press("n")
    visitor.until(lambda: re.search(r"step 1\b", row(page)))
    assert "/s" not in row(page) and " left" not in row(page), "nothing moves while it holds"
    page.keyboard.press("s")
    page.get_by_text(re.compile(r"\bstopped\b")).first.wait_for()
    visitor.idle()
    seed = page.get_by_role("button", name="New seed")
    if not seed.is_visible():  # the menu may still be open
        main.get_by_role("button", name="More", exact=False).first.click()
    seed.click()
    visitor.until(lambda: "seed=1" in page.url)
    page.get_by_role("button", name="Go on from the shipped weights").wait_for()
    assert not visitor.errors


def test_settings_are_read_out_in_words_and_the_live_ones_show_a_bolt(visitor) -> None:
    page = visitor.open("char_rnn?model=lstm").page
    sidebar = page.get_by_test_id("stSidebar")
    for panel in ("Model", "Training"):
        sidebar.get_by_text(panel, exact=True).click()
    visitor.idle()
    read = sidebar.aria_snapshot() + page.get_by_test_id("stMain").aria_snapshot()
    assert ":material" not in read and "bolt" not in read
    assert 'group "Learning rate"' in read and 'group "Dropout"' in read
    assert 'button "Help for Learning rate"' in read
    drawn = page.evaluate(BOLTS)
    assert {name for name, content in drawn.items() if "bolt" in content} == {
        "Learning rate",
        "Dropout",
        "Weight decay",
        "Clip gradients",
    }
    assert "Epochs" in drawn
    assert not visitor.errors


def test_what_a_moved_slider_means_is_said_at_once_and_is_what_the_next_run_trains(visitor) -> None:
    page = visitor.open("char_rnn?model=gru&show=code").page
    drawing = page.get_by_role("tabpanel").locator("svg").first
    before = drawing.inner_html()
    bptt = page.get_by_role("slider", name=re.compile("^bptt")).first
    bptt.focus()
    for _ in range(2):  # faster than the page is drawn
        bptt.press("ArrowRight")
    visitor.until(lambda: "bptt=32" in page.url)
    page.get_by_text(re.compile("Set to .*bptt 32")).wait_for()
    page.get_by_role("button", name="Use these settings").wait_for()
    visitor.until(lambda: drawing.inner_html() != before)
    assert bptt.evaluate("slider => slider === document.activeElement"), "one can go on"

    visitor.press("Train")
    visitor.until(lambda: "run=" in page.url)
    assert "bptt=32" in page.url
    page.get_by_role("slider", name=re.compile("^bptt")).first.press("ArrowRight")
    page.get_by_text("Set otherwise than in this run: bptt").wait_for()
    visitor.press("Stop")
    page.get_by_text(re.compile(r"\bstopped\b")).first.wait_for()
    page.get_by_text(re.compile("Set to .*bptt 64")).wait_for()
    assert not visitor.errors


def test_what_is_set_after_a_preset_stays_set(visitor) -> None:
    page = visitor.open("char_rnn?model=gru&bptt=32&hidden=64").page
    page.get_by_role("button", name="Own settings").click()
    page.get_by_role("radio", name=re.compile("^As in the lecture")).click()
    visitor.until(lambda: "bptt=" not in page.url)
    page.keyboard.press("Escape")
    for name, said in (("bptt", "bptt=16"), ("Hidden units", "hidden=512")):
        visitor.idle()
        page.get_by_role("slider", name=re.compile(f"^{name}")).first.press("ArrowRight")
        visitor.until(lambda said=said: said in page.url)
    visitor.idle()
    assert "bptt=16" in page.url and "hidden=512" in page.url
    page.get_by_role("button", name="Own settings").wait_for()
    assert not visitor.errors
