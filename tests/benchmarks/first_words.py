"""How long a question to a model takes while a network trains: *Write*, *Four temperatures*, *What it gets wrong*.

    python -m tests.benchmarks.first_words --json

A fresh server, a run at work (``--model``, with the lecture's settings), one visitor. ``first_words_s``: median from
the click on *Write* until the first new characters are on the page; ``several_s``: until four texts are;
``mistakes_s``: from opening the vision page until the confusions of the shipped weights are drawn. ``quiet_…``: the
same without a run. ``ratio``: first words over the second allowed.
"""

import argparse
import json
import re
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.serving import CHROMIUM_OPTIONS, READY, chromium, serve

ALLOWED = 1.0  # seconds
TEXTS = "() => [...document.querySelectorAll('.written')].map(text => text.innerText).join('|')"


def _idle(page: Page) -> None:
    for _ in range(2):
        page.wait_for_function(READY, timeout=120_000)
        page.wait_for_timeout(300)


def _press(page: Page, name: str) -> None:
    page.get_by_test_id("stMain").get_by_role("button", name=name).first.click()


WATCH = f"""texts => {{
  const read = {TEXTS}, before = read();
  window.asked = window.answered = null;
  addEventListener("click", () => window.asked ??= performance.now(), {{ capture: true, once: true }});
  const look = () => {{
    const now = read();
    if (window.asked && now !== before && now.split("|").length >= texts) window.answered = performance.now();
    else requestAnimationFrame(look);
  }};
  look();
}}"""


def _until_new(page: Page, name: str, texts: int = 1) -> float:
    """Seconds from a click until other texts stand there, by the browser's own clock."""
    page.evaluate(WATCH, texts)
    _press(page, name)
    page.wait_for_function("() => window.answered")
    return page.evaluate("() => window.answered - window.asked") / 1000


def _written(page: Page, rounds: int) -> dict[str, list[float]]:
    """The four texts first: what stands there without a click is what *Write* would write once more."""
    found: dict[str, list[float]] = {"first_words_s": [], "several_s": []}
    for number in range(rounds):
        seed = page.get_by_role("spinbutton", name="Seed").last
        seed.fill(str(number + 1))
        seed.press("Enter")
        _idle(page)
        found["several_s"].append(_until_new(page, "Four temperatures", 4))
        _idle(page)
        found["first_words_s"].append(_until_new(page, "Write"))
        _idle(page)
    return found


def _asked(page: Page, url: str, model: str) -> dict[str, list[float]]:
    """The two questions about pictures, each once: their answers are kept."""
    started = time.perf_counter()
    page.goto(f"{url}/cifar10?model={model}")
    page.get_by_text(re.compile("validation pictures right")).first.wait_for(timeout=300_000)
    return {"mistakes_s": [time.perf_counter() - started]}


def measure(browser: Browser, model: str, rounds: int, threads: str | None) -> dict[str, float]:
    """Medians, with and without a run."""
    result: dict[str, float] = {}
    for word, train in (("quiet_", False), ("", True)):
        with tempfile.TemporaryDirectory() as home, serve(Path(home), threads=threads) as server:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page, other = context.new_page(), context.new_page()
            page.set_default_timeout(120_000)
            page.goto(f"{server.url}/char_rnn?model={model}&epochs=100")
            _idle(page)
            if train:
                _press(page, "Train")
                page.wait_for_url(re.compile(r"run=\w+"))
                page.wait_for_timeout(5_000)
            found = _written(page, rounds) | _asked(other, server.url, "convnet")
            result |= {word + name: round(statistics.median(values), 2) for name, values in found.items()}
            result[word + "worst_first_words_s"] = round(max(found["first_words_s"]), 2)
            context.close()
    return result


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="gru", help="the rung of the run at work")
    parser.add_argument("--threads", help="OMP_NUM_THREADS of the server; by default not set, as one starts it at home")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        found = measure(browser, options.model, options.rounds, options.threads)
        browser.close()
    result = {"ratio": round(found["first_words_s"] / ALLOWED, 3), **found, "model": options.model}
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
