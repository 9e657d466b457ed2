"""What a card offers to look at is there, set as the card says."""

from urllib.parse import parse_qs

import pytest

from explorer.experiment import Experiment
from explorer.ladders import Page
from explorer.lecture.quirks import QUIRKS
from explorer.lecture.races import BY_KEY

OPEN = [quirk for quirk in QUIRKS if quirk.opens]


@pytest.mark.parametrize("quirk", OPEN, ids=lambda quirk: quirk.id)
def test_a_card_leads_to_a_page_that_understands_it(quirk) -> None:
    page, _, query = quirk.opens.partition("?")
    asked = {word: text[0] for word, text in parse_qs(query, strict_parsing=True).items()}
    assert quirk.see and Page(page)
    if page in (Page.CHAR_RNN, Page.CIFAR10):
        experiment, notices = Experiment.from_query(asked, "gru")
        assert not notices and experiment.rung.page == page
    assert asked.get("race", "deeper") in BY_KEY


def test_a_card_is_short() -> None:
    assert all(len(quirk.text.split()) <= 28 for quirk in QUIRKS)
