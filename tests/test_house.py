"""The house's rules, read off the source: who may import what."""

import ast
import subprocess
import sys

import pytest

from explorer.paths import REPOSITORY

OURS = sorted((REPOSITORY / "explorer").rglob("*.py"))
PAGES = [REPOSITORY / "streamlit_app.py", *sorted((REPOSITORY / "pages").glob("*.py"))]


def imports(path, top_only=False):
    """Names of the modules a file imports; with ``top_only`` those that run when it is imported."""
    tree = ast.parse(path.read_text())
    skipped = set()
    if top_only:
        for node in ast.walk(tree):
            typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or typing_only:
                skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(path, **how):
    return {name.split(".")[0] for name in imports(path, **how)}


@pytest.mark.parametrize(
    "path",
    [p for p in OURS if "ui" not in p.relative_to(REPOSITORY).parts[1:2]],
    ids=lambda p: str(p.relative_to(REPOSITORY)),
)
def test_only_the_ui_knows_streamlit(path):
    assert "streamlit" not in roots(path)
    assert not any(name.startswith("explorer.ui") for name in imports(path))


@pytest.mark.parametrize("path", [*OURS, *PAGES], ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_nothing_imports_a_page(path):
    assert not roots(path) & {"pages", "streamlit_app", "tests"}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_pages_start_without_torch_and_compute_nothing(path):
    assert not roots(path, top_only=True) & {"torch", "torchvision", "sqlite3", "safetensors"}
    assert "sqlite3" not in roots(path)


@pytest.mark.parametrize("folder", ["figures", "data", "models", "training"])
def test_arrows_point_down(folder):
    """ui → (jobs, figures, store) → training → models, data → device; training/run.py is the job's own work."""
    above = {
        "models": ("explorer.training", "explorer.runs.jobs", "explorer.runs.store", "explorer.figures"),
        "data": (
            "explorer.models",
            "explorer.training",
            "explorer.runs.jobs",
            "explorer.runs.store",
            "explorer.figures",
        ),
        "training": ("explorer.figures",),
        "figures": ("explorer.runs.jobs", "explorer.runs.store"),
    }[folder]
    for path in (REPOSITORY / "explorer" / folder).glob("*.py"):
        for name in imports(path, top_only=True):
            assert not name.startswith(above), f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "module",
    [
        "explorer.ladders",
        "explorer.experiment",
        "explorer.runs.jobs",
        "explorer.runs.store",
        "explorer.runs.history",
        "explorer.lecture.recorded",
        "explorer.paths",
        "explorer.devices",
        "explorer.data.text",
    ],
)
def test_what_the_first_view_needs_does_not_wait_for_torch(module):
    loaded = _loaded_by(module)
    assert "torch" not in loaded and "streamlit" not in loaded


def _loaded_by(module):
    program = f"import sys, {module}; print(*[m for m in sys.modules if '.' not in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return set(done.stdout.split())


def test_the_terminals_help_does_not_wait_for_torch():
    program = "import sys, explorer.__main__ as m; m._parser().format_help(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "False"


def test_whatever_a_job_leaves_for_its_page_is_looked_at():
    from explorer.runs.evaluation import Evaluated
    from explorer.runs.grid import GridView
    from explorer.runs.own_classes import Learnt
    from explorer.runs.race import Raced
    from explorer.runs.sweep import Sweeps
    from explorer.runs.through_time import Exploded, Reached
    from explorer.runs.train import Training

    above = [path for path in OURS if path.parent.name != "runs"]
    trees = [ast.parse(path.read_text()) for path in [*above, *PAGES]]
    asked = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for result in (Evaluated, Exploded, GridView, Learnt, Raced, Reached, Sweeps, Training):
        assert asked >= result.__dataclass_fields__.keys(), result.__name__
