"""Time per training step with every layer watched, over without: ``python -m tests.benchmarks.activations --json``.

Two learners of the same network take turns, step by step, in one process and on the same batch, so that
whatever else the machine does hits both alike. One step in ``every`` is looked at, so a watched run's time
per step is (median of its steps that are looked at + (every - 1) · median of the others) / every; medians,
because other processes' bursts would otherwise decide. Printed is one line with ``ratio`` (the worst of the
networks') and what was compared. The goal is at most 1.18.
"""

import argparse
import json
import statistics
import time

import torch

from explorer import devices
from explorer.data import Batch, Source
from explorer.experiment import Experiment
from explorer.probes.activations import EVERY, PLACES, ActivationProbe
from explorer.training import prepare
from explorer.training.learner import Learner

GOAL = 1.18
MODELS = ("deep-bn", "resnet")


class OneBatch:
    """The same 256 random pictures again and again: only the steps are timed."""

    source = Source("random pictures", "standin", "")
    steps_per_epoch = 1

    def __init__(self, place: torch.device, size: int = 256) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(size, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
        self.batch = Batch(x.to(place), torch.randint(10, (size,), generator=generator).to(place))


def timed(learner: Learner, batch: Batch) -> float:
    """Seconds for one step."""
    started = time.perf_counter()
    learner.train_batch(batch, 1e-3)
    if learner.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(model: str, where: str, every: int, steps: int) -> dict:
    """The ratio for one network, and the seconds a step it comes from."""
    place = devices.choose()
    data = OneBatch(place)
    experiment = Experiment.of(model)
    plain, watched = (Learner(prepare.model_for(experiment, data), data, experiment, place) for _ in range(2))
    times: dict[str, list[float]] = {"without": [], "looked at": [], "others": []}
    with ActivationProbe(watched, every, where) as probe:
        for number in range(-every, steps):
            plain.model.train()
            watched.model.train()
            which = "others" if watched.step % every else "looked at"
            for learner in (plain, watched) if number % 2 else (watched, plain):
                seconds = timed(learner, data.batch)
                if number >= 0:  # the first few warm up
                    times["without" if learner is plain else which].append(seconds)
        layers = len(probe.watched)
    without, looked, others = (statistics.median(times[key] or [0.0]) for key in times)
    mixed = (looked + (every - 1) * others) / every
    return {
        "model": model,
        "ratio": round(mixed / without, 3),
        "layers": layers,
        "ms_without": round(1000 * without, 1),
        "ms_with": round(1000 * mixed, 1),
        "ms_looked_at": round(1000 * looked, 1),
    }


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--steps", type=int, default=40, help="of each learner")
    parser.add_argument("--every", type=int, default=EVERY, help="a step in this many is watched")
    parser.add_argument("--where", choices=PLACES, default="after activation")
    options = parser.parse_args()
    found = [compare(model, options.where, options.every, options.steps) for model in MODELS]
    worst = max(result["ratio"] for result in found)
    line = {
        "benchmark": "activations",
        "ratio": worst,
        "goal": GOAL,
        "passed": worst <= GOAL,
        "compared": "time per training step with statistics of every layer over without, batch 256",
        "every": options.every,
        "where": options.where,
        "device": devices.describe(),
        "networks": found,
    }
    print(json.dumps(line) if options.json else "\n".join(f"{key}: {value}" for key, value in line.items()))


if __name__ == "__main__":
    main()
