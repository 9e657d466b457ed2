"""What the tests of jobs share."""

import pytest

from explorer.jobs.queue import Registry


@pytest.fixture
def registry():
    made = Registry()
    yield made
    made.close()
