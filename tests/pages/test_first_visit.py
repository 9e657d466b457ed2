"""What a newcomer sees who has neither data nor network: something real everywhere, and nothing red."""

import pytest

from explorer.data import cifar10
from tests.pages.conftest import open_page, texts


@pytest.fixture(autouse=True)
def newcomer(home):
    """Nothing here but what ships."""
    cifar10._load.cache_clear()
    yield
    cifar10._load.cache_clear()


def said(at) -> str:
    """The page's words, without what keeps Markdown from reading them."""
    return texts(at).replace("\\", "")


@pytest.mark.parametrize("model", ["simplenet", "resnet2"])
def test_the_mistakes_of_shipped_networks_are_shown_on_real_pictures(model) -> None:
    words = said(open_page("cifar10", model=model))
    assert "of 2,000 validation pictures right" in words and "of all 10,000" in words
    assert "The mistakes it is surest of" in words and "the whole set is not here" in words
    assert "trained on other pictures" not in words


def test_the_language_page_learns_from_the_lectures_text_and_offers_another() -> None:
    at = open_page("char_rnn")
    assert "Nietzsche, the lecture's text" in said(at) and not at.error
    next(control for control in at.get("button_group") if control.label == "Learn from").set_value("pydoc").run()
    assert not at.exception and "Python's help topics" in said(at)


@pytest.mark.parametrize("show", ["", "evaluating", "map", "time", "memory"])
def test_nothing_inside_the_network_is_red(show) -> None:
    at = open_page("batchnorm", **({"show": show} if show else {}))
    assert not at.error and not at.warning


@pytest.mark.parametrize("page", ["home", "cam", "lr_finder", "runs"])
def test_nothing_elsewhere_is_red(page) -> None:
    at = open_page(page)
    assert not at.error and not at.warning
