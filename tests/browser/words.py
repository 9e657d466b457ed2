"""How many words a visitor sees on each page before opening anything: ``python -m tests.browser.words --json``.

Counted are words of two letters or more in the page's own part, as the browser shows them at 1440 × 900: not what a
chart, a table, a piece of code or a text that a model wrote says, and not what is folded away.
"""

import argparse
import json
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.serving import CHROMIUM_OPTIONS, READY, chromium, serve

PAGES = {
    "home": "",
    "char_rnn": "char_rnn",
    "cifar10": "cifar10",
    "your own": "cifar10?model=builder",
    "cam": "cam",
    "lr_finder": "lr_finder",
    "batchnorm": "batchnorm",
    "runs": "runs",
}
COUNT = r"""() => {
    const skipped = '.explorer-plot, .written, [data-testid="stIconMaterial"], [data-testid="stCode"], '
        + '[data-testid="stDataFrame"], kbd, svg, style, script';
    const walker = document.createTreeWalker(document.querySelector('[data-testid="stMain"]'), NodeFilter.SHOW_TEXT);
    let words = 0;
    for (let node; (node = walker.nextNode());) {
        const element = node.parentElement;
        if (element.closest(skipped) || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
            continue;
        words += (node.data.match(/\p{L}[\p{L}’'-]+/gu) ?? []).length;
    }
    return words; }"""


def main() -> None:
    """Open each page of a fresh server and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    asked = parser.parse_args()
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as home, serve(Path(home)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for name, path in PAGES.items():
            page.goto(f"{server.url}/{path}")
            before = -1
            for _ in range(60):  # until nothing more comes
                page.wait_for_function(READY, timeout=180_000)
                page.wait_for_timeout(1500)
                found[name] = page.evaluate(COUNT)
                if found[name] == before:
                    break
                before = found[name]
        browser.close()
    found["all"] = sum(found.values())
    print(json.dumps(found) if asked.json else "\n".join(f"{count:6,} {name}" for name, count in found.items()))


if __name__ == "__main__":
    main()
