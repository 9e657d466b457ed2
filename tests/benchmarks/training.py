"""What live recording costs: the learner as a job drives it, over a bare PyTorch loop on the same batches.

    python -m tests.benchmarks.training --json

Ours is a training job's own loop, :func:`explorer.runs.drive.drive`: the learner's iterator, the history, a drain every
tenth of a second, a write to SQLite every half, a bookmark every few seconds, the job's requests. The reference is the
loop one would write by hand: zero the gradients, forward, loss, backward, step. Both draw the same batches from the
same seed, take turns in one thread, a block of steps each, the order alternating. ``ratio``: the median over the rounds
of one's time over the other's, the worse of the two models; ``cpu``: the same in processor time, which a busy machine
disturbs less.
While the reference runs, the recorder's clock stands still, or it would drain twice as often as in a real run.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from explorer import devices
from explorer.data import Batch, Pictures, Source, cifar10
from explorer.data.pictures import VisionData
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.runs import record, train
from explorer.runs.drive import drive
from explorer.store.store import Store
from explorer.store.words import Kind
from explorer.training import prepare
from explorer.training.learner import Learner
from explorer.training.optimisers import make_optimiser
from explorer.training.schedules import plan


class Clock:
    """The recorder's time, which stands still while the reference runs."""

    def __init__(self) -> None:
        self.away, self.time = 0.0, time.time

    def monotonic(self) -> float:
        return time.monotonic() - self.away


def noise() -> Pictures:
    """Pictures of the real size and number of channels; what they show makes no difference to the time."""
    random = np.random.default_rng(0)
    parts = []
    for count in (12_800, 500, 500):
        parts += [random.integers(0, 255, (count, 3, 32, 32), np.uint8), np.arange(count) % 10]
    return Pictures(*parts, cifar10.CLASSES, Source("Noise", "standin", ""))


def bare(experiment: Experiment, data, place: torch.device) -> Iterator[None]:
    """The loop by hand; one ``next`` is one step."""
    model = prepare.model_for(experiment, data).to(place).train()
    optimiser = make_optimiser(model, experiment, place)
    generator = torch.Generator().manual_seed(experiment.seed)
    state = None
    for batch in data.train_batches(generator):
        optimiser.zero_grad()
        if experiment.rung.is_language:
            logits, state = model(batch.x, state)
            state = state.detach()
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), batch.y.reshape(-1))
        else:
            loss = F.cross_entropy(model(batch.x), batch.y)
        loss.backward()
        optimiser.step()
        yield


def driven(experiment: Experiment, data, place: torch.device, store: Store) -> Callable[[int], None]:
    """A function that lets the job's own loop go on for a number of steps."""
    learner = Learner(prepare.model_for(experiment, data), data, experiment, place)
    learner.autocast = False  # the reference has none
    job = Job(Kind.TRAIN, "benchmark", lambda job: None, experiment=experiment)
    recorder = record.Recorder(job, experiment, store)
    recorder.queue()
    steps = learner.steps(plan(experiment))

    def go_on(count: int) -> None:
        learner.steps = lambda schedule: islice(steps, count)
        drive(job, train._moments(job, experiment, learner, recorder, None))

    return go_on


def measure(key: str, rounds: int, block: int, folder: Path) -> dict[str, float]:
    """Milliseconds a step of both, and their ratio."""
    place = devices.choose()
    if key == "convnet":
        experiment = Experiment.of(key)
        data = VisionData(noise(), experiment, place)
    else:
        experiment = Experiment.of(key, data="auto" if os.environ.get("EXPLORER_DATA") else "pydoc")
        data = prepare.data_for(experiment, place)
    an_epoch = data.train_batches

    def endless(generator: torch.Generator) -> Iterator[Batch]:
        """No validation in between: the reference has none."""
        while True:
            yield from an_epoch(generator)

    data.train_batches = endless
    clock = record.time = Clock()
    ours, reference = driven(experiment, data, place, Store(folder)), bare(experiment, data, place)
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    works = {"ours": lambda: ours(block), "bare": lambda: [next(reference) for _ in range(block)]}
    for number in range(rounds + 2):
        for name in ("ours", "bare") if number % 2 else ("bare", "ours"):
            wall, cpu = time.perf_counter(), time.process_time()
            works[name]()
            if place.type == "cuda":
                torch.cuda.synchronize()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            clock.away += spent[0] if name == "bare" else 0.0
            if number >= 2:
                times[name].append(spent)
    each = {name: statistics.median(wall for wall, _ in pairs) for name, pairs in times.items()}
    rounds_ = list(zip(times["ours"], times["bare"], strict=True))
    return {
        "ratio": round(statistics.median(ours[0] / bare[0] for ours, bare in rounds_), 4),
        "cpu": round(statistics.median(ours[1] / bare[1] for ours, bare in rounds_), 4),
        "ours_ms": round(1e3 * each["ours"] / block, 3),
        "bare_ms": round(1e3 * each["bare"] / block, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=100, help="alternations")
    parser.add_argument("--block", type=int, default=10, help="steps before the other takes its turn")
    parser.add_argument("--only", choices=["gru", "convnet"])
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for key in [options.only] if options.only else ["gru", "convnet"]:
            found[key] = measure(key, options.rounds, options.block, Path(folder))
    result = {
        "ratio": max(model["ratio"] for model in found.values()),
        "compares": "the learner with live recording over a bare PyTorch loop on the same batches, time a step",
        **found,
        "device": devices.describe(),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
