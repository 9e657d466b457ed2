"""The tests in a fresh environment with other versions: ``python -m tests.versions --lowest``.

``--lowest`` installs the lowest version of every package that requirements.txt allows, ``--highest`` the highest, and
``--next`` the newest there is, whatever the bounds say: a look ahead, which may fail, says what would break and is no
error. What is printed is each package with its version, and how the quick tests went, those of the private parts of
Streamlit and torch among them. The environment, several GB with torch's CUDA libraries, goes away afterwards.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
QUICK = ["-m", "not browser and not data", *(f"--ignore=tests/{slow}" for slow in ("browser", "load", "benchmarks"))]
LINES, LETTERS = 12, 240  #: shown of what a program said before it failed


@dataclass(frozen=True)
class Requirement:
    """One line of requirements.txt, such as ``torch>=2.9,<3``."""

    name: str
    bounds: str

    def asked(self, which: str) -> str:
        """What pip is asked for, for ``which`` of lowest, highest and next."""
        return {"lowest": self._lowest, "highest": lambda: self.name + self.bounds, "next": lambda: self.name}[which]()

    def _lowest(self) -> str:
        for bound in self.bounds.split(","):
            if found := re.fullmatch(r"(?:>=|==|~=)(\d[\w.]*?)(?:\.\*)?", bound):
                return f"{self.name}=={found[1]}"
        raise SystemExit(f"{self.name} has no lowest version in requirements.txt: give it one with >=.")


def requirements(text: str) -> list[Requirement]:
    """The packages a requirements file names; comments and references to other files are left out."""
    found = []
    for line in (line.partition("#")[0].replace(" ", "").strip() for line in text.splitlines()):
        if line and not line.startswith("-"):
            parts = re.fullmatch(r"([A-Za-z0-9][\w.-]*)((?:[<>=!~]=?[\w.*]+,?)*)", line)
            if parts is None:
                raise SystemExit(f"requirements.txt says {line!r}, where a name and its bounds were expected.")
            found.append(Requirement(*parts.groups()))
    return found


@dataclass
class Outcome:
    """How it went."""

    which: str
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))
    python: str = field(default_factory=platform.python_version)
    versions: dict[str, str] = field(default_factory=dict)
    passed: int = 0
    skipped: int = 0
    broken: dict[str, str] = field(default_factory=dict)  #: test → what it said
    trouble: str = ""  #: why there are no tests to count
    seconds: int = 0

    @property
    def good(self) -> bool:
        return bool(self.passed) and not self.broken and not self.trouble

    def count(self, report: Path) -> None:
        """Read pytest's report in JUnit's format."""
        cases: dict[str, ElementTree.Element] = {}
        for case in ElementTree.parse(report).iter("testcase"):  # a test run again is there twice, once without a word
            name = f"{case.get('classname')}::{case.get('name')}".removeprefix("::")
            cases[name] = case if len(case) else cases.get(name, case)
        for name, case in cases.items():
            wrong = next((child for child in case if child.tag in ("failure", "error")), None)
            if wrong is not None:
                self.broken[name] = (wrong.get("message") or "").strip()[:LETTERS]
            elif case.find("skipped") is not None:
                self.skipped += 1
            else:
                self.passed += 1

    def __str__(self) -> str:
        width = max(map(len, self.versions), default=0)
        lines = [f"{name:{width}}  {version}" for name, version in self.versions.items()]
        lines += [f"broken: {name}\n    {said}" for name, said in self.broken.items()]
        counts = f"{self.passed} passed, {len(self.broken)} failed, {self.skipped} skipped in {self.seconds} s"
        return "\n".join([*lines, f"{self.which} on Python {self.python}: {self.trouble or counts}"])


def attempt(outcome: Outcome, folder: Path, seconds: float) -> None:
    """Make the environment in ``folder``, run the tests in it, and note how that went."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = requirements((ROOT / "requirements.txt").read_text())
    tools = [tool.asked("highest") for tool in requirements((ROOT / "requirements-dev.txt").read_text())]
    asked = [requirement.asked(outcome.which) for requirement in wanted]
    said = run([sys.executable, "-m", "venv", folder], seconds) or run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade", *asked, *tools], seconds
    )
    if said:
        outcome.trouble = f"cannot be installed: {said}"
        return
    names = [requirement.name for requirement in wanted]
    read = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {names}}}))"
    outcome.versions = json.loads(subprocess.check_output([python, "-c", read], text=True))
    report = folder / "report.xml"
    report.unlink(missing_ok=True)  # of an environment that was kept
    said = run([python, "-m", "pytest", *QUICK, "--reruns", "1", f"--junitxml={report}"], seconds)
    if report.exists():
        outcome.count(report)
    if said and not outcome.broken:
        outcome.trouble = f"the tests did not end: {said}"


def run(command: list, seconds: float) -> str:
    """Run a program at the repository's root; what it said last, if it failed or took longer than ``seconds``."""
    try:
        done = subprocess.run(command, cwd=ROOT, timeout=seconds, text=True, capture_output=True)
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} seconds"
    last = [line[-LETTERS:] for line in (done.stdout + done.stderr).splitlines()[-LINES:]]
    return "\n".join([f"exit {done.returncode}", *last]) if done.returncode else ""


def main() -> int:
    """The command; 0 where the tests passed, and for ``--next`` however they went."""
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__.partition("\n")[0])
    which = parser.add_mutually_exclusive_group()
    for name in ("lowest", "highest", "next"):
        which.add_argument(f"--{name}", action="store_const", const=name, dest="which")
    parser.set_defaults(which="lowest")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the environment there, and leave it")
    parser.add_argument("--minutes", type=float, default=45, help="for installing, and again for the tests (45)")
    options = parser.parse_args()
    outcome, started = Outcome(options.which), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="explorer-versions-") as folder:
        attempt(outcome, (options.keep or Path(folder)).absolute(), 60 * options.minutes)
    outcome.seconds = round(time.monotonic() - started)
    print(json.dumps(asdict(outcome) | {"good": outcome.good}) if options.json else outcome)
    return 0 if outcome.good or options.which == "next" else 1


if __name__ == "__main__":
    sys.exit(main())
