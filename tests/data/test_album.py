"""The photos that ship: small, named with their authors, and as surprising to the network as their lessons say."""

import pytest
from PIL import Image

from explorer.cam.classifier import shipped
from explorer.cam.explain import explain
from explorer.data import album


def test_they_are_small_and_their_authors_are_told():
    told = (album.paths.SHIPPED / "README.md").read_text()
    assert sorted(path.name for path in album.FOLDER.iterdir()) == sorted(entry.file for entry in album.ENTRIES)
    for entry in album.ENTRIES:
        path = album.FOLDER / entry.file
        assert path.stat().st_size <= 60_000 and f"`{entry.file}`" in told and entry.credit
        with Image.open(path) as image:
            assert max(image.size) <= 512 and not image.getexif()


@pytest.fixture(scope="module")
def answers():
    return {entry.file: explain(shipped(), photo) for entry, photo in album.photos()}


def test_the_cat_is_one(answers):
    found = answers["chelsea.jpg"]
    assert found.classes[found.winner] == "cats" and found.heat.high > 9


def test_the_lessons_tell_what_happens(answers):
    coffee, rocket, astronaut = (answers[f"{name}.jpg"] for name in ("coffee", "rocket", "astronaut"))
    assert round(coffee.heat.low, 1) == 0.0 and round(coffee.heat.high, 1) == 0.8
    assert rocket.probabilities.max() > 0.98
    assert astronaut.classes[astronaut.winner] == "dogs"
