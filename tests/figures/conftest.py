"""A small race, drawn by several figures."""

import pytest

from explorer.experiment import Experiment
from explorer.runs.race import Race, RaceView


@pytest.fixture(scope="package")
def view() -> RaceView:
    """Three networks after one epoch, one of them broken."""
    settings = dict(widths="4,8", stem=3, data="standin", images=500, batch_size=64, epochs=1, schedule="constant")
    experiments = {
        "plain": Experiment.of("builder", norm="none", lr=0.05, **settings),
        "BatchNorm": Experiment.of("builder", norm="running", depth=2, lr=0.05, **settings),
        "broken": Experiment.of("builder", norm="running", lr=100.0, **settings),
    }
    race = Race(experiments, every=1, valid_share=20)
    list(race.run())
    race.drain()
    return race.view(finished=True)
