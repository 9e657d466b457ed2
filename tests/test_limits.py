"""What one visitor may take: from the environment, and from the teacher's page."""

import dataclasses
import re

import pytest

from explorer import ladders, limits, paths
from explorer.errors import SettingsError
from explorer.limits import TABLE, Limits


@pytest.fixture(autouse=True)
def fresh(home, monkeypatch):
    for name in TABLE:
        monkeypatch.delenv(limits.variable(name), raising=False)
    limits.forget()
    limits._warn.cache_clear()
    yield
    limits.forget()


def test_the_defaults_hold_where_nobody_says_otherwise():
    assert limits.now() == Limits() == Limits().check()


def test_the_environment_says_otherwise(monkeypatch):
    monkeypatch.setenv("EXPLORER_RUN_MINUTES", " 5 ")
    assert limits.now().run_minutes == 5 and limits.now().jobs == Limits().jobs


@pytest.mark.parametrize("word", ["many", "-1", "1e9", "99999999999", "²", "5.5"])
def test_what_is_no_value_is_ignored(monkeypatch, word, caplog):
    monkeypatch.setenv("EXPLORER_JOBS_EACH", word)
    for _ in range(3):
        assert limits.now() == Limits()
        limits.forget()
    assert caplog.text.count("EXPLORER_JOBS_EACH") == 1, "it is read every five seconds, and told once"
    monkeypatch.setenv("EXPLORER_JOBS_EACH", f"{word}?")
    limits.now()
    assert caplog.text.count("EXPLORER_JOBS_EACH") == 2


def test_what_a_teacher_changes_goes_before_and_lasts(monkeypatch):
    monkeypatch.setenv("EXPLORER_RUN_MINUTES", "5")
    limits.change(run_minutes=7)
    limits.change(jobs_each=2)
    limits.forget()  # as after a restart
    assert (limits.now().run_minutes, limits.now().jobs_each) == (7, 2)
    assert limits.reset().run_minutes == 5


def test_another_server_hears_of_it(monkeypatch):
    limits.now()
    (paths.home()).mkdir(parents=True, exist_ok=True)
    (paths.home() / "limits.json").write_text('{"jobs": 12}')
    monkeypatch.setattr(limits, "STALE", 0.0)
    assert limits.now().jobs == 12


def test_a_value_out_of_range_changes_nothing():
    for wrong in ({"jobs": 0}, {"run_minutes": -1}, {"workers": 65}, {"jobs": "3"}):
        with pytest.raises(SettingsError, match="whole number"):
            limits.change(**wrong)
    assert limits.now() == Limits() and not (paths.home() / "limits.json").exists()


@pytest.mark.parametrize("content", ["", "no json", "[1]", '{"jobs": "x", "other": 1}', '{"jobs": null}'])
def test_a_file_that_says_nothing_is_nothing(content):
    paths.home().mkdir(parents=True)
    (paths.home() / "limits.json").write_text(content)
    assert limits.now() == Limits()


def test_the_readme_has_the_table():
    rows = dict(re.findall(r"\| `(EXPLORER_\w+)` \| ([\d,]+) \|", (paths.REPOSITORY / "README.md").read_text()))
    said = {name: int(rows[limits.variable(name)].replace(",", "")) for name in TABLE}
    assert {**said, "preset": ""} == dataclasses.asdict(Limits())


def test_the_preset_that_the_readme_names_is_one_of_every_rung():
    (named,) = re.findall(r"`EXPLORER_PRESET` .* such as `([\w-]+)`", (paths.REPOSITORY / "README.md").read_text())
    assert all(named in rung.presets for rung in (*ladders.LANGUAGE, *ladders.VISION))
