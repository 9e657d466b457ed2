"""A short day on a server: what came and went leaves nothing behind. The long one: ``python -m tests.endurance``."""

import random
import time

import pytest

from tests.endurance.__main__ import Day, forgetful, measure
from tests.serving import Server, run_apart


@pytest.mark.data
def test_a_server_holds_no_more_after_visitors_have_gone(tmp_path, programs) -> None:
    with forgetful(tmp_path, programs.begin) as server:
        found = a_day(server, Day(6, 14, 12))
        if found["growth"] >= 10:  # threads took their memory late, as on a busy machine: what leaks, leaks every day
            found = a_day(server, Day(0, 0, 0))
    assert found["growth"] < 10, found


def a_day(server: Server, warm: Day) -> dict[str, object]:
    """What a short day after a warm-up leaves, which must be no thread and no file, and no error."""
    found = run_apart(measure(server, Day(10, 20, 12), warm, time.monotonic() + 200, read=1))
    assert found["errors"] == 0, found["first_errors"]
    assert (found["runs"], found["reloads"], found["photos"]) == (10, 20, 12)
    for name in ("threads", "files"):
        before, after = found[name]
        assert after <= before + 2, found
    return found


def test_shares_of_a_day_are_the_whole_day() -> None:
    day = Day(random.randrange(300), 7, 0)
    shares = [day.share(part, 4) for part in range(4)]
    assert sum(share.runs for share in shares) == day.runs and sum(share.reloads for share in shares) == 7
