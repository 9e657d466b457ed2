"""From a cold browser to a real loss curve that moves: one click on *Start*.

    python -m tests.benchmarks.first_curve --json

A fresh server, a browser that knows nothing, the home page; *Start* is pressed as soon as it can be. ``seconds``:
median from the address until the curve has grown in front of the visitor. ``click_to_first``: from the click to the
first points of the run; ``click_to_moving``: until there are more of them. ``ratio``: seconds over the 5 allowed.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.serving import CHROMIUM_OPTIONS, chromium, serve

ALLOWED = 5.0  # seconds
# How many steps the run's own curve shows; a recorded run, which has no place in the address, does not count.
COUNT = """() => location.search.includes("run=") ? Math.max(0,
    ...[...document.querySelectorAll(".explorer-plot")].filter((plot) => plot.checkVisibility())
    .flatMap((plot) => plot.calcdata ?? []).filter((drawn) => drawn[0]?.trace?.name === "each step")
    .map((drawn) => drawn.length)) : 0"""


def first_curve(browser: Browser) -> tuple[float, float, float]:
    """Seconds from the address to a moving curve, and from the click to the first points and to more of them."""
    with tempfile.TemporaryDirectory() as home, serve(Path(home)) as server:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.set_default_timeout(120_000)
        started = time.perf_counter()
        page.goto(server.url, wait_until="commit")
        page.get_by_role("button", name="Start").first.click()
        clicked = time.perf_counter()
        page.wait_for_function(f"(least) => ({COUNT})() > least", arg=1, polling=20)
        first = time.perf_counter()
        page.wait_for_function(f"(least) => ({COUNT})() > least", arg=page.evaluate(COUNT), polling=20)
        moving = time.perf_counter()
        context.close()
        return moving - started, first - clicked, moving - clicked


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        rounds = [first_curve(browser) for _ in range(options.rounds)]
        browser.close()
    seconds, first, moving = (statistics.median(column) for column in zip(*rounds, strict=True))
    result = {
        "ratio": round(seconds / ALLOWED, 3),
        "seconds": round(seconds, 2),
        "worst_s": round(max(row[0] for row in rounds), 2),
        "click_to_first_s": round(first, 2),
        "click_to_moving_s": round(moving, 2),
        "rounds": options.rounds,
        "compared": "address to moving loss curve with one click, over 5 s; fresh server, cold browser",
    }
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
