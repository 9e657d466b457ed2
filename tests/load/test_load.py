"""The load test itself: a few visitors find every page, nothing breaks, and every figure is there."""

import math

import pytest

from tests.load.__main__ import PAGES, measure, percentile
from tests.serving import run_apart

pytestmark = pytest.mark.data


def test_a_visitor_on_every_page_while_a_network_trains(server) -> None:
    found = run_apart(measure(server, len(PAGES), 6))
    assert found["errors"] == 0, found["first_errors"]
    assert found["requests"] >= len(PAGES), "everybody moved something"
    assert all(math.isfinite(found[name]) for name in ("p50_s", "p95_s", "open_p95_s", "fragment_p95_s"))
    assert found["p50_s"] <= found["p95_s"] and found["training_rate"] > 0


def test_percentiles() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(range(100), 0.95) == 95
    assert math.isnan(percentile([], 0.5))
