"""What the tests of runs share."""

from tests.jobs.conftest import registry

__all__ = ["registry"]
