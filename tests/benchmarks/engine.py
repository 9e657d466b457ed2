"""What it costs to train in workers outside the server: Ray with two of them, against this process's threads.

    python -m tests.benchmarks.engine --json

All of the catalogue's GRU, as a server's pages see it. ``first_step_p95_s``: a warm submit until its first step is in
the server's mirror. ``control_p95_s``: in *another process* that joined, from a changed rate until its mark is seen
there, where no validation is at work meanwhile. ``age_p95_s``: how old a step is when it is in the mirror, against the
quickest one seen. ``cpu_ms``: processor time a step, of everything that trains, looks and polls, ``threads`` and
``ray`` in turns; ``ratio`` is ray over threads (median of the rounds' ratios).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from explorer.experiment import Experiment
from explorer.jobs.calls import call
from explorer.jobs.engine import Engine
from explorer.jobs.job import Job
from explorer.jobs.queue import Registry
from explorer.paths import REPOSITORY
from explorer.runs import train
from explorer.store.store import Store
from explorer.store.words import Kind, State

WORKERS = 2
RUN = Experiment.of("gru", epochs=100)
UNBROKEN = RUN.replace(batch_size=8)  # no validation comes between a changed rate and its step: nobody changes it then
OTHER = """
import json, sys, time
from explorer.jobs import queue
job = queue.registry().find(sys.argv[1])
took = []
for number in range(int(sys.argv[2]) + 2):
    job.touch()
    before, began = len(job.history.snapshot().marks), time.perf_counter()
    job.change("lr", 1e-3 * (1 + number % 5))
    while len(job.history.snapshot().marks) == before:
        time.sleep(0.002)
    took.append(time.perf_counter() - began)
    time.sleep(0.3)
queue.close()
print(json.dumps(took[2:]))  # the first ones join
"""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def begin(engine: Engine, store: Store, owner: str, run: Experiment = RUN) -> Job[Any]:
    """A run, as a page starts one."""
    job: Job[Any] = Job(Kind.TRAIN, "benchmark", call(train.work, run), owner, run)
    job.record = call(train.record, store.address)
    return engine.submit(job)


def until(job: Job[Any], steps: int) -> None:
    """Look at a run, as its page does, until it has so many steps."""
    while len(job.history.snapshot()) < steps:
        job.touch()
        time.sleep(0.002)
        if job.ended:
            raise RuntimeError(f"the run ended: {job.message}")


def first_steps(engine: Engine, store: Store, rounds: int) -> list[float]:
    """Seconds from a submit to the first step seen here."""
    took = []
    for number in range(rounds + 2):
        began = time.perf_counter()
        job = begin(engine, store, f"student {number}")
        until(job, 1)
        took.append(time.perf_counter() - began)
        job.stop()
        while not job.ended:
            time.sleep(0.01)
    return took[2:]  # each worker's first run reads the data


def controls(job: Job[Any], address: str, rounds: int) -> list[float]:
    """Seconds from a changed rate to its mark, in another process."""
    done = subprocess.run(
        [sys.executable, "-c", OTHER, job.id, str(rounds)],
        env=os.environ | {"EXPLORER_ENGINE": address},
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    took: list[float] = json.loads(done.stdout)
    return took


def ages(job: Job[Any], seconds: float) -> list[float]:
    """How much later than the quickest step each one was here."""
    arrived: list[float] = []
    end, known = time.perf_counter() + seconds, len(job.history.snapshot())
    while time.perf_counter() < end:
        job.touch()
        snapshot, now = job.history.snapshot(), time.perf_counter()
        arrived += (now - snapshot["seconds"][known:]).tolist()
        known = len(snapshot)
        time.sleep(0.002)
    return [late - min(arrived) for late in arrived]


def cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(job: Job[Any], pids: Sequence[int], seconds: float) -> float:
    """Milliseconds of processor time a step of a paused run takes, of all these processes."""
    job.resume()
    while job.state != State.RUNNING:
        job.touch()
        time.sleep(0.01)
    until(job, len(job.history.snapshot()) + 5)
    before, steps, end = sum(map(cpu, pids)), job.history.snapshot()["step"][-1], time.perf_counter() + seconds
    while time.perf_counter() < end:  # as a page does, whose timer looks every half second
        job.touch()
        job.history.snapshot()
        time.sleep(0.25)
    job.pause()
    while job.state != State.PAUSED:
        job.touch()
        time.sleep(0.01)
    time.sleep(0.6)  # its last steps are here, too
    return 1000 * (sum(map(cpu, pids)) - before) / float(job.history.snapshot()["step"][-1] - steps)


def measure(rounds: int, seconds: float, home: Path) -> dict[str, Any]:
    """The whole thing."""
    os.environ.update(EXPLORER_HOME=str(home), EXPLORER_ENGINE="ray", EXPLORER_WORKERS=str(WORKERS))
    from explorer.jobs import cluster

    store, threads = Store(home / "runs"), Registry()
    began = time.perf_counter()
    engine = cluster.start(None)
    up = time.perf_counter() - began
    try:
        first = first_steps(engine, store, rounds)
        job = begin(engine, store, "ann")
        until(job, 20)
        late = ages(job, 10)
        job.pause()
        told = begin(engine, store, "bob", UNBROKEN)
        until(told, 20)
        control = controls(told, cluster.address(), 3 * rounds)
        told.stop()
        inside = begin(threads, store, "ann")
        until(inside, 20)
        for one in (inside, job):
            one.pause()
        worker = engine.wire.worker(job.worker, "standing").result(10).pid
        here = os.getpid()
        pairs = [(cost(inside, [here], seconds), cost(job, [here, worker], seconds)) for _ in range(5)]
        return {
            "ratio": round(statistics.median(outside / within for within, outside in pairs), 3),
            "cpu_ms": {"threads": round(min(p[0] for p in pairs), 2), "ray": round(min(p[1] for p in pairs), 2)},
            "first_step_p50_s": round(statistics.median(first), 3),
            "first_step_p95_s": round(percentile(first, 0.95), 3),
            "control_p50_s": round(statistics.median(control), 3),
            "control_p95_s": round(percentile(control, 0.95), 3),
            "age_p50_s": round(statistics.median(late), 3),
            "age_p95_s": round(percentile(late, 0.95), 3),
            "up_s": round(up, 1),
            "load": round(os.getloadavg()[0], 1),
        }
    finally:
        threads.close()
        engine.close()


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=10, help="runs that are submitted; three times as many controls")
    parser.add_argument("--seconds", type=float, default=3.0, help="a block of training, whose cost is taken")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as home:
        result = measure(options.rounds, options.seconds, Path(home))
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
