"""The Runs page as two people see it: what one has laid over each other, the other finds behind the same link."""

import time

import numpy as np
import pytest

from explorer.experiment import Experiment
from explorer.store.history import COLUMNS, EpochRow
from explorer.store.index import Run
from explorer.store.store import Store
from tests.browser.conftest import Tab, Visitor
from tests.browser.looks import settle

pytestmark = [pytest.mark.browser]
CURVES = """() => { const plot = document.querySelector('.explorer-plot');
    if (!plot?.calcdata?.length) return null;
    return plot._fullData.map(({ name, x, y }) => [name, Array.from(x), Array.from(y)]); }"""


def put(store: Store, run: str, lr: float, created: float) -> None:
    """A recorded run of two hundred steps and two epochs, by somebody."""
    rows = np.zeros((200, len(COLUMNS)))
    rows[:, 0], rows[:, 1], rows[:, 2] = np.arange(1, 201), np.arange(200) / 100, 3 - np.arange(200) * lr
    rows[:, 3], rows[:, 6] = lr, np.arange(200) / 10
    now = time.time()
    store.begin(
        Run(run, "somebody", "train", "GRU", Experiment.of("gru", lr=lr), "done", "", "CPU", "A text", created, now)
    )
    store.append(run, rows, [EpochRow(1, 100, 2.5, 2.4, 0.3, 10), EpochRow(2, 200, 2.2, 2.1 - lr, 0.4, 10)])


def curves(visitor: Visitor) -> list:
    visitor.until(lambda: visitor.page.evaluate(CURVES) is not None)
    return visitor.page.evaluate(CURVES)


def controls(visitor: Visitor) -> list[str]:
    """What is pressed, chosen and typed on the page."""
    main = visitor.page.get_by_test_id("stMain")
    pressed = main.locator('[aria-checked="true"], [aria-pressed="true"]').all_inner_texts()
    return [
        *pressed,
        main.get_by_test_id("stTextInputField").first.input_value(),
        *main.locator('[data-baseweb="tag"]').all_inner_texts(),
    ]


def test_a_link_to_two_runs_over_each_other_opens_in_a_fresh_browser(visitor, server, tab: Tab) -> None:
    store = Store(server.home / "runs")
    for number, lr in enumerate((0.001, 0.002, 0.004)):
        put(store, f"{number}{number}link", lr, time.time() + number)
    page = visitor.open("runs?whose=all&runs=00link,22link").page
    page.get_by_test_id("stMain").get_by_text("validation", exact=True).click()
    page.get_by_test_id("stMain").get_by_text("steps", exact=True).click()
    visitor.until(lambda: "y=validation" in page.url and "x=steps" in page.url)
    visitor.idle()
    seen = curves(visitor)
    assert len(seen) == 2
    assert sorted(y[-1] for _, _, y in seen) == pytest.approx([2.096, 2.099], abs=1e-4)

    link, set_to = page.url, controls(visitor)
    assert not visitor.errors
    visitor.leave()
    other = Visitor(tab.anew(), server)
    other.page.goto(link)
    settle(other.page)
    assert curves(other) == seen
    assert controls(other) == set_to and other.page.url == link
    assert not other.errors
    other.leave()
