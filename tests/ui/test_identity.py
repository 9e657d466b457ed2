"""Whose a run is: a token nobody guesses, an owner from which nobody gets back to it."""

import concurrent.futures
import os
import re
import subprocess
import sys

import pytest

from explorer import paths
from explorer.ui import identity


def in_another_process(token: str) -> str:
    program = "import sys; from explorer.ui import identity; print(identity.owner_of(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, token], capture_output=True, text=True, check=True, cwd=paths.REPOSITORY
    )
    return done.stdout.strip()


def test_a_token_is_one_owner_in_every_server_with_this_home(home):
    token = identity.new_token()
    owner = identity.owner_of(token)
    assert re.fullmatch("[0-9a-f]{32}", owner)
    assert owner == identity.owner_of(token) == in_another_process(token)
    assert owner != identity.owner_of(identity.new_token())


def test_owners_of_one_home_say_nothing_in_another(tmp_path, monkeypatch):
    token = identity.new_token()
    owners = set()
    for name in ("one", "two"):
        monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / name))
        owners.add(identity.owner_of(token))
    assert len(owners) == 2


def test_the_secret_is_for_the_server_alone_and_nothing_else_is_left(home):
    identity.owner_of(identity.new_token())
    (secret,) = home.iterdir()
    assert secret.stat().st_mode & 0o077 == 0 and len(secret.read_bytes()) == 64


def test_servers_that_start_at_once_agree_on_the_secret(home):
    token = identity.new_token()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(in_another_process, [token] * 6))) == 1
    assert len(list(home.iterdir())) == 1


def test_a_disk_without_hard_links_keeps_it_too(home, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    token = identity.new_token()
    assert identity.owner_of(token) == in_another_process(token)
    assert [path.name for path in home.iterdir()] == ["secret"]


def test_a_home_that_cannot_be_written_still_knows_its_visitors_while_the_server_runs(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "file" / "home"))
    token = identity.new_token()
    assert identity.owner_of(token) == identity.owner_of(token) != identity.owner_of(identity.new_token())
    assert "known for as long as this server runs" in caplog.text


def test_tokens_are_long_and_differ():
    tokens = {identity.new_token() for _ in range(100)}
    assert len(tokens) == 100 and all(identity.is_token(token) for token in tokens)


@pytest.mark.parametrize("word", [None, "", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "\n", "ä" * 43, b"a" * 43])
def test_what_is_no_token_is_none(word):
    assert not identity.is_token(word)
