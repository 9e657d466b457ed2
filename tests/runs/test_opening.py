"""The archive's decoding in the background: one for all who ask, its end said once, and begun anew when asked to."""

import threading
import time

import pytest

from explorer.data import cifar10, sampler
from explorer.runs import opening
from tests.data.test_cifar10 import held_after_a_batch, small_set, write_archive


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A small archive, in a home where nothing was ever decoded."""
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    caches = (cifar10._load, sampler.load)
    monkeypatch.setattr(opening, "_latest", None)
    for cache in caches:
        cache.cache_clear()
    yield write_archive(tmp_path / "cifar10.tgz", small_set())
    for cache in caches:
        cache.cache_clear()


def test_who_comes_meanwhile_joins_and_sees_how_far_it_is(archive, monkeypatch):
    go_on, calls = held_after_a_batch(monkeypatch)
    assert not cifar10.at_hand()
    first = opening.opening()
    assert opening.opening() is first and not first.over.is_set()
    end = time.monotonic() + 60
    while first.pictures < 100 and time.monotonic() < end:
        time.sleep(0.01)
    assert first.pictures == 100 and first.share == pytest.approx(100 / 60_000)
    go_on.set()
    assert first.over.wait(60) and not first.error and calls == [100, 100, 20]
    assert first.pictures == 0, "the next archive begins at none"
    assert cifar10.at_hand() and len(cifar10.load().train_x) == 160 and len(calls) == 3


def test_an_error_is_a_sentence_that_stays_until_one_tries_again_or_the_archive_is_another(archive, monkeypatch):
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    first = opening.opening()
    assert first.over.wait(60) and "damaged" in first.error
    assert opening.opening() is first, "it is not decoded again and again"
    opening.again()
    second = opening.opening()
    assert second is not first and second.over.wait(60) and second.error == first.error
    archive.write_bytes(whole)
    third = opening.opening()
    assert third.over.wait(60) and not third.error and cifar10.at_hand()


def test_what_nobody_thought_of_is_said_too(archive, monkeypatch):
    monkeypatch.setattr(cifar10, "_load", lambda *_: 1 / 0)
    failed = opening.opening()
    assert failed.over.wait(60) and "log says why" in failed.error


def test_one_that_is_at_work_is_not_forgotten(archive, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(cifar10, "_load", lambda *_: go_on.wait(60))
    first = opening.opening()
    opening.again()
    assert opening.opening() is first
    go_on.set()
    assert first.over.wait(60)
