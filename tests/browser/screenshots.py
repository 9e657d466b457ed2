"""A new visitor's path through all seven pages, which takes the README's pictures on the way, in light and in dark.

Everything is what a fresh clone shows without data and without a network: ``python -m tests.browser.screenshots``.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.looks import settle
from tests.serving import CHROMIUM_OPTIONS, chromium, serve

PICTURES = Path(__file__).parent / "pictures"
SIZE = {"width": 1280, "height": 860}


def nothing(page: Page) -> None:
    """Look at what is there before any click."""


def train_a_little(page: Page) -> None:
    """Start the smallest of the language models, see it learn, and stop it: something for the page of runs."""
    main = page.get_by_test_id("stMain")
    main.get_by_role("button", name="Train").first.click()
    page.get_by_text("running", exact=False).first.wait_for(timeout=60_000)
    page.wait_for_timeout(8_000)
    main.get_by_role("button", name="Stop").first.click()


def ask_about_coffee(page: Page) -> None:
    """What a network that knows cats and dogs says to a cup of coffee."""
    page.get_by_role("button", name="Cup of coffee", exact=True).click()


@dataclass(frozen=True)
class Stop:
    """A page on the path."""

    name: str  #: of the picture; empty for none
    path: str
    act: Callable[[Page], None] = nothing


WAY = (
    Stop("home", ""),
    Stop("char_rnn", "char_rnn?model=gru"),
    Stop("", "char_rnn?model=char3", train_a_little),
    Stop("cifar10", "cifar10?model=resnet"),
    Stop("cam", "cam", ask_about_coffee),
    Stop("lr_finder", "lr_finder"),
    Stop("batchnorm", "batchnorm?race=ten-times"),
    Stop("runs", "runs"),
)


def main() -> None:
    """Walk the whole way twice, and keep what is seen at each page's top."""
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        serve(Path(home), seconds=90, EXPLORER_DATA="") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.set_default_timeout(120_000)
            for stop in WAY:
                page.goto(f"{server.url}/{stop.path}")
                settle(page)
                stop.act(page)
                settle(page)
                if stop.name:
                    page.screenshot(path=PICTURES / f"{stop.name}-{scheme}.png")
                    print(f"{stop.name}-{scheme}.png", flush=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
