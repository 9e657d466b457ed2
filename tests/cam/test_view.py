"""Which pixels are seen, and where they lie on the photo."""

import numpy as np
import pytest

from explorer.cam.view import as_seen, geometry


def test_padding_shows_the_whole_photo_in_grey():
    photo = np.full((100, 200, 3), 255, np.uint8)
    seen = geometry(200, 100, 224, "pad")
    assert (seen.left, seen.top, seen.right, seen.bottom) == (0, -50, 200, 150) and seen.share_seen == 1
    picture = as_seen(photo, seen, (0.5, 0.5, 0.5))
    assert (picture[:56] == 128).all() and (picture[56:168] == 255).all() and (picture[168:] == 128).all()


@pytest.mark.parametrize(("width", "height"), [(320, 16), (16, 320), (1024, 51), (17, 23), (640, 480)])
def test_its_own_shape_stays_bounded(width, height):
    seen = geometry(width, height, 224, "own shape")
    assert seen.input_width % 32 == 0 and seen.input_height % 32 == 0
    assert min(seen.input_width, seen.input_height) >= 32 and max(seen.input_width, seen.input_height) <= 640
    assert seen.share_seen == 1
