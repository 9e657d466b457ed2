"""A short day on a server: what came and went leaves nothing behind. The long one: ``python -m tests.endurance``."""

import random
import time

import pytest

from tests.endurance.__main__ import Day, forgetful, measure
from tests.serving import run_apart

NONE = Day(0, 0, 0)


@pytest.mark.data
def test_a_server_holds_no_more_after_visitors_have_gone(tmp_path, programs) -> None:
    day, warm = Day(10, 20, 12), Day(6, 14, 12)
    with forgetful(tmp_path, programs.begin) as server:
        found = run_apart(measure(server, day, warm, time.monotonic() + 200, read=1))
        if found["growth"] >= 10:  # threads took their memory late, as on a busy machine: what leaks, leaks every day
            found = run_apart(measure(server, day, NONE, time.monotonic() + 200, read=1))
    assert found["errors"] == 0, found["first_errors"]
    assert (found["runs"], found["reloads"], found["photos"]) == (10, 20, 12)
    assert found["growth"] < 10, found
    for name in ("threads", "files"):
        before, after = found[name]
        assert after <= before + 2, found


def test_shares_of_a_day_are_the_whole_day() -> None:
    day = Day(random.randrange(300), 7, 0)
    shares = [day.share(part, 4) for part in range(4)]
    assert sum(share.runs for share in shares) == day.runs and sum(share.reloads for share in shares) == 7
