"""What the script asks pip for, and how it counts; no package is installed here."""

import json

import pytest

from tests.versions import __main__ as versions

TEXT = """
streamlit==1.67.*   # its private parts are in use
torch >= 2.9, <3
-r others.txt
# a comment
grad-cam~=1.5.5
"""


@pytest.mark.parametrize(
    ("which", "asked"),
    [
        ("lowest", ["streamlit==1.67", "torch==2.9", "grad-cam==1.5.5"]),
        ("highest", ["streamlit==1.67.*", "torch>=2.9,<3", "grad-cam~=1.5.5"]),
        ("next", ["streamlit", "torch", "grad-cam"]),
    ],
)
def test_what_pip_is_asked_for(which, asked):
    assert [requirement.asked(which) for requirement in versions.requirements(TEXT)] == asked


def test_every_package_of_ours_has_a_lowest_version():
    ours = versions.requirements((versions.ROOT / "requirements.txt").read_text())
    assert {"streamlit", "torch"} <= {requirement.name for requirement in ours}
    assert all("==" in requirement.asked("lowest") for requirement in ours)


@pytest.mark.parametrize("line", ["torch @ https://example.org/torch.whl", "torch>=2.9; python_version < '3.13'"])
def test_a_line_it_cannot_read_is_named(line):
    with pytest.raises(SystemExit, match="torch"):
        versions.requirements(line)


@pytest.mark.parametrize("bounds", ["", "<3", ">2", "!=2.9"])
def test_a_package_without_a_lowest_version_is_named(bounds):
    with pytest.raises(SystemExit, match="torch has no lowest version"):
        versions.Requirement("torch", bounds).asked("lowest")


REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_1"/>
<testcase classname="tests.test_a" name="test_2"><skipped message="no CUDA"/></testcase>
<testcase classname="tests.test_a" name="test_3"/>
<testcase classname="tests.test_a" name="test_3"><failure message="assert 1 == 2">traceback</failure></testcase>
<testcase classname="" name="tests.test_b"><error message="collection failure">traceback</error></testcase>
</testsuite></testsuites>"""


def test_counts_come_from_the_report_where_a_test_run_again_is_there_twice(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    outcome = versions.Outcome("next", versions={"torch": "3.0"})
    outcome.count(report)
    assert (outcome.passed, outcome.skipped, outcome.good) == (1, 1, False)
    assert outcome.broken == {"tests.test_a::test_3": "assert 1 == 2", "tests.test_b": "collection failure"}
    assert "torch  3.0" in str(outcome) and "1 passed, 2 failed, 1 skipped" in str(outcome)


def _faked(monkeypatch, capsys, *arguments, attempt):
    monkeypatch.setattr(versions, "attempt", attempt)
    monkeypatch.setattr("sys.argv", ["versions", *arguments])
    return versions.main(), capsys.readouterr().out


@pytest.mark.parametrize(("which", "code"), [("lowest", 1), ("highest", 1), ("next", 0)])
def test_only_the_look_ahead_may_fail(monkeypatch, capsys, which, code):
    def attempt(outcome, folder, seconds):
        outcome.trouble = "cannot be installed: no such version"

    assert _faked(monkeypatch, capsys, f"--{which}", attempt=attempt)[0] == code


def test_one_line_of_json(monkeypatch, capsys):
    def attempt(outcome, folder, seconds):
        outcome.versions, outcome.passed = {"torch": "2.9.0"}, 5

    code, printed = _faked(monkeypatch, capsys, "--lowest", "--json", attempt=attempt)
    said = json.loads(printed)
    assert code == 0 and printed.count("\n") == 1
    assert said["versions"] == {"torch": "2.9.0"} and said["passed"] == 5 and said["good"]


def test_what_a_program_said_before_it_failed():
    assert versions.run([versions.sys.executable, "-c", "print('fine')"], 30) == ""
    said = versions.run([versions.sys.executable, "-c", "raise SystemExit('no such version')"], 30)
    assert said == "exit 1\nno such version"
    assert "stopped after" in versions.run([versions.sys.executable, "-c", "import time; time.sleep(30)"], 0.1)
