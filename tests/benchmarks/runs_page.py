"""What the Runs page costs with many runs: listed, filtered, three of them laid over each other.

    python -m tests.benchmarks.runs_page --json

``cpu_few`` and ``cpu_many`` are processor seconds of one drawing of the page with 20 and with 2,000 runs of 10,000
steps, the fastest of several; ``ratio`` the one over the other. Each is the sum of three drawings: the list, a search,
and an overlay of three runs.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from explorer import paths
from explorer.experiment import Experiment
from explorer.store.index import Run, values
from explorer.store.store import Store
from explorer.ui import app

MODELS = ("stateful", "gru", "lstm", "convnet", "resnet")
FEW, MANY = 20, 2_000
STEPS = (
    "INSERT INTO steps SELECT ?1, n, n / 1000.0, 3.0 / (1 + n / 500.0) + (n * 7919 % 100) / 500.0, 1e-3, 0.9, NULL, "
)
STEPS += "n / 200.0 FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?2) SELECT n FROM c)"
EPOCH = (
    '{{"epoch": {0}, "step": {1}, "train_loss": 1.6, "val_loss": {2}, "accuracy": 0.5, "seconds": 5.0, "sample": ""}}'
)


def fill(store: Store, runs: int, steps: int) -> None:
    """So many runs of so many steps and ten epochs, of several models and settings."""
    with store._writing() as connection:
        for number in range(runs):
            model = MODELS[number % len(MODELS)]
            experiment = Experiment.of(model, lr=1e-4 * (1 + number % 50), seed=number)
            loss = 1.5 + number % 97 / 100
            run = Run(
                *(f"r{number}", "bench", "train", experiment.rung.title, experiment, "done", "", "CPU", "A text"),
                *(float(number), time.time()),
            )
            line = values(run) | {"steps": steps, "epochs": 10, "val_loss": loss, "accuracy": 0.5, "seconds": 50.0}
            connection.execute(
                f"INSERT INTO runs ({', '.join(line)}) VALUES ({', '.join('?' * len(line))})", [*line.values()]
            )
            connection.execute(STEPS, [run.id, steps])
            epochs = [(run.id, n, EPOCH.format(n, n * steps // 10, loss + (10 - n) / 50)) for n in range(1, 11)]
            connection.executemany("INSERT INTO epochs VALUES (?, ?, ?)", epochs)


def measure(store: Store, repeats: int) -> dict[str, float]:
    """Processor seconds of the page's drawings on a store, each the fastest of several."""
    app.store = lambda: store
    app.owner = lambda: "bench"
    at = AppTest.from_file(paths.REPOSITORY / "streamlit_app.py", default_timeout=600).run()
    at.switch_page("pages/runs.py").run()
    assert not at.exception, at.exception
    found: dict[str, float] = {}
    for name, change in (
        ("list", lambda: None),
        ("search", lambda: at.text_input(key="runs.words").set_value("gru")),
        ("overlay", lambda: at.query_params.update({"runs": "r1,r6,r11", "q": ""})),
    ):
        change()
        at.run()
        took = []
        for _ in range(repeats):
            began = time.process_time()
            at.run()
            took.append(time.process_time() - began)
        assert not at.exception, at.exception
        found[name] = min(took)
    return found


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=MANY)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    result: dict[str, object] = {"runs": options.runs, "steps": options.steps}
    with tempfile.TemporaryDirectory(prefix="explorer-bench-") as folder:
        os.environ["EXPLORER_HOME"] = folder
        for name, runs in (("few", FEW), ("many", options.runs)):
            store = Store(Path(folder) / name)
            fill(store, runs, options.steps)
            parts = measure(store, options.repeats)
            result |= {f"{part}_{name}": round(seconds, 4) for part, seconds in parts.items()}
            result[f"cpu_{name}"] = round(sum(parts.values()), 4)
    result["ratio"] = round(float(str(result["cpu_many"])) / float(str(result["cpu_few"])), 3)
    if options.json:
        print(json.dumps(result))
        return
    print(f"{FEW} runs: {result['cpu_few']} s of the processor; {options.runs:,}: {result['cpu_many']} s")
    print(f"Ratio {result['ratio']}, at most 3 is the goal; the list alone took {result['list_many']} s.")


if __name__ == "__main__":
    main()
