"""What every test relies on: a home of its own, few threads, and the real data where a test asks for it."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; tiny models gain nothing from more
os.environ.setdefault("EXPLORER_DEVICE", "cpu")  # what needs CUDA asks for it (tests/test_cuda.py)

import pytest
from hypothesis import HealthCheck, settings

from tests import lent, warm
from tests.serving import Server, serve

# Where it is forbidden to keep what was compiled, each of some hundred processes would compile all of it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A suite that was started in the background ignores Ctrl-C, and so would the servers it starts: they are to hear it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "explorer",
    deadline=None,
    max_examples=30,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("explorer")


def pytest_configure(config):
    config.explorer_home = tempfile.mkdtemp(prefix="explorer-tests-")
    os.environ["EXPLORER_HOME"] = config.explorer_home
    config.lent = contextlib.ExitStack()
    config.lent.enter_context(lent.session())


def pytest_unconfigure(config):
    config.lent.close()
    shutil.rmtree(config.explorer_home, ignore_errors=True)


# What opens pages, starts servers or trains for seconds; the quick suite is the rest: ``pytest -m "not slow"``.
SLOW_PLACES = (
    *("browser/", "load/", "endurance/", "benchmarks/", "pages/"),
    *("test_terminal.py", "test_stress.py", "test_fuzz_files.py"),
    *("test_links.py", "test_add_a_rung.py", "lecture/test_claims.py", "runs/test_race.py", "runs/test_grid.py"),
    *("training/test_memory.py", "ui/test_door.py", "ui/test_internals.py", "data/test_dogscats.py"),
    *("export/test_script.py", "runs/test_resume.py", "runs/test_sweeping.py", "terminal/test_sweep.py"),
    *("training/test_parallel.py", "terminal/test_together.py", "jobs/test_engine.py", "jobs/test_engine_contract.py"),
)
SLOW_TESTS = {
    "test_the_real_set",
    "test_the_server_ends_well_in_the_middle_of_a_step",
    "test_a_killed_server_loses_at_most_the_last_second_and_the_run_is_settled",
    "test_a_queued_run_leaves_a_trace_when_the_server_is_killed",
    "test_weights_that_know_planes_and_cats_are_not_asked_about_drawn_shapes",
    "test_training_does_not_wait_for_a_compiler_it_never_uses",
    "test_a_large_animation_has_fewer_pieces_than_the_limit",
    "test_a_queue_has_no_threads_and_ends_as_fast_as_it_is_long",
    "test_an_ended_run_lets_go_of_its_model",
}


# Several workers take a file each at a time: what takes longest comes first, so that all come to an end together.
LONGEST = (
    *("browser/test_first_visit.py", "jobs/test_engine_contract.py", "browser/test_every_page.py", "endurance/"),
    *("browser/test_above_the_fold.py", "test_fuzz_files.py", "runs/test_race.py", "export/test_script.py"),
    *("pages/test_addresses.py", "browser/test_links.py", "browser/test_several_servers.py", "pages/test_cifar10.py"),
    *("browser/", "runs/test_resume.py", "terminal/", "runs/test_sweeping.py", "load/", "pages/", "test_stress.py"),
    *("training/test_parallel.py", "runs/test_grid.py", "lecture/test_claims.py", "test_terminal.py"),
    *("jobs/", "store/", "runs/"),
)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    places = {path: path.relative_to(here).as_posix() for path in {item.path for item in items}}
    turns = {
        path: next((at for at, start in enumerate(LONGEST) if place.startswith(start)), len(LONGEST))
        for path, place in places.items()
    }
    items.sort(key=lambda item: turns[item.path])
    for item in items:
        place = places[item.path]
        if item.get_closest_marker("cluster") or place.startswith(SLOW_PLACES) or item.originalname in SLOW_TESTS:
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item):
    if item.get_closest_marker("data"):
        folder = os.environ.get("EXPLORER_DATA", "")
        if not (Path(folder) / "nietzsche.txt").is_file():
            pytest.fail(
                f"This test needs the real data, and EXPLORER_DATA ({folder or 'not set'}) holds no nietzsche.txt. "
                "Set EXPLORER_DATA to the folder that has it.",
                pytrace=False,
            )
        lent.pictures(Path(item.config.explorer_home), folder, decode=False)


@pytest.fixture(scope="session")
def programs() -> Iterator[warm.Warm]:
    """Begins this program, or a piece of Python that uses it, in a process of its own that has torch at once."""
    of_pages = ("streamlit.web.bootstrap", "pandas", "explorer.figures.curves", "explorer.cam.explain")
    with contextlib.closing(warm.Warm("torch", "explorer.commands", "explorer.runs.train", *of_pages)) as parent:
        yield parent


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, programs: warm.Warm) -> Iterator[Server]:
    """The app with a home of its own, as a newcomer would start it, but that it has its imports at once.

    What a test leaves running when its browser goes ends after a minute: it would hold up everybody after it.
    """
    home = tmp_path_factory.mktemp("server-home")
    with serve(home, begin=programs.begin, EXPLORER_LEASE_MINUTES="1") as served:
        yield served


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty EXPLORER_HOME for this test alone, and no EXPLORER_DATA."""
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EXPLORER_DATA", raising=False)
    return tmp_path / "home"


def english(length: int) -> str:
    """English that every Python carries."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))[:length]


@pytest.fixture
def text():
    """A few thousand characters of English."""
    return english(6_000)


@pytest.fixture(scope="session")
def short_data(tmp_path_factory):
    """An EXPLORER_DATA whose text is short, for what trains whole epochs and compares, whatever it learns."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "nietzsche.txt").write_text(english(60_000))
    return folder


@pytest.fixture
def short(short_data, monkeypatch):
    """The text named "auto" is a short one, here and in processes that are begun."""
    monkeypatch.setenv("EXPLORER_DATA", str(short_data))


@pytest.fixture
def tiny(text):
    """``tiny(key, **settings)``: a small learner on the CPU over a short English text."""
    import torch

    from explorer.data import Source
    from explorer.data import text as corpus
    from explorer.experiment import Experiment
    from explorer.training import prepare
    from explorer.training.learner import Learner

    def make(key: str = "gru", **settings) -> Learner:
        torch.set_num_threads(1)
        small = {"n_fac": 8, "hidden": 16, "batch_size": 16, "epochs": 2, **settings}
        if key == "lstm":
            small = {"layers": 2, "dropout": 0.5, "lead_epochs": 0, **small}
        experiment = Experiment.of(key, **small)
        place = torch.device("cpu")
        data = corpus.TextData(corpus.prepare(text, Source("Test text", "standin", "")), experiment, place)
        learner = Learner(prepare.model_for(experiment, data), data, experiment, place)
        learner.experiment = experiment
        return learner

    return make
