"""Sweep the learning rate of every rung and keep the curves: what the LR finder shows before any click.

EXPLORER_DATA=../shared/data python -m weights.record_sweeps
"""

import json
import sys
from pathlib import Path

import numpy as np

from explorer import devices, ladders
from explorer.experiment import Experiment
from explorer.training import lr_finder, prepare

TARGET = Path(__file__).with_name("sweeps.json")


def short(values: np.ndarray) -> list[float]:
    """Five digits are more than a chart shows."""
    return [float(f"{value:.5g}") for value in values]


def main() -> None:
    """Each rung with the lecture's settings and the lecture's range, 1e-5 to 10 in 100 steps."""
    sweeps = {}
    for rung in (rung for ladder in ladders.LADDERS.values() for rung in ladder if rung.key != "builder"):
        learner = prepare.learner_for(Experiment.of(rung.key))
        if learner.data.source.kind != "real":
            sys.exit(f"{rung.key} would be swept on {learner.data.source.name}, not on the lecture's data")
        found = lr_finder.find(learner)
        sweeps[rung.key] = {
            "lr": short(found.lr),
            "loss": short(found.loss),
            "smooth": short(found.smooth),
            "diverged": found.diverged,
        }
        print(rung.key, lr_finder.suggest(found))
    TARGET.write_text(json.dumps({"device": devices.describe(), "sweeps": sweeps}) + "\n")


if __name__ == "__main__":
    main()
