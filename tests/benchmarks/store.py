"""Many runs that write their curves at once, from several processes, as workers do.

    python -m tests.benchmarks.store --runs 300 --processes 3 --json
    EXPLORER_STORE=postgresql://… python -m tests.benchmarks.store --runs 300 --processes 3 --json

Each run appends 15 rows twice a second, into the file or into what ``EXPLORER_STORE`` names. ``p50_ms``, ``p95_ms``: of
one run's flush. ``rate``: flushes a second over those that were due. ``lost``: rows that are not there in the end.
``ratio``: the p95 over the 250 ms allowed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from explorer.experiment import Experiment
from explorer.paths import REPOSITORY
from explorer.store.history import COLUMNS
from explorer.store.index import Run
from explorer.store.store import Store
from explorer.store.words import Kind, State

ALLOWED = 250.0  # ms
ROWS, PERIOD = 15, 0.5  # of a flush, and seconds from one to the next


def write(folder: Path, first: int, runs: int, seconds: float) -> None:
    """One process: so many runs, each flushed in its turn; prints what each flush took."""
    store, took = Store(folder), []
    names = [f"bench{number}" for number in range(first, first + runs)]
    for name in names:
        experiment, now = Experiment.of("gru"), time.time()
        store.begin(Run(name, "ann", Kind.TRAIN, "GRU", experiment, State.RUNNING, "", "CPU", "Test", now, now))
    began, done = time.perf_counter(), 0
    while (due := began + done * PERIOD / runs) < began + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        table = np.ones((ROWS, len(COLUMNS)))
        table[:, 0] = np.arange(1, ROWS + 1) + ROWS * (done // runs)
        before = time.perf_counter()
        assert store.append(names[done % runs], table)
        took.append(1000 * (time.perf_counter() - before))
        done += 1
    print(json.dumps({"took": took, "late": time.perf_counter() - began - seconds}))


def measure(folder: Path, runs: int, processes: int, seconds: float) -> dict[str, float]:
    """The whole thing."""
    each = runs // processes
    command = [sys.executable, "-m", "tests.benchmarks.store", "--write", str(folder), "--seconds", str(seconds)]
    writing = [
        subprocess.Popen(
            [*command, "--first", str(number * each), "--runs", str(each)], stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        for number in range(processes)
    ]
    found = [json.loads(process.communicate()[0]) for process in writing]
    took = sorted(value for one in found for value in one["took"])
    store = Store(folder)
    there = sum(len(store.history(f"bench{number}")) for number in range(each * processes))
    p95 = took[int(0.95 * len(took))]
    return {
        "ratio": round(p95 / ALLOWED, 3),
        "p50_ms": round(statistics.median(took), 1),
        "p95_ms": round(p95, 1),
        "max_ms": round(took[-1], 1),
        "rate": round(seconds / (seconds + max(0.0, *(one["late"] for one in found))), 3),
        "lost": ROWS * len(took) - there,
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write, options.first, options.runs, options.seconds)
        return
    with tempfile.TemporaryDirectory() as home:
        result = measure(Path(home) / "runs", options.runs, options.processes, options.seconds)
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
