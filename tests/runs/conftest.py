"""What the tests of runs share."""

from tests.jobs.conftest import registry, store

__all__ = ["registry", "store"]
