"""The README's pictures, taken from the real app: ``python -m tests.browser.screenshots``."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.serving import CHROMIUM_OPTIONS, READY, chromium, serve

PICTURES = Path(__file__).parent / "pictures"
PAGES = {"home": "", "char_rnn": "char_rnn?model=gru", "cifar10": "cifar10?model=bn", "cam": "cam"}


def main() -> None:
    """Start the app, open each page in light and dark, and keep what is seen."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, serve(Path(home)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme=scheme)
            for name, path in PAGES.items():
                page.goto(f"{server.url}/{path}")
                page.wait_for_function(READY, timeout=180_000)
                page.wait_for_timeout(12_000 if scheme == "light" else 5_000)
                page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main()
