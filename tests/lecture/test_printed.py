"""What the notes print is one table: it agrees with the ladders, and every rung's chart finds its losses there."""

import pytest

from explorer import ladders
from explorer.lecture import printed

RUNGS = {rung.key: rung for ladder in ladders.LADDERS.values() for rung in ladder}


@pytest.mark.parametrize("key", printed.FITS)
def test_the_fits_are_those_whose_curves_stand_in_the_ladders(key) -> None:
    curve = next(figure.curve for figure in RUNGS[key].figures if figure.source == "lecture notes")
    column = 1 if RUNGS[key].ladder == "language" else 2
    assert tuple(row[column] for row in printed.rows(key)) == curve


def test_the_printed_losses_of_pictures_are_drawn_as_those_of_characters_are() -> None:
    found = printed.losses(RUNGS["resnet"])
    assert found.metric == "val_loss" and found.curve[0] == 1.54065 and found.value == found.curve[-1] == 0.83869
    assert printed.losses(RUNGS["simplenet"]) is None


def test_the_lectures_text_is_its_prompt_and_400_characters() -> None:
    assert printed.WRITTEN.startswith(printed.PROMPT) and len(printed.WRITTEN) == len(printed.PROMPT) + 400


def test_every_rung_has_something_to_read_on() -> None:
    assert all(printed.links(rung) for rung in RUNGS.values())
    titles = " ".join(link.title for link in printed.links(RUNGS["lstm"]))
    assert "Olah" in titles and "Britz" in titles
    assert not any("Olah" in link.title for link in printed.links(RUNGS["char3"]))
