"""A class of 90 minutes in forty steps: what the teacher does, what must be on screen, and within how many seconds.

``python -m tests.browser.class_script --json`` does every step in a real browser on a fresh server and says how long
each took; ``--text`` prints ``TEACHING.md``, which ``tests/browser/test_class_script.py`` holds against this table.
"""

import argparse
import contextlib
import json
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, TimeoutError, sync_playwright

from tests.serving import CHROMIUM_OPTIONS, READY, Server, chromium, serve

LATE = 8  # how many times its seconds a step is waited for before it counts as not met at all


@dataclass
class Lesson:
    """The teacher's browser."""

    page: Page
    server: Server
    kept: dict[str, str] = field(default_factory=dict)  #: what was on screen before a step

    # -- doing -------------------------------------------------------------------------------------
    @property
    def main(self):
        """The page's own part."""
        return self.page.get_by_test_id("stMain")

    def press(self, name: str) -> None:
        """Click the first button of the page whose name has these words."""
        self.main.get_by_role("button", name=re.compile(rf"\b{re.escape(name)}\b")).first.click()

    def stop(self) -> None:
        """End the page's run, unless it has just ended by itself."""
        button = self.main.get_by_role("button", name=re.compile(r"\bStop\b")).first
        if button.is_enabled():
            with contextlib.suppress(TimeoutError):
                button.click(timeout=3_000)

    def choose(self, name: str) -> None:
        """Click a pill, a tab or an option by its whole text."""
        roles = "button, [role=tab], [role=radio], [role=option], label"
        self.main.locator(roles).filter(has_text=re.compile(rf"^\s*{re.escape(name)}\s*$")).first.click()

    def preset(self, name: str) -> None:
        """Choose a preset from the menu beside the buttons."""
        option = self.page.locator('[role="radio"]').filter(has_text=re.compile(rf"^\s*{re.escape(name)}")).last
        for _ in range(5):  # what is drawn anew meanwhile closes the menu
            self.main.locator('[class*="-presets"] button').first.click()
            with contextlib.suppress(TimeoutError):
                option.click(timeout=5_000)
                break
        self.page.keyboard.press("Escape")

    def wait(self, seen: "Callable[[Lesson], object]", seconds: float = 60) -> None:
        """Until something is so, between two doings of a step."""
        end = time.monotonic() + seconds
        while not seen(self) and time.monotonic() < end:
            self.page.wait_for_timeout(100)

    def go(self, title: str) -> None:
        """Follow a link of the menu of pages, unfolding the sidebar where it is away."""
        unfold = self.page.get_by_test_id("stExpandSidebarButton")
        if unfold.is_visible():
            unfold.click()
        self.page.get_by_test_id("stSidebarNavLink").filter(has_text=title).first.click()

    def nudge(self, label: str, times: int = 1, key: str = "ArrowRight") -> None:
        """Move a slider by the keyboard."""
        slider = self.main.get_by_role("slider", name=re.compile(f"^{re.escape(label)}")).first
        slider.focus()
        for _ in range(times):
            slider.press(key)

    def click_cell(self) -> None:
        """Click the cell of the confusion matrix where a cat was taken for a dog."""
        self.page.locator('.explorer-plot[aria-label^="Confusion"] .nsewdrag').first.wait_for()
        self.page.evaluate("document.querySelector('[aria-label^=Confusion]').scrollIntoView({block: 'center'})")
        self.page.wait_for_timeout(400)
        at = self.page.evaluate(
            """() => { const plot = document.querySelector('[aria-label^=Confusion]');
            const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
            return [box.left + xaxis._offset + xaxis.d2p('dog'), box.top + yaxis._offset + yaxis.d2p('cat')]; }"""
        )
        self.page.mouse.click(*at)

    # -- seeing ------------------------------------------------------------------------------------
    def says(self, *words: str) -> bool:
        """Whether the page has all of these words, as patterns."""
        said = self.main.inner_text()
        return all(re.search(word, said) for word in words)

    def row(self) -> str:
        """The state and numbers of the run bar."""
        return self.page.evaluate("() => document.querySelector('.x-row')?.innerText ?? ''")

    def step(self) -> int:
        """Of the run that is shown."""
        found = re.search(r"step ([\d,]+)", self.row())
        return int(found.group(1).replace(",", "")) if found else -1

    def points(self, label: str = "loss", trace: int = 1) -> int:
        """How many points a chart's curve has, if the chart is drawn on the screen's part in sight."""
        return self.page.evaluate(
            """([label, trace]) => { for (const plot of document.querySelectorAll('.explorer-plot[aria-label]')) {
                if (!plot.getAttribute('aria-label').toLowerCase().includes(label) || !plot.checkVisibility()) continue;
                return plot.calcdata?.[trace]?.length ?? 0; } return 0; }""",
            [label, trace],
        )

    def accuracy(self) -> float:
        """In the run bar, in percent."""
        found = re.search(r"Accuracy\s+([\d.]+)%", self.row())
        return float(found.group(1)) if found else -1.0

    def blocks(self) -> int:
        """Of the drawing of one's own network."""
        return self.page.evaluate("() => document.querySelector('[aria-label^=\"The network\"]')?.data?.length ?? 0")


@dataclass(frozen=True)
class Step:
    """One line of the lesson."""

    minute: int
    does: str  #: what the teacher does
    sees: str  #: what must be on screen then
    seconds: float  #: within which
    do: Callable[[Lesson], object]
    seen: Callable[[Lesson], object]


def run(server: Server, patience: float = LATE) -> list[dict[str, object]]:
    """Every step, one after the other: how long each took, and whether it was met in its seconds."""
    from tests.browser.class_steps import STEPS

    found: list[dict[str, object]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        lesson = Lesson(page, server)
        for number, step in enumerate(STEPS, 1):
            problem = ""
            began = time.monotonic()
            try:
                step.do(lesson)
                while not step.seen(lesson):
                    if time.monotonic() - began > patience * step.seconds:
                        problem = "it never came"
                        break
                    page.wait_for_timeout(100)
            except Exception as error:  # the lesson goes on, as it does in a class
                problem = str(error).splitlines()[0]
            took = time.monotonic() - began
            met = not problem and took <= step.seconds
            found.append({"step": number, "took": round(took, 1), "within": step.seconds, "met": met, "why": problem})
            print(json.dumps(found[-1]), flush=True)
            page.wait_for_function(READY, timeout=120_000)
        browser.close()
    return found


def main() -> None:
    """The terminal's way in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object at the end, on one line")
    parser.add_argument("--text", action="store_true", help="print TEACHING.md and do nothing")
    parser.add_argument("--patience", type=float, default=LATE, help="times a step's seconds to wait for it at most")
    asked = parser.parse_args()
    if asked.text:
        from tests.browser.class_steps import text

        print(text(), end="")
        return
    with tempfile.TemporaryDirectory() as home, serve(Path(home)) as server:
        steps = run(server, asked.patience)
    met = sum(bool(step["met"]) for step in steps)
    if asked.json:
        print(json.dumps({"steps": steps, "met": met, "of": len(steps)}))
    else:
        print(f"{met} of {len(steps)} steps were met")


if __name__ == "__main__":
    main()
