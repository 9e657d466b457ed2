"""What can be wrong with how a page looks: text over text, cut text, sideways scrolling. Measured, not guessed.

Every visible piece of text is one rectangle a line, from the text itself (a ``Range``), whether in HTML or in a
chart's SVG. A piece is cut where an ancestor hides what flows over it, and two pieces overlap where the rectangles do.
"""

import time

from playwright.sync_api import Page

from tests.serving import READY

#: Every page and section, and where it is.
PLACES = {
    "home": "",
    "char_rnn": "char_rnn",
    "cifar10": "cifar10",
    "cam": "cam",
    "lr_finder": "lr_finder",
    "race": "batchnorm",
    "evaluating": "batchnorm?show=evaluating",
    "map": "batchnorm?show=map",
    "time": "batchnorm?show=time",
    "memory": "batchnorm?show=memory",
    "runs": "runs",
}

#: A title with its tab: each place has its own.
SHOWN = """() => [document.querySelector('h1'), document.querySelector('[role=tab][aria-selected=true]')]
    .map(one => one?.innerText ?? '').join(': ')"""

SETTLED = """() => {
    const ready = READY, main = document.querySelector('[data-testid="stMain"]');
    if (!main || !ready()) return window.settledLooks = 0;
    const plots = [...document.querySelectorAll('.explorer-plot[aria-label]')].filter(plot => plot.checkVisibility());
    const drawn = document.fonts.status === 'loaded'
        && !document.querySelector('[data-testid="stSpinner"], [data-stale="true"]')
        && !document.getAnimations().some(  // a fade; what turns for ever is waited for by nobody
            one => one.playState === 'running' && isFinite(one.effect.getComputedTiming().endTime))
        && plots.every(plot => plot.calcdata && plot.querySelector('.main-svg')?.getBoundingClientRect().width
            && Math.abs(plot.clientWidth - plot._fullLayout.width) < 2);
    const now = [main.scrollHeight, main.innerText.length, plots.length].join();
    window.settledLooks = drawn && main.innerText.length && now === window.settledBefore ? window.settledLooks + 1 : 0;
    window.settledBefore = now;
    return window.settledLooks >= 3;
}""".replace("READY", READY)

FAULTS = r"""(inside) => {
    const root = inside ? document.querySelector(inside) : document.body;
    const found = [];
    const shown = element => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const words = text => JSON.stringify(text.trim().replace(/\s+/g, ' ').slice(0, 60));
    const SLACK = 2;  // px that nobody sees

    // 0. No error is shown.
    for (const error of root.querySelectorAll('[data-testid="stException"], [data-testid="stAlertContentError"]'))
        found.push(`an error: ${words(error.innerText)}`);

    // 1. Nothing scrolls sideways.
    for (const box of [document.scrollingElement, document.querySelector('[data-testid="stMain"]')])
        if (box && box.scrollWidth > box.clientWidth + 1)
            found.push(`scrolls sideways: ${box.tagName} ${box.scrollWidth} in ${box.clientWidth}`);

    // What hides the overflow of an element, from the inside out. What the page itself scrolls is hidden by nothing.
    const screen = document.documentElement.clientHeight;
    const hiders = new Map();
    function hidersOf(element) {
        if (!element) return [];
        if (hiders.has(element)) return hiders.get(element);
        const style = getComputedStyle(element);
        let own = [], outer = hidersOf(element.parentElement);
        if ((style.overflowX !== 'visible' || style.overflowY !== 'visible') && style.display !== 'inline'
            && element !== document.body && element !== document.documentElement) {
            const box = element.getBoundingClientRect();
            const scrolls = { x: /auto|scroll/.test(style.overflowX), y: /auto|scroll/.test(style.overflowY) };
            const page = scrolls.y && box.height > 0.8 * screen;
            own = [{ box, scrolls, x: style.overflowX !== 'visible', y: style.overflowY !== 'visible' && !page }];
            if (page) outer = outer.map(hider => ({ ...hider, y: false }));
        }
        hiders.set(element, [...own, ...outer]);
        return hiders.get(element);
    }

    // 2. No text is cut; what is left of each line is kept for 3.
    const pieces = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
        const element = node.parentElement;
        if (!node.data.trim() || /^(STYLE|SCRIPT|TITLE|DESC|NOSCRIPT)$/i.test(element.tagName)) continue;
        if (!shown(element)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        let cut = false;
        for (const line of range.getClientRects()) {
            if (line.width < 2 || line.height < 2) continue;
            // A line's box is taller than its letters.
            const trim = Math.min(line.width, line.height) * 0.18;
            const turned = line.height > line.width && node.data.trim().length > 2;
            let [left, right, top, bottom] = turned
                ? [line.left + trim, line.right - trim, line.top, line.bottom]
                : [line.left, line.right, line.top + trim, line.bottom - trim];
            let missing = 0;
            for (const { box, x, y, scrolls } of hidersOf(element)) {
                if (x) {
                    const less = Math.max(0, box.left - left) + Math.max(0, right - box.right);
                    if (!scrolls.x) missing = Math.max(missing, less);
                    [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
                }
                if (y) {
                    const less = Math.max(0, box.top - top) + Math.max(0, bottom - box.bottom);
                    if (!scrolls.y) missing = Math.max(missing, less);
                    [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
                }
            }
            if (right - left < 2 || bottom - top < 2) continue;  // hidden altogether: folded away, or for readers
            cut ||= missing > SLACK;
            pieces.push({ node, left, right, top, bottom });
        }
        if (cut) found.push(`cut: ${words(node.data)}`);
    }
    for (const input of root.querySelectorAll('input[type=text], input[type=number], input:not([type])')) {
        if (!shown(input) || input.clientWidth < 3 || input.getBoundingClientRect().right < 0) continue;
        if (input.scrollWidth > input.clientWidth + SLACK)
            found.push(`cut: ${words(input.value)} in the box ${words(input.getAttribute('aria-label') ?? '')}`);
    }

    // 3. No text lies over other text.
    pieces.sort((one, other) => one.top - other.top);
    pieces.forEach((one, at) => {
        for (const other of pieces.slice(at + 1)) {
            if (other.top > one.bottom) break;
            if (other.node === one.node) continue;
            const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
            const tall = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
            if (wide > SLACK && tall > SLACK)
                found.push(`overlap: ${words(one.node.data)} and ${words(other.node.data)}`);
        }
    });

    // 4. A chart's buttons, which show on hovering, cover none of its words.
    for (const button of root.querySelectorAll('.modebar-btn')) {
        const box = button.getBoundingClientRect(), chart = button.closest('.js-plotly-plot');
        for (const { node, left, right, top, bottom } of pieces) {
            if (Math.min(box.right, right) - Math.max(box.left, left) > SLACK
                && Math.min(box.bottom, bottom) - Math.max(box.top, top) > SLACK && chart.contains(node))
                found.push(`a button over ${words(node.data)}`);
        }
    }
    return [...new Set(found)];
}"""


def settle(page: Page) -> None:
    """Wait until the script has ended, every chart is drawn and nothing has grown or faded at four looks.

    Right after a click the page is still as it was and quiet; the server's answer is given a moment to begin.
    """
    page.wait_for_timeout(300)
    page.evaluate("() => { window.settledLooks = 0; }")
    page.wait_for_function(SETTLED, polling=100, timeout=180_000)


def faults(page: Page, inside: str = "") -> list[str]:
    """What is wrong with how the page looks, and still is three seconds later, in words.

    A busy machine lays a page out in several moments that one sees; ``inside`` limits the look to one element.
    """
    end = time.monotonic() + 3
    while (found := page.evaluate(FAULTS, inside)) and time.monotonic() < end:
        page.wait_for_timeout(300)
    return found
