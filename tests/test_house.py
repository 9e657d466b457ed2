"""The house's rules, read off the source: who may import what."""

import ast
import graphlib
import re
import subprocess
import sys

import pytest

from explorer.paths import REPOSITORY

OURS = sorted((REPOSITORY / "explorer").rglob("*.py"))
PAGES = [REPOSITORY / "streamlit_app.py", *sorted((REPOSITORY / "pages").glob("*.py"))]


def imports(path, top_only=False, but_typing=False):
    """Names of the modules a file imports; with ``top_only`` those that run when it is imported."""
    tree = ast.parse(path.read_text())
    skipped = set()
    for node in ast.walk(tree):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if (typing_only and (top_only or but_typing)) or (inside and top_only):
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


def test_only_one_file_knows_ray():
    assert [path.name for path in [*OURS, *PAGES] if "ray" in roots(path)] == ["cluster.py"]
    naming = [path.name for path in [*OURS, *PAGES] if "runs.cluster" in path.read_text()]
    assert naming == ["engine.py"], "and it is imported where it is chosen, and not before"


@pytest.mark.parametrize("path", [*OURS, *PAGES], ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_nothing_imports_a_page(path):
    assert not roots(path) & {"pages", "streamlit_app", "tests"}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_pages_start_without_torch_and_compute_nothing(path):
    assert not roots(path, top_only=True) & {"torch", "torchvision", "sqlite3", "safetensors"}
    assert "sqlite3" not in roots(path)


# The floors, from the ground up: a room imports only from rooms below its own, inside functions too. Rooms of one floor
# do not know each other.
FLOORS = [
    {"errors"},
    {"paths", "devices", "series"},
    {"limits"},
    {"quick"},
    {"ladders"},
    {"settings"},
    {"experiment"},
    {"data"},
    {"models", "cam"},
    {"training"},
    {"probes"},
    {"runs"},
    {"lecture", "figures", "export"},
    {"ui"},
    {"terminal"},
    {"commands"},
    {"__main__"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def module_of(path):
    """explorer/cam/heat.py → explorer.cam.heat"""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows(path):
    """The modules of ours a file imports when it is imported or run; names for type checkers alone do not count."""
    known = {module_of(ours) for ours in OURS}
    for name in imports(path, but_typing=True):
        while name not in known and "." in name:
            name = name.rpartition(".")[0]
        if name in known and name != "explorer":
            yield name


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_arrows_point_down(path):
    room = path.relative_to(REPOSITORY / "explorer").parts[0].removesuffix(".py")
    if room == "__init__":
        return
    for name in arrows(path):
        other = name.split(".")[1]
        assert other == room or FLOOR_OF[other] < FLOOR_OF[room], f"{module_of(path)} imports {name}"


def test_every_room_stands_on_a_floor():
    rooms = {path.relative_to(REPOSITORY / "explorer").parts[0].removesuffix(".py") for path in OURS}
    assert rooms - {"__init__"} == set(FLOOR_OF)


def test_nothing_goes_round_in_circles():
    """Not even through an import inside a function."""
    graph = {module_of(path): set(arrows(path)) - {module_of(path)} for path in OURS}
    for module in graph:  # a package that a file of its own imports is no circle
        graph[module] = {other for other in graph[module] if not module.startswith(f"{other}.")}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_no_file_is_longer_than_one_can_read_in_a_sitting():
    long = {module_of(path): lines for path in OURS if (lines := len(path.read_text().splitlines())) > 350}
    assert not long


def test_pages_are_thin():
    assert all(len(path.read_text().splitlines()) <= 120 for path in PAGES)


@pytest.mark.parametrize("path", [*OURS, *PAGES], ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_a_module_goes_by_its_own_name(path):
    """``as figures`` hid four different modules in four files; whoever reads a name shall know whose it is."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("explorer"):
            renamed = [alias for alias in node.names if alias.asname]
            assert not renamed, f"{ast.unparse(node)}"


@pytest.mark.parametrize("path", [*OURS, *PAGES], ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_session_state_is_touched_in_one_file(path):
    """Nor is a widget's key put together anywhere else; a figure's key is Plotly's and no widget's."""
    if path.name == "state.py" or "streamlit" not in roots(path):
        return
    tree = ast.parse(path.read_text())
    figures = {"partial", *(name.rpartition(".")[2] for name in imports(path) if name.startswith("explorer.figures"))}
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Attribute) and node.attr == "session_state"), f"line {node.lineno}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] not in figures:
            keys = [word.value for word in node.keywords if word.arg == "key"]
            assert not any(isinstance(key, ast.JoinedStr) for key in keys), f"line {node.lineno}: a key of an f-string"


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
    from explorer.runs.two_fits import Fitted

    above = [path for path in OURS if path.parent.name != "runs"]
    trees = [ast.parse(path.read_text()) for path in [*above, *PAGES]]
    asked = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for result in (Evaluated, Exploded, Fitted, GridView, Learnt, Raced, Reached, Sweeps, Training):
        assert asked >= result.__dataclass_fields__.keys(), result.__name__


MAP = (REPOSITORY / "ARCHITECTURE.md").read_text()


def test_the_map_of_the_house_names_files_that_are_there():
    named = [name for name in re.findall(r"`([\w/]+/\w+\.py)`", MAP) if not name.endswith("/X.py")]
    there = [(REPOSITORY / name).is_file() or (REPOSITORY / "explorer" / name).is_file() for name in named]
    assert len(named) > 20 and all(there), [name for name, found in zip(named, there, strict=True) if not found]


def test_ten_errands_take_two_hops_at_most():
    """What a reader looks for: the file the map names first, and in it the word, or the file, it names next."""
    table = MAP.split("## Where do I")[1].split("\n\n")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert len(rows) >= 10
    for errand, first, then in rows:
        (file,) = re.findall(r"`([\w/]+\.py)`", first)[:1]
        text = (REPOSITORY / "explorer" / file).read_text()
        for word in re.findall(r"`([^`]+)`", first + then):
            if word.endswith(".py"):
                assert (REPOSITORY / "explorer" / word).is_file(), (errand, word)
            else:
                assert re.search(rf"\b{re.escape(word.split('.')[-1])}\b", text), (errand, word)


def test_the_top_level_stays_as_it_was_given():
    """Code, pages, weights, tests and one script; beside them words for people and settings for tools."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    top = {name.split("/")[0] for name in listed.splitlines()}
    words = {name for name in top if name.endswith((".md", ".txt", ".toml")) or name == "LICENSE" or name[0] == "."}
    assert top - words == {"explorer", "pages", "weights", "tests", "streamlit_app.py"}
