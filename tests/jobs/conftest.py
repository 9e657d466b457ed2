"""What the tests of jobs and of runs share."""

import pytest

from explorer.jobs.queue import Registry
from explorer.store.store import Store


@pytest.fixture
def registry():
    made = Registry()
    yield made
    made.close()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")
