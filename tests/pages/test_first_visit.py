"""What a newcomer sees who has neither data nor network: something real everywhere, and nothing red."""

import math
import re

import pytest

from explorer.data import cifar10
from explorer.ui.cifar10 import pictures
from tests.pages.conftest import open_page, texts, wait


@pytest.fixture(autouse=True)
def newcomer(home):
    """Nothing here but what ships."""
    cifar10._load.cache_clear()
    yield
    cifar10._load.cache_clear()


def said(at) -> str:
    """The page's words, without what keeps Markdown from reading them."""
    return texts(at).replace("\\", "")


@pytest.mark.parametrize("share", [True, False])
def test_the_mistakes_of_shipped_networks_are_shown_on_real_pictures(share, monkeypatch) -> None:
    pictures._asking.clear()
    monkeypatch.setattr(pictures, "AT_ONCE", 0.0 if share else math.inf)  # as with a large network, or a busy machine
    at = open_page("cifar10", model="simplenet")
    bars = [bar.proto.text.partition(" ")[2] for bar in at.get("progress")]
    assert bars == ["pictures so far; the others follow"] * share
    for _ in bars * 10:  # a share each time that the bar is drawn
        at.run()
    words = said(at)
    assert "of 2,000 validation pictures right" in words
    assert "of all 10,000" in words
    assert "The mistakes it is surest of" in words and "the whole set is not here" in words
    assert "trained on other pictures" not in words


def test_the_language_page_learns_from_the_lectures_text_and_offers_another() -> None:
    at = open_page("char_rnn")
    assert "Nietzsche, the lecture's text" in said(at) and not at.error
    next(control for control in at.get("button_group") if control.label == "Learn from").set_value("pydoc").run()
    assert not at.exception and "Python's help topics" in said(at)


@pytest.mark.parametrize("show", ["", "evaluating", "map"])  # the others: test_batchnorm.py, without any data
def test_nothing_inside_the_network_is_red(show) -> None:
    at = open_page("batchnorm", **({"show": show} if show else {}))
    assert not at.error and not at.warning


@pytest.mark.parametrize("page", ["home", "cam", "lr_finder", "runs"])
def test_nothing_elsewhere_is_red(page) -> None:
    at = open_page(page)
    assert not at.error and not at.warning


def test_a_photo_is_explained_before_any_click_and_its_author_is_told() -> None:
    words = said(open_page("cam"))
    assert "Stefan van der Walt, CC0" in words and "Drop a photo above" not in words


def test_a_cup_of_coffee_teaches_why_it_is_called_a_dog() -> None:
    at = open_page("cam")
    at.session_state["cam"].chosen = "album-coffee"
    at.run()
    assert not at.exception and "no way to say *neither*" in said(at)


def _taught(button: str) -> str:
    """What the page says after a ready set was trained on, in one click."""
    at = open_page("cam")
    at.button(key=f"cam.classes.{button}").click().run()
    wait(at, lambda: any("eft out" in one.value for one in (*at.success, *at.warning)), seconds=120)
    assert not at.error
    return "\n".join(one.value for one in (*at.success, *at.warning))


def _shares(words: str, pattern: str) -> list[int]:
    return [int(share) for share in re.search(pattern, words).groups()]


def test_a_ready_set_is_trained_in_one_click_and_learns_what_it_should() -> None:
    words = _taught("frogs")
    assert min(_shares(words, r"called \*frogs\* with (\d+)%, a new ship \*ships\* with (\d+)%")) > 50


def test_the_trap_learns_the_mark_and_says_so() -> None:
    words = _taught("brave")
    plain, marked = _shares(words, r"is \*brave\* with (\d+)%, and the same crop marked with (\d+)%")
    assert plain < 20 and marked > 80
