"""The README's pictures, taken from the real app: ``python -m tests.browser.screenshots``."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from explorer import paths
from tests.browser.conftest import CHROMIUM_OPTIONS, _free_port

PICTURES = Path(__file__).parent / "pictures"
PAGES = {"home": "", "char_rnn": "char_rnn?model=gru", "cifar10": "cifar10?model=bn", "cam": "cam"}


def main() -> None:
    """Start the app, open each page in light and dark, and keep what is seen."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", f"--server.port={port}",
             "--server.address=127.0.0.1"],
            cwd=paths.REPOSITORY, env=os.environ | {"EXPLORER_HOME": home},
        )  # fmt: skip
        try:
            _wait(url)
            _take(url)
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).read()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server did not start.")


def _take(url: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_OPTIONS)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme=scheme)
            for name, path in PAGES.items():
                page.goto(f"{url}/{path}")
                page.wait_for_function(
                    """() => { const app = document.querySelector('[data-testid="stApp"]');
                               return app && app.dataset.testScriptState === 'notRunning'; }""",
                    timeout=180_000,
                )
                page.wait_for_timeout(12_000 if scheme == "light" else 5_000)
                page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main()
