"""Thirty students at once: ``python -m tests.load --viewers 30 --json``.

One server, one training run that somebody started, and N visitors spread over the pages who move a slider every
second or two; ``--engine ray`` has it train outside the server. Printed: ``p50_s`` and ``p95_s`` from a moved slider to
the finished page; ``open_p95_s`` of the first views; ``fragment_p95_s`` of the live charts' timer, of the visitor who
owns the run; ``training_rate``, steps a second with the visitors over those without; ``cores`` that the server's own
process keeps busy with them, and ``watching`` with the run's owner alone (with ``--engine ray`` nothing trains in it);
``memory_mb`` of it before they came, ``memory_per_session_mb``; ``errors``, exceptions on screen or lost connections.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from explorer.store.store import Store
from tests.load.viewer import Lost, Viewer
from tests.serving import Server, serve

PAGES = ("", "char_rnn", "cifar10", "lr_finder", "batchnorm", "cam", "runs")
TRAINED = "model=gru&epochs=100&schedule=constant"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Resident memory of a process, in MB; with "RssAnon" without files that are mapped into it."""
    line = next(row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith(f"{what}:"))
    return int(line.split()[1]) / 1000


def processor_s(pid: int) -> float:
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def visit(viewer: Viewer, late: float, until: float, dice: random.Random) -> None:
    """Come some time after the others, look, and move a slider now and then."""
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(late)
    try:
        async with viewer:
            await viewer.open()
            while clock() < until:
                await asyncio.sleep(dice.uniform(1, 2))
                await viewer.slide(dice.random())
    except Lost:
        pass  # noted by the viewer
    except OSError as error:
        viewer.errors.append(f"no connection: {error}")


async def watch(owner: Viewer, stop: asyncio.Event) -> None:
    """What the browser of the run's owner does: its charts' timer."""
    while not stop.is_set():
        await asyncio.sleep(min(owner.timers.values(), default=1.0))
        await owner.tick()


async def pace(store: Store, seconds: float) -> float:
    """Steps a second of the only run, over the next ``seconds``."""

    def now() -> tuple[float, float]:
        history = store.history(store.runs()[0].id)
        return (float(history["step"][-1]), float(history["seconds"][-1])) if len(history) else (0.0, 0.0)

    before = now()
    await asyncio.sleep(seconds)
    after = now()
    return (after[0] - before[0]) / max(after[1] - before[1], 1e-9)


async def measure(server: Server, viewers: int, seconds: float) -> dict[str, float | int | list[str]]:
    """The whole thing, on a running server."""
    store, stop, clock = Store(server.home / "runs"), asyncio.Event(), asyncio.get_running_loop().time
    for page in PAGES:  # somebody was here before: data are decoded, shipped weights loaded
        async with Viewer(server.url, page) as first:
            await first.open()
    async with Viewer(server.url, "char_rnn", TRAINED) as owner:
        await owner.open()
        await owner.press("Train")
        at_it = asyncio.create_task(watch(owner, stop))
        while not (store.runs() and len(store.history(store.runs()[0].id)) > 50):
            await asyncio.sleep(0.2)
        used = processor_s(server.pid)
        alone = await pace(store, seconds / 2)
        watching = (processor_s(server.pid) - used) / (seconds / 2)
        owner.fragments.clear()
        memory = memory_mb(server.pid)
        dice = random.Random(0)
        late = [dice.uniform(0, seconds / 3) for _ in range(viewers)]
        crowd = [Viewer(server.url, PAGES[number % len(PAGES)]) for number in range(viewers)]
        until = clock() + seconds
        visits = asyncio.gather(*(visit(v, wait, until, dice) for v, wait in zip(crowd, late, strict=True)))
        used = processor_s(server.pid)
        together = await pace(store, seconds)
        cores = (processor_s(server.pid) - used) / seconds
        grown = memory_mb(server.pid) - memory
        await visits
        stop.set()
        await at_it
        await owner.press("Stop")
    moved = [seconds for viewer in crowd for seconds in viewer.seconds]
    errors = [f"{viewer.page or 'home'}: {error}" for viewer in (owner, *crowd) for error in viewer.errors]
    return {
        "viewers": viewers,
        "p50_s": round(statistics.median(moved), 3) if moved else float("nan"),
        "p95_s": round(percentile(moved, 0.95), 3),
        "open_p95_s": round(percentile([v.opened for v in crowd if v.opened == v.opened], 0.95), 3),
        "fragment_p95_s": round(percentile(owner.fragments, 0.95), 3),
        "training_rate": round(together / alone, 3),
        "cores": round(cores, 3),
        "watching": round(watching, 3),
        "memory_mb": round(memory),
        "memory_per_session_mb": round(grown / max(viewers, 1), 2),
        "errors": len(errors),
        "requests": len(moved),
        "first_errors": errors[:5],
    }


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the visitors stay")
    parser.add_argument("--engine", default="threads", help="where runs train: EXPLORER_ENGINE of the server")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, serve(Path(home), EXPLORER_ENGINE=options.engine) as server:
        result = asyncio.run(measure(server, options.viewers, options.seconds))
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
