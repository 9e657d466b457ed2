"""The house's rules, read off the source: who may import what."""

import ast
import functools
import graphlib
import re
import subprocess
import sys

from explorer.paths import REPOSITORY

OURS = sorted((REPOSITORY / "explorer").rglob("*.py"))
PAGES = [REPOSITORY / "streamlit_app.py", *sorted((REPOSITORY / "pages").glob("*.py"))]


@functools.cache
def nodes(path):
    """Everything in a file, which several rules look at."""
    return list(ast.walk(ast.parse(path.read_text())))


def imports(path, top_only=False, but_typing=False):
    """Names of the modules a file imports; with ``top_only`` those that run when it is imported."""
    skipped = set()
    for node in nodes(path):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if (typing_only and (top_only or but_typing)) or (inside and top_only):
            skipped |= {id(inner) for inner in ast.walk(node)}
    for node in nodes(path):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def roots(path, **how):
    return {name.split(".")[0] for name in imports(path, **how)}


def test_only_the_ui_knows_streamlit():
    below = [path for path in OURS if "ui" not in path.relative_to(REPOSITORY).parts[1:2]]
    assert not [path for path in below if "streamlit" in roots(path)]
    assert not [path for path in below if any(name.startswith("explorer.ui") for name in imports(path))]
    assert len(below) > 150


def test_only_one_file_knows_ray():
    assert [path.name for path in [*OURS, *PAGES] if "ray" in roots(path)] == ["cluster.py"]
    naming = [path.name for path in [*OURS, *PAGES] if "jobs.cluster" in path.read_text()]
    assert naming == ["engine.py"], "and it is imported where it is chosen, and not before"


def test_nothing_imports_a_page():
    assert not [path for path in (*OURS, *PAGES) if roots(path) & {"pages", "streamlit_app", "tests"}]


def test_pages_start_without_torch_and_compute_nothing():
    heavy = {"torch", "torchvision", "sqlite3", "safetensors"}
    assert not [path for path in PAGES if roots(path, top_only=True) & heavy or "sqlite3" in roots(path)]


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
    {"store"},
    {"jobs"},
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


KNOWN = {module_of(path) for path in OURS}


def arrows(path):
    """The modules of ours a file imports when it is imported or run; names for type checkers alone do not count."""
    for name in imports(path, but_typing=True):
        while name not in KNOWN and "." in name:
            name = name.rpartition(".")[0]
        if name in KNOWN and name != "explorer":
            yield name


def test_arrows_point_down():
    seen, wrong = 0, []
    for path in OURS:
        room = path.relative_to(REPOSITORY / "explorer").parts[0].removesuffix(".py")
        for name in () if room == "__init__" else arrows(path):
            other, seen = name.split(".")[1], seen + 1
            if other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
                wrong.append(f"{module_of(path)} imports {name}")
    assert not wrong and seen > 500


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


def test_a_module_goes_by_its_own_name():
    """``as figures`` hid four different modules in four files; whoever reads a name shall know whose it is."""
    ours = [
        (path, node)
        for path in (*OURS, *PAGES)
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("explorer")
    ]
    assert not [(path, ast.unparse(node)) for path, node in ours if any(alias.asname for alias in node.names)]
    assert len(ours) > 500


def test_what_has_a_timer_loses_no_click():
    """A fragment that is drawn again and again draws the whole page anew by live.redraw, not by st.rerun."""
    timed = [
        (path, node)
        for path in OURS
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef) and any("run_every" in ast.unparse(by) for by in node.decorator_list)
    ]
    wrong = [f"{path}, line {node.lineno}" for path, node in timed if "st.rerun()" in ast.unparse(node)]
    assert not wrong and len(timed) > 5


def test_session_state_is_touched_in_one_file():
    """Nor is a widget's key put together anywhere else; a figure's key is Plotly's and no widget's."""
    looked = [path for path in (*OURS, *PAGES) if path.name != "state.py" and "streamlit" in roots(path)]
    wrong = []
    for path in looked:
        drawn = {name.rpartition(".")[2] for name in imports(path) if name.startswith("explorer.figures")}
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and node.attr == "session_state":
                wrong.append(f"{path}, line {node.lineno}")
            if isinstance(node, ast.Call):
                keys = [word.value for word in node.keywords if word.arg == "key"]
                made = any(isinstance(key, ast.JoinedStr) for key in keys)
                if made and ast.unparse(node.func).split(".")[0] not in {"partial", *drawn}:
                    wrong.append(f"{path}, line {node.lineno}: a key of an f-string")
    assert not wrong and len(looked) > 50


NEEDED = [
    "explorer.ladders",
    "explorer.experiment",
    "explorer.jobs.job",
    "explorer.store.store",
    "explorer.store.history",
    "explorer.lecture.recorded",
    "explorer.paths",
    "explorer.devices",
    "explorer.data.text",
]


def test_what_the_first_view_needs_does_not_wait_for_torch():
    program = f"import sys, {', '.join(NEEDED)}; print(*[m for m in sys.modules if '.' not in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert not {"torch", "streamlit"} & {*done.stdout.split()}


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
    asked = {node.attr for path in (*above, *PAGES) for node in nodes(path) if isinstance(node, ast.Attribute)}
    for result in (Evaluated, Exploded, Fitted, GridView, Learnt, Raced, Reached, Sweeps, Training):
        assert asked >= result.__dataclass_fields__.keys(), result.__name__


MAP = (REPOSITORY / "ARCHITECTURE.md").read_text()


def test_the_map_of_the_house_names_files_that_are_there():
    named = [name for name in re.findall(r"`([\w/]+/\w+\.py)`", MAP) if not name.endswith("/X.py")]
    there = [(REPOSITORY / name).is_file() or (REPOSITORY / "explorer" / name).is_file() for name in named]
    assert len(named) > 20 and all(there), [name for name, found in zip(named, there, strict=True) if not found]


def test_the_looks_name_files_that_are_there():
    named = re.findall(r"[\w/]+\.(?:py|css)\b", (REPOSITORY / ".streamlit" / "config.toml").read_text())
    assert named and all((REPOSITORY / name).is_file() for name in named), named


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


def test_no_comprehension_hides_what_its_function_calls():
    """Python 3.12.3, which Ubuntu 24.04 has, then takes the one for the other: UnboundLocalError."""
    functions = [
        (path, node)
        for path in [*OURS, *PAGES]
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for path, function in functions:
        own, names = {}, [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        for made in ast.walk(function):
            if isinstance(made, ast.ListComp | ast.SetComp | ast.DictComp):
                targets = {n.id for part in made.generators for n in ast.walk(part.target) if isinstance(n, ast.Name)}
                own |= {id(n): n.id for n in ast.walk(made) if isinstance(n, ast.Name) and n.id in targets}
        outside = [name for name in names if id(name) not in own]
        bound = {name.id for name in outside if isinstance(name.ctx, ast.Store)}
        bound |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        hidden = {name.id for name in outside} & set(own.values()) - bound
        assert not hidden, f"{path}:{function.lineno}: {hidden}"


def test_the_top_level_stays_as_it_was_given():
    """Code, pages, weights, tests and one script; beside them words for people and settings for tools."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    top = {name.split("/")[0] for name in listed.splitlines()}
    words = {name for name in top if name.endswith((".md", ".txt", ".toml")) or name == "LICENSE" or name[0] == "."}
    assert top - words == {"explorer", "pages", "weights", "tests", "streamlit_app.py"}
