"""A run exported as a script or a notebook repeats itself without this program, to the last digit."""

import ast
import contextlib
import functools
import json
import os
import re
import subprocess
import sys

import pytest
import torch

from explorer import devices, paths
from explorer.experiment import Experiment
from explorer.export.language import data_file
from explorer.export.recipe import Recipe, of_run
from explorer.export.script import as_notebook, as_script, sections
from explorer.jobs.job import Job
from explorer.runs import train
from explorer.store.history import Mark
from explorer.store.store import Store
from explorer.store.words import Kind
from explorer.training import checkpoint, prepare
from explorer.training.learner import Step
from explorer.training.schedules import plan
from tests import warm

CPU = torch.device("cpu")
REPORT = "\n\nimport json as _json, sys as _sys\n_json.dump(losses, open('losses.json', 'w'))\n"
TEXT = {"data": "pydoc"}
DRAWN = {"data": "standin", "images": 1_000, "batch_size": 16}  # 12,000 shapes to draw: two seconds a script
PICTURES = {"images": 500, "batch_size": 64}  # of the sampler that ships
RUNS = {
    "stateful": Experiment.of("stateful", **TEXT, batch_size=64),
    "lstm": Experiment.of("lstm", **TEXT, hidden=64, clip=0.3),
    "resnet": Experiment.of("resnet", **DRAWN),
    "builder": Experiment.of(
        "builder",
        images=1_000,
        batch_size=16,
        widths="6,10",
        depth=2,
        stem=7,
        dropout=0.3,
        optimiser="nesterov",
        label_smoothing=0.1,
    ),
}
OTHERS = {
    "char3": Experiment.of("char3", **TEXT),
    "every symbol": Experiment.of("char-loop", **TEXT, every_symbol=True),
    "mean and max": Experiment.of("builder", **PICTURES, widths="6,10", stem=0, pool="both"),
    "char-loop": Experiment.of("char-loop", **TEXT),
    "char-rnn": Experiment.of("char-rnn", **TEXT, optimiser="adamw", weight_decay=1e-3),
    "char-seq": Experiment.of("char-seq", **TEXT),
    "rnn-cell": Experiment.of("rnn-cell", **TEXT, jitter=False, reset="batch"),
    "gru-cell": Experiment.of("gru-cell", **TEXT, hidden=32, newlines=True),
    "gru": Experiment.of("gru", **TEXT, hidden=32, layers=2, dropout=0.4, schedule="one-cycle", reset="epoch"),
    "simplenet": Experiment.of("simplenet", **PICTURES, augment=False),
    "convnet": Experiment.of("convnet", **PICTURES),
    "convnet2": Experiment.of("convnet2", **PICTURES, size=36),
    "bn": Experiment.of("bn", **PICTURES, widths="4,8", schedule="step"),
    "deep-bn": Experiment.of("deep-bn", **PICTURES, widths="4,8", norm="torch", precision="bfloat16"),
    "resnet2": Experiment.of("resnet2", **PICTURES, widths="4,8", norm="running"),
}


def ours(experiment, steps, changes=()):
    """The losses of the program's own first steps."""
    torch.set_num_threads(1)
    learner, losses = prepare.learner_for(experiment), []
    for event in learner.steps(plan(experiment)):
        if isinstance(event, Step):
            losses.append(float(event.loss))
            for at, name, value in changes:
                if event.number == at and name == "lr":
                    learner.lr_factor = value / experiment.lr
                elif event.number == at:
                    learner.set_live(name, value)
            if len(losses) == steps:
                return losses
    return losses


@pytest.fixture(scope="module")
def elsewhere():
    """Where nothing of the program can be imported, and torch need not be waited for."""
    with contextlib.closing(warm.Warm("numpy", "torch", "torch._dynamo", options=("-I",))) as parent:
        yield parent


@pytest.fixture
def theirs(elsewhere, tmp_path):
    """The losses of a script, run where nothing of the program can be imported; ``apart``: in a Python of its own."""

    def run(code, steps, apart=False, data=paths.SHIPPED, cuda=False):
        (tmp_path / "run.py").write_text(code + REPORT)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("EXPLORER", "PYTHON"))}
        env = {"MOST_STEPS": str(steps), "OMP_NUM_THREADS": "1"} | ({} if cuda else {"CUDA_VISIBLE_DEVICES": ""})
        env = {**clean, **env, "EXPLORER_DATA": os.path.abspath(data)}  # it runs in another folder
        if apart:
            command = [sys.executable, "-I", "run.py"]
            done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
        else:
            done = elsewhere.run("run.py", cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads((tmp_path / "losses.json").read_text())

    return run


def recipe(experiment, **more):
    return Recipe(experiment, "A run", prepare.data_for(experiment, CPU).source, **more)


@pytest.mark.parametrize("key", RUNS)
def test_a_script_gives_the_runs_losses(key, home, theirs):
    code = as_script(recipe(RUNS[key]))
    assert "explorer" not in re.sub(r'"""[\s\S]*?"""|EXPLORER_DATA|#.*', "", code, count=0).replace(
        "lesson-7 explorer", ""
    )
    expected = ours(RUNS[key], 50)
    found = theirs(code, 50, apart=key == "stateful")
    assert found == pytest.approx(expected, abs=1e-6) and len(set(expected)) == 50


@pytest.mark.parametrize("key", OTHERS)
def test_every_rungs_script_gives_its_losses(key, home, theirs):
    assert theirs(as_script(recipe(OTHERS[key])), 6) == pytest.approx(ours(OTHERS[key], 6), abs=1e-6)


@pytest.mark.data
@pytest.mark.parametrize("key", ["stateful", "convnet"])
def test_on_the_lectures_own_data_too(key, theirs):
    """Nietzsche, and CIFAR-10 straight from the archive."""
    experiment = Experiment.of(key, **({"images": 2_000} if key == "convnet" else {}))
    code, data = as_script(recipe(experiment)), os.environ["EXPLORER_DATA"]
    assert theirs(code, 5, data=data) == pytest.approx(ours(experiment, 5), abs=1e-6)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("key", [*RUNS, *OTHERS])
def test_a_script_gives_the_runs_losses_on_a_cuda_device_too(key, home, theirs, monkeypatch):
    """Up to rounding: a script asks for no orderly kernels, and some learn in bfloat16."""
    monkeypatch.delenv("EXPLORER_DEVICE", raising=False)
    monkeypatch.setattr(devices, "choose", functools.partial(torch.device, "cuda"))
    experiment = {**RUNS, **OTHERS}[key]
    assert theirs(as_script(recipe(experiment)), 6, cuda=True) == pytest.approx(ours(experiment, 6), rel=1e-2)


def test_on_the_sampler_that_ships(home, theirs):
    experiment = Experiment.of("convnet", batch_size=64)
    made = recipe(experiment)
    assert made.source.kind == "sample"
    losses = theirs(as_script(made), 5)
    assert losses == pytest.approx(ours(experiment, 5), abs=1e-6)


def test_what_was_changed_while_it_ran_is_changed_in_the_script_too(home, theirs):
    changes = [(2, "lr", 5e-3), (2, "clip", 0.1), (3, "dropout", 0.1), (4, "weight_decay", 0.01)]
    marks = [Mark(step, f"{name} {value:g}") for step, name, value in changes]
    marks.insert(1, Mark(2, "on another worker"))  # no change: its worker was gone
    experiment = RUNS["lstm"]
    changed = ours(experiment, 8, changes)
    assert theirs(as_script(recipe(experiment, marks=marks)), 8) == pytest.approx(changed, abs=1e-6)
    assert changed[4:] != ours(experiment, 8)[4:]


def test_a_recorded_run_is_exported_with_what_it_came_to_and_repeats_it(home, theirs, tmp_path):
    experiment = Experiment.of("stateful", **TEXT, hidden=16, bptt=64, jitter=False, epochs=2)
    store = Store()
    job = Job(Kind.TRAIN, "Stateful RNN", lambda job: None, experiment=experiment)
    train.train(job, experiment, store)
    made = of_run(store.run(job.id), store)
    code = as_script(made)
    assert made.source.kind == "standin" and f"{made.epochs[-1].val_loss:.5f}" in code and "torch 2" in code
    losses = theirs(code, 0)
    assert losses == pytest.approx(store.history(job.id)["loss"].tolist(), abs=1e-6)
    theirs_now = torch.load(tmp_path / "weights.pt")
    model, _ = checkpoint.load(store.weights(job.id), CPU)
    assert all(torch.allclose(theirs_now[name], value, atol=1e-5) for name, value in model.state_dict().items())


def test_a_run_that_began_from_weights_says_which_and_loads_them(home, theirs, tmp_path):
    experiment = Experiment.of("stateful", **TEXT, hidden=16, bptt=32)
    first = prepare.learner_for(experiment.replace(seed=9))
    start = tmp_path / "mine.safetensors"
    checkpoint.save(start, first.model, prepare.story_of(first, experiment, 2.0, 0.4))
    learner = prepare.learner_for(experiment, start)
    expected = [float(event.loss) for event, _ in zip(learner.steps(plan(experiment)), range(5), strict=False)]
    code = as_script(recipe(experiment, begun_from="mine.safetensors"))
    assert "began with mine.safetensors" in code
    assert theirs(code, 5) == pytest.approx(expected, abs=1e-6)


def test_a_run_on_ones_own_text_that_left_no_weights_does_not_read_the_lectures():
    made = Recipe(Experiment.of("gru", data="own-0123456789abcdef-0123456789ab"), "a run that diverged")
    assert data_file(made) == ("text.txt", "")


@pytest.mark.parametrize("key", [*RUNS, *OTHERS])
def test_a_script_is_readable(key, home):
    """Commented, no line longer than a screen, nothing imported that is not used, no trace of a template."""
    made = recipe({**RUNS, **OTHERS}[key])
    code = as_script(made)
    allowed = {"torch", "numpy", "pydoc_data", *sys.stdlib_module_names}
    if made.source.kind == "sample":  # files of pictures
        allowed.add("PIL")
    tree = ast.parse(code)
    assert max(map(len, code.splitlines())) <= 125 and "{{" not in code
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            root = (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            assert root in allowed
            for alias in node.names:
                assert (alias.asname or alias.name).split(".")[0] in names, alias.name
    for section in sections(made):
        assert f"# -- {section.title} ---" in code


def test_a_notebook_runs_through_and_shows_the_curve(home, tmp_path):
    experiment = Experiment.of("stateful", **TEXT, hidden=16, bptt=64, epochs=1)
    (tmp_path / "run.ipynb").write_text(as_notebook(recipe(experiment)))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "jupyter",
            "nbconvert",
            "--to",
            "notebook",
            "--execute",
            "run.ipynb",
            "--output",
            "done",
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MOST_STEPS": "0", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    cells = json.loads((tmp_path / "done.ipynb").read_text())["cells"]
    said = json.dumps([cell.get("outputs") for cell in cells])
    assert ("polyline" in said and "validation" in said) or "accuracy" in said
    titles = [cell["source"][0].strip() for cell in cells if cell["cell_type"] == "markdown"]
    assert titles[1:5] == ["## Settings", "## The text", "## Batches", "## The model: CharSeqStatefulRnn"]


def test_a_notebook_of_pictures_has_the_same_code_as_the_script(home):
    made = recipe(RUNS["resnet"])
    cells = json.loads(as_notebook(made))["cells"]
    code = as_script(made)
    for section in sections(made):
        assert section.code in code
        assert any("".join(cell["source"]) == section.code.strip("\n") for cell in cells)
