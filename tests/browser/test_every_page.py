"""Every page, in light, in dark and on a phone: no sideways scroll, no text cut or over other text, no error, and
nothing that axe-core, which looks for what people with a disability would run into, calls serious."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import SIZE, Visitor
from tests.browser.looks import PLACES, SHOWN, faults, settle
from tests.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.data]

# What Streamlit's own widgets do and no page of ours can change: a rule, and where it is broken.
STREAMLITS_OWN = (
    # The menu's sections are <div>s between the <ul> and its <li>s.
    ("list", '[data-testid="stSidebarNavItems"]'),
    ("listitem", '[data-testid="stSidebarNavItems"]'),
)


NARROW = {"width": 390, "height": 844}
PAPER = """() => getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor
    .match(/[\\d.]+/g).slice(0, 3).reduce((sum, part) => sum + part / 765, 0)"""
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


def serious(page: Page, **options) -> list[str]:
    """What axe-core calls serious or critical, but for what is Streamlit's own; ``runOnly`` looks for less."""

    def excused(rule: str, target: str) -> bool:
        return any(
            rule == own
            and page.evaluate("([at, place]) => !!document.querySelector(at)?.closest(place)", [target, place])
            for own, place in STREAMLITS_OWN
        )

    axe = Axe("null") if page.evaluate("'axe' in window") else Axe()  # half a megabyte, which stays in a document
    return [
        f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for violation in axe.run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
        if not excused(violation["id"], node["target"][-1])
    ]


@pytest.mark.parametrize("path", PLACES.values(), ids=PLACES)
def test_it_looks_right(regular, seen, path) -> None:
    """In light, then in dark, then in a window as narrow as a phone, and as wide as before."""
    page = regular.page
    regular.go(path)
    settle(page)
    shown = page.evaluate(SHOWN)
    assert seen.setdefault(shown, path) == path, f"{shown} is {seen[shown]}"
    assert faults(page) == []
    assert serious(page) == []
    page.emulate_media(color_scheme="dark")
    regular.until(lambda: page.evaluate(PAPER) < 0.1)  # the scheme is the browser's
    settle(page)
    assert faults(page) == []
    assert serious(page, runOnly=COLOURS) == []  # the rest is the same markup
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(NARROW)
    regular.until(lambda: page.evaluate(PAPER) > 0.9)
    settle(page)
    assert faults(page) == []
    page.set_viewport_size(SIZE)
    assert regular.errors == []


def test_a_charts_buttons_cover_nothing_where_the_window_is_narrowed_under_the_pointer(visitor) -> None:
    page = visitor.open(PLACES["evaluating"]).page
    settle(page)
    chart = page.locator(".explorer-plot .nsewdrag").first
    chart.hover()
    buttons = page.locator(".explorer-plot .modebar-btn").first
    buttons.wait_for()
    assert faults(page) == []
    page.set_viewport_size(NARROW)
    settle(page)
    chart.hover()  # which scrolls the page's words under the menu's button
    assert [fault for fault in faults(page) if fault.startswith("a button")] == []
    assert not buttons.is_visible()


@pytest.fixture
def phone(server: Server, browser: Browser) -> Iterator[Visitor]:
    """Somebody with fingers."""
    context = browser.new_context(viewport=NARROW, has_touch=True)
    yield Visitor(context.new_page(), server)
    context.close()


def test_what_only_a_click_shows_looks_right(regular, phone) -> None:
    """The start page's other views, and a phone's menu with a page's settings."""
    for visitor in (regular, phone):
        page = visitor.page
        visitor.go("")
        settle(page)
        for view in ("The claims", "Did you notice?", "Data and weights"):
            page.get_by_role("radio", name=view).click()
            page.get_by_role("radio", name=view, checked=True).wait_for()
            settle(page)
            assert faults(page) == [], view
            assert serious(page) == [], view
    for path in ("char_rnn", PLACES["memory"]):
        phone.go(path)
        settle(page)
        assert faults(page) == [], path
    page.get_by_test_id("stExpandSidebarButton").click()
    menu = page.get_by_test_id("stSidebar")
    phone.until(lambda: menu.bounding_box()["x"] >= 0)
    settle(page)
    assert faults(page, inside='[data-testid="stSidebar"]') == []
    assert regular.errors == phone.errors == []


CONTRAST = """() => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(part => part / 255)
            .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const fills = ['.hoverlayer .legendtext', '.hoverlayer .bg']
        .map(at => light(getComputedStyle(document.querySelector(at)).fill)).sort((one, other) => one - other);
    return (fills[1] + 0.05) / (fills[0] + 0.05);
}"""


def test_what_a_chart_says_when_pointed_at_can_be_read_and_leaves_the_server_by_no_button(regular) -> None:
    page = regular.page
    regular.go("char_rnn")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        settle(page)
        chart = page.locator(".explorer-plot[aria-label]").first
        page.mouse.move(0, 0)
        chart.hover()
        chart.locator(".hoverlayer .legendtext").first.wait_for()
        regular.until(lambda: page.evaluate(CONTRAST) > 4.5)
    buttons = chart.locator(".modebar-btn").evaluate_all("all => all.map(button => button.dataset.title)")
    assert buttons == ["Download plot as a PNG", "Zoom", "Pan", "Reset axes"]
    page.emulate_media(color_scheme="light")


WRONG = """<!doctype html><html lang="en"><head><title>Wrong</title></head><body><main><h1>Wrong</h1>
<p style="position: absolute; top: 100px">one sentence lies here</p>
<p style="position: absolute; top: 106px">another one on top</p>
<p style="position: absolute; top: 200px; width: 80px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap">
  a label too long for its box</p>
<svg style="position: absolute; top: 260px" width="60" height="30"><text y="20">leaves its picture</text></svg>
<input style="position: absolute; top: 320px; width: 40px" value="longer than its box" aria-label="Box">
<p style="position: absolute; top: 400px; width: 3000px">wide</p>
<div class="js-plotly-plot" style="position: absolute; top: 440px">a legend
  <button class="modebar-btn" style="position: absolute; inset: 0" aria-label="Save"></button></div>
<p style="position: absolute; top: 500px; color: #bbb; background: #fff">pale</p>
<img style="position: absolute; top: 600px" src="data:,"></main></body></html>"""
RIGHT = """<!doctype html><html lang="en"><head><title>Right</title></head><body><main><h1>Right</h1>
<p>one sentence<br>and another</p>
<pre tabindex="0" style="width: 80px; overflow-x: auto">code that one scrolls sideways</pre>
<div style="height: 0; overflow: hidden">a panel folded away</div><p>what comes after it</p>
<span style="position: absolute; width: 1px; height: 1px; overflow: hidden">for screen readers</span>
<p style="opacity: 0; position: absolute; top: 0">not to be seen</p></main></body></html>"""


def test_the_checks_find_what_is_wrong_and_only_that(browser) -> None:
    page = browser.new_page(viewport={"width": 800, "height": 700})
    page.set_content(WRONG)
    assert sorted(fault.split(" and ")[0] for fault in faults(page)) == [
        'a button over "a legend"',
        'cut: "a label too long for its box"',
        'cut: "leaves its picture"',
        'cut: "longer than its box" in the box "Box"',
        'overlap: "one sentence lies here"',
        "scrolls sideways: HTML 3008 in 800",
    ]
    assert sorted(fault.split(":")[0] for fault in serious(page)) == ["color-contrast", "image-alt"]
    page.set_content(RIGHT)
    assert faults(page) == []
    assert serious(page) == []
    page.close()


FADING = """<div data-testid="stApp" data-test-script-state="notRunning" data-test-connection-state="CONNECTED">
<style>@keyframes fade { from { opacity: 0 } } @keyframes turn { to { rotate: 360deg } }
main { height: 99px } p { animation: fade 3s }
i { display: inline-block; width: 9px; height: 9px; animation: turn 1s infinite }</style>
<main data-testid="stMain"><p>comes slowly</p><i></i></main></div>"""


def test_a_page_has_settled_when_nothing_fades_any_more(browser) -> None:
    page = browser.new_page()
    page.set_content(FADING)
    settle(page)
    assert page.locator("p").evaluate("p => getComputedStyle(p).opacity") == "1"
    page.close()


def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until the button called ``name`` has the focus, and shows it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(
            "name => document.activeElement.matches('button') && document.activeElement.innerText.includes(name)", name
        ):
            break
    else:
        pytest.fail(f"{most} × Tab did not reach {name}")
    look = page.evaluate(
        "() => { const s = getComputedStyle(document.activeElement); return [s.boxShadow, s.outlineStyle]; }"
    )
    assert look != ["none", "none"], "one cannot see where the focus is"


def test_start_and_train_by_keyboard_alone(regular) -> None:
    visitor = regular
    page = visitor.visit("").page
    tab_to(page, "Start")
    page.keyboard.press("Enter")
    page.wait_for_url("**/char_rnn**")
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop")
    visitor.until(stop.is_enabled)
    visitor.idle()
    visitor.press("Stop")
    visitor.until(stop.is_disabled)
    visitor.visit("cifar10")
    tab_to(page, "Train")
    page.keyboard.press("Enter")
    visitor.until(stop.is_enabled)
    visitor.idle()
    visitor.press("Stop")
    visitor.until(stop.is_disabled)
    assert visitor.errors == []


def test_nothing_of_ours_moves_for_who_asked_for_less_motion(regular) -> None:
    page = regular.open("").page
    card = page.locator(".x-station").first
    for motion in ("no-preference", "reduce"):
        page.emulate_media(reduced_motion=motion)
        moves = card.evaluate("card => getComputedStyle(card).transitionDuration !== '0s'")
        assert moves == (motion == "no-preference")
    settle(page)
    assert page.evaluate("document.getAnimations().length") == 0
    page.emulate_media(reduced_motion="null")
