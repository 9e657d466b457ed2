"""The first visit to CIFAR-10 on a machine: the page is there while the archive is decoded behind it."""

import pytest
from streamlit.testing.v1 import AppTest

from explorer.data import cifar10
from explorer.runs import opening
from tests.data.test_cifar10 import held_after_a_batch, small_set, write_archive
from tests.pages.conftest import APP, numbers, texts, wait


@pytest.fixture
def archive(home, tmp_path, monkeypatch):
    """A small archive where nothing was ever decoded."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    monkeypatch.setattr(opening, "_latest", None)
    load = cifar10._load
    load.cache_clear()
    yield write_archive(tmp_path / "cifar10.tgz", small_set())
    load.cache_clear()


def newcomer(**query: str) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=90).run()
    at.switch_page("pages/cifar10.py")
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def bars(at: AppTest) -> list[str]:
    return [bar.proto.text for bar in at.get("progress")]


def test_the_page_answers_while_the_pictures_are_read_and_a_second_visitor_joins(archive, monkeypatch) -> None:
    go_on, batches = held_after_a_batch(monkeypatch)
    first, second = newcomer(model="convnet"), newcomer(model="bn", show="pictures")
    wait(first, lambda: opening.opening().pictures == 100)
    for at, rung in ((first, "ConvNet"), (second, "ConvBnNet")):
        at.run()
        assert [words.split(".")[0] for words in bars(at)] == ["Reading the pictures: 100 of 60,000"]
        assert "Recorded on the real data" in texts(at) and len(numbers(at)) >= 4 and rung in texts(at)
        assert at.button(key="cifar10.train") and "not here yet" in texts(at)
    go_on.set()
    assert opening.opening().over.wait(60)
    for at in (first, second):
        wait(at, lambda at=at: not bars(at))
        assert "of 40 validation pictures right" in texts(at) and "160 training, 40 validation" in texts(at)
    assert batches == [100, 100, 20], "decoded once"


def test_a_damaged_archive_is_a_sentence_under_which_the_page_stays(archive) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    at = newcomer(model="convnet")
    assert opening.opening().over.wait(60)
    at.run()
    assert any("damaged" in error.value for error in at.error) and not bars(at)
    assert "Recorded on the real data" in texts(at) and at.button(key="cifar10.train")
    archive.write_bytes(whole)
    at.button(key="cifar10.open-again").click().run()
    wait(at, lambda: "of 40 validation pictures right" in texts(at))
    assert not at.error
