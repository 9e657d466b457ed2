"""The home page's first view on a fresh server, against an empty Streamlit app's.

    python -m tests.benchmarks.first_view --json

Each round starts both servers anew, one after the other, and opens each in a browser that knows nothing yet.
``ratio``: median seconds from the address to an interactive page, ours over the empty app's. Ours is interactive when
its script has run and *Start* can be pressed; torch is still being loaded behind it then.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.serving import CHROMIUM_OPTIONS, READY, chromium, serve

EMPTY = 'import streamlit as st\n\nst.title("Empty")\n'
# Looked at by the page itself before each frame, so that the clock does not wait for a message to Python.
CLOCK = """(() => {
    const ready = %s;
    const seen = (what) => [...document.querySelectorAll(what)].some((element) => element.checkVisibility());
    const look = () => ready() && seen("%s") ? window.interactive = performance.now() : requestAnimationFrame(look);
    requestAnimationFrame(look);
})()"""


def first_view(browser: Browser, script: Path | None) -> float:
    """Seconds from the address to an interactive page, server and browser both cold."""
    with tempfile.TemporaryDirectory() as home, serve(Path(home), script) as server:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.add_init_script(CLOCK % (READY, "h1" if script else ".st-key-home-start button:enabled"))
        page.goto(server.url, wait_until="commit")
        page.wait_for_function("() => window.interactive", timeout=120_000)
        seconds = page.evaluate("window.interactive") / 1000
        context.close()
        return seconds


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    ours, empty = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        script = Path(folder) / "empty.py"
        script.write_text(EMPTY)
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        first_view(browser, script)  # the files of Python, Streamlit and Chromium come from the disk only once
        for _ in range(options.rounds):
            empty.append(first_view(browser, script))
            ours.append(first_view(browser, None))
        browser.close()
    ratio = statistics.median(ours) / statistics.median(empty)
    result = {
        "ratio": round(ratio, 3),
        "ours_s": round(statistics.median(ours), 3),
        "empty_s": round(statistics.median(empty), 3),
        "rounds": options.rounds,
        "compared": "the home page interactive over an empty app interactive, fresh server, cold browser",
    }
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
