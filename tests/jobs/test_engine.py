"""Which engine runs the jobs: this process's threads, unless something else is asked for and is there."""

import subprocess
import sys

import pytest

from explorer.jobs import engine, queue
from explorer.jobs.queue import Registry
from explorer.paths import REPOSITORY

EVERYTHING = """
import os, pathlib, sys
sys.modules["ray"] = None
import importlib
for path in sorted(pathlib.Path("explorer").rglob("*.py")):
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if name not in ("explorer.jobs.cluster", "explorer.__main__"):
        importlib.import_module(name)
for path in sorted(pathlib.Path("pages").glob("*.py")):
    compile(path.read_text(), str(path), "exec")
from explorer.jobs import engine, queue
for os.environ["EXPLORER_ENGINE"] in ("threads", "ray"):
    queue._registry = None
    print(type(queue.registry()).__name__, "|", engine.problem())
"""


@pytest.fixture
def none_yet(monkeypatch):
    monkeypatch.setattr(queue, "_registry", None)
    yield
    queue.close()
    engine._problem = ""


@pytest.mark.parametrize("asked", ["", "threads", " threads "])
def test_threads_are_the_default_and_import_nothing(asked: str, monkeypatch, none_yet) -> None:
    monkeypatch.setenv("EXPLORER_ENGINE", asked)
    monkeypatch.setattr(engine.importlib, "import_module", lambda name: pytest.fail(name))
    assert isinstance(queue.registry(), Registry) and queue.registry() is queue.registry() and not engine.problem()


def test_without_ray_everything_is_there_and_one_sentence_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING], capture_output=True, text=True, cwd=REPOSITORY, timeout=120
    )
    threads, ray = done.stdout.splitlines()
    assert threads.split() == ["Registry", "|"], done.stderr[-2000:]
    assert ray.startswith("Registry |") and "pip install -r explorer/deploy/requirements-" in ray


@pytest.mark.parametrize(
    ("asked", "problem", "where"),
    [("", "", "CPU"), ("ray", "", "CPU"), ("10.0.0.5:6379", "", "a cluster"), ("10.0.0.5:6379", "It is away.", "CPU")],
)
def test_pages_say_a_cluster_where_runs_train_on_other_machines(asked, problem, where, monkeypatch) -> None:
    from explorer.ui import app

    monkeypatch.setenv("EXPLORER_ENGINE", asked)
    monkeypatch.setattr(engine, "_problem", problem)
    assert app.Engine(device="CPU").place == where


def test_the_requirements_that_the_sentence_names_are_there() -> None:
    named = engine.MISSING.split("pip install -r ")[1].split(". ")[0]
    assert "ray>=" in (REPOSITORY / named).read_text()


def test_a_process_that_never_started_an_engine_has_none_to_end(none_yet) -> None:
    queue.close()
    assert queue._registry is None


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("said", "own", "there", "pool"),
    [
        ({}, True, {}, (1, 0.0, 0, "all")),
        ({"EXPLORER_WORKERS": "2"}, True, {}, (2, 0.0, 0, "half")),
        ({}, False, {"CPU": 12.0}, (12, 0.0, 0, 0)),
        ({"EXPLORER_WORKERS": "5"}, False, {"CPU": 12.0}, (5, 0.0, 0, 0)),
        ({"EXPLORER_GPU_SHARE": "0.1"}, False, {"CPU": 64.0, "GPU": 3.0}, (30, 0.1, 0, 0)),
        ({"EXPLORER_GPU_SHARE": "none", "EXPLORER_WORKER_MB": "1500"}, False, {"CPU": 2.0}, (2, 0.0, 1500, 0)),
    ],
)
def test_the_pool_is_as_large_as_the_environment_or_the_cluster_says(said, own, there, pool, monkeypatch) -> None:
    from explorer import limits
    from explorer.jobs import cluster

    for name in ("EXPLORER_WORKERS", "EXPLORER_GPU_SHARE", "EXPLORER_WORKER_MB"):
        monkeypatch.delenv(name, raising=False)
    for name, word in said.items():
        monkeypatch.setenv(name, word)
    monkeypatch.setattr(cluster, "cores", lambda: 8)
    limits.forget()
    found = cluster._pool(own, there)
    limits.forget()
    threads = {"all": 8, "half": 4}.get(pool[3], pool[3])
    assert (found.workers, found.gpu, found.megabytes, found.threads) == (*pool[:3], threads)
