"""Scales, colours, and the heat where the network saw it."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from explorer.cam.explain import explain
from explorer.cam.heat import COLORMAPS, background_share, colours, enlarge, overlay, shared_scale, signed_scale
from explorer.cam.network import HeadedNet
from explorer.cam.view import View, as_seen, geometry
from explorer.data.photos import read_photo
from tests.cam.made import hot, noise, peak


def test_scales():
    maps = np.stack([np.full((3, 3), 4.0), np.eye(3), np.full((3, 3), -1.0)])
    shared = shared_scale(maps)
    assert shared[0].max() == 1 and shared[1].max() == 0.25 and shared[2].max() == 0
    signed = signed_scale(np.array([[-2.0, 0.0, 1.0]]))
    np.testing.assert_allclose(signed, [[0, 0.5, 0.75]])


@pytest.mark.parametrize(("width", "height"), [(300, 300), (400, 300), (600, 200), (150, 500)])
@pytest.mark.parametrize("view", View)
def test_a_hot_cell_lies_where_the_network_saw_it(width, height, view):
    """A white patch is shown to the network; the cell it falls into is drawn back onto the patch."""
    seen = geometry(width, height, 224, view)
    photo = np.zeros((height, width, 3), np.uint8)
    cx, cy = width * 0.5 + 0.1 * min(width, height), height * 0.5 - 0.2 * min(width, height)
    photo[int(cy) - 4 : int(cy) + 4, int(cx) - 4 : int(cx) + 4] = 255
    picture = as_seen(photo, seen, (0, 0, 0)).astype(float).sum(2)
    rows, columns = seen.input_height // 32, seen.input_width // 32
    py = np.average(np.arange(picture.shape[0]) + 0.5, weights=picture.sum(1))
    px = np.average(np.arange(picture.shape[1]) + 0.5, weights=picture.sum(0))
    heat = np.zeros((rows, columns), np.float32)
    heat[int(py // 32), int(px // 32)] = 1
    assert seen.cell(cx, cy, rows, columns) == (int(py // 32), int(px // 32))
    x, y = peak(overlay(np.zeros_like(photo), heat, seen, opacity=1.0, dim=0.0))
    cell_width, cell_height = (seen.right - seen.left) / columns, (seen.bottom - seen.top) / rows
    assert abs(x - cx) <= cell_width / 2 + 1 and abs(y - cy) <= cell_height / 2 + 1
    assert (x, y) == pytest.approx(seen.centre(int(py // 32), int(px // 32), rows, columns), abs=1.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_heat_follows_the_photo_through_its_exif(orientation):
    picture = Image.new("RGB", (120, 80))
    picture.paste((255, 255, 255), (12, 8, 28, 24))  # a bright patch in the upper left of the stored picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    picture.save(out, "PNG", exif=exif)
    photo = read_photo(out.getvalue())

    def brightness(x):
        return F.avg_pool2d(x.mean(1, keepdim=True), 8)

    network = HeadedNet(
        (("stage1", brightness),), lambda f: torch.cat([f, -f], 1), ("bright", "dark"), 56, (0.5,) * 3, (0.5,) * 3
    )
    found = explain(network, photo, view="own shape", class_index=0)
    drawn = overlay(np.zeros_like(photo.rgb), found.heat.values, found.geometry, opacity=1.0)
    x, y = peak(drawn)
    ys, xs = np.nonzero(photo.rgb.sum(2) > 300)
    assert abs(x - xs.mean()) < 12 and abs(y - ys.mean()) < 12


def test_what_was_not_seen_is_dimmed_and_what_was_is_blended():
    photo = np.full((100, 300, 3), 200, np.uint8)
    seen = geometry(300, 100, 224, "crop")
    assert seen.seen == (100, 0, 200, 100) and seen.share_seen == pytest.approx(1 / 3)
    drawn = overlay(photo, np.zeros((7, 7)), seen, opacity=0.25, dim=0.5)
    assert (drawn[:, :100] == 100).all() and (drawn[:, 200:] == 100).all()
    assert np.abs(drawn[:, 100:200].astype(int) - (0.75 * 200 + 0.25 * colours("hot")[0])).max() <= 1
    assert np.array_equal(overlay(photo, np.ones((7, 7)), seen, opacity=0.0, dim=0.0), photo)
    assert photo.min() == 200  # the photo itself is untouched


def test_opacity_and_colour_map():
    photo = np.zeros((70, 70, 3), np.uint8)
    seen = geometry(70, 70, 56)
    for name in COLORMAPS:
        full = overlay(photo, hot(3, 3), seen, 1.0, name, smooth=False)
        assert np.array_equal(full[35, 35], colours(name)[255]) and np.array_equal(full[0, 0], colours(name)[0])
    half = overlay(photo, hot(3, 3), seen, 0.5, "grey", smooth=False)
    assert abs(int(half[35, 35, 0]) - 127) <= 1
    luminance = colours("hot").astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(luminance) >= 0).all()  # hotter is never darker


def test_enlarging_is_torchs_bilinear_and_keeps_the_mean():
    values = noise(7, 7)
    expected = F.interpolate(torch.from_numpy(values)[None, None], (224, 224), mode="bilinear", align_corners=False)
    big = enlarge(values, 224, 224)
    np.testing.assert_allclose(big, expected[0, 0].numpy(), atol=1e-5)
    assert big.mean() == pytest.approx(values.mean(), abs=1e-6)
    np.testing.assert_array_equal(enlarge(values, 14, 14, smooth=False), np.kron(values, np.ones((2, 2))))


def test_heat_at_the_border():
    assert background_share(np.ones((7, 7))) == pytest.approx(24 / 49)
    assert background_share(hot(3, 3)) == 0 and background_share(hot(0, 3)) == 1
    assert background_share(-np.ones((7, 7))) == 0
