"""What a session remembers of the CAM page: the row of photos, and the classes one makes."""

import re
from types import SimpleNamespace

import numpy as np

from explorer.data.photos import Photo
from explorer.ui.cam import shelf
from explorer.ui.kept import MOST_PHOTOS, OwnClass
from explorer.ui.state import Cam, CamClasses


def photo(key):
    return SimpleNamespace(key=key)


def test_what_is_brought_is_looked_at_and_the_oldest_make_room():
    here = Cam("cam")
    here.bring([photo(here.number()) for _ in range(3)], most=2)
    assert [shown.key for shown in here.own] == ["own-1", "own-2"] and here.chosen == "own-2"
    here.bring([], most=2)
    assert here.chosen == "own-2", "nothing came, so nothing else is looked at"
    here.bring([photo("own-1")])
    assert [shown.key for shown in here.own] == ["own-2", "own-1"], "the same photo is not there twice"


def test_classes_have_numbers_of_their_own_and_as_many_photos_as_one_takes():
    here = CamClasses("cam.classes")
    here.start_with(A=(), B=range(MOST_PHOTOS + 5))
    here.refused = ("a file",)
    here.add("C")
    assert [own.id for own in here.classes] == [0, 1, 2] and len(here.classes[1].photos) == MOST_PHOTOS
    here.start_with(D=())
    assert [(own.id, own.name) for own in here.classes] == [(3, "D")] and not here.refused


def test_a_double_click_on_a_cross_takes_one_photo_away(monkeypatch):
    drawn = []
    monkeypatch.setattr(shelf.clickable, "show", lambda html, key, picked: drawn.append((html, picked)))
    same = np.zeros((16, 16, 3), np.uint8)
    own = OwnClass(0, "A", [Photo(same, 16, 16, "oak"), Photo(same, 16, 16, "oak"), Photo(same, 16, 16, "elm")])
    first, *others = own.photos
    shelf.show(own, "shelf")
    html, picked = drawn[0]
    cross = re.findall('data-at="([^"]+)"', html)[0]
    picked(cross)
    assert own.photos == others and first not in own.thumbnails
    picked(cross)
    assert own.photos == others
