"""Sweep the learning rate of every rung and keep the curves: what the LR finder shows before any click.

EXPLORER_DATA=../shared/data python weights/record_sweeps.py
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from explorer import device
from explorer.experiment import Experiment
from explorer.models import catalog
from explorer.training import lr_finder, prepare

TARGET = Path(__file__).with_name("sweeps.json")


def main() -> None:
    """Each rung with the lecture's settings and the lecture's range, 1e-5 to 10 in 100 steps."""
    sweeps = {}
    for rung in (rung for ladder in catalog.LADDERS.values() for rung in ladder if rung.key != "builder"):
        learner = prepare.learner_for(Experiment.of(rung.key))
        if learner.data.source.kind != "real":
            sys.exit(f"{rung.key} would be swept on {learner.data.source.name}, not on the lecture's data")
        found = asdict(lr_finder.find(learner))
        sweeps[rung.key] = {
            name: [float(f"{number:.5g}") for number in values] if name != "diverged" else values
            for name, values in found.items()
        }
        print(rung.key, lr_finder.suggest(lr_finder.Sweep(**found)))
    TARGET.write_text(json.dumps({"device": device.describe(), "sweeps": sweeps}) + "\n")


if __name__ == "__main__":
    main()
