"""A convolution pixel by pixel: what the browser sums up is what the network gives."""

import numpy as np
import pytest
import torch

from explorer.data import cifar10
from explorer.data.pictures import MEAN, STD
from explorer.probes.convolution import first_convolution
from explorer.training import checkpoint
from tests.browser.looks import settle


def test_the_sum_under_the_pointer_is_the_feature_maps_pixel(visitor) -> None:
    page = visitor.open("cifar10?model=convnet&show=network").page
    page.get_by_text("One convolution, pixel by pixel").click()
    given = page.locator(".x-conv .given")
    given.wait_for()
    settle(page)  # what is drawn above it moves it
    model, _ = checkpoint.load(checkpoint.shipped("convnet"), torch.device("cpu"))
    picture = torch.from_numpy(np.array(cifar10.load().valid_x[3])).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    maps = first_convolution(model, (picture - mean) / std).maps
    total = "() => Number(document.querySelector('.x-conv').dataset.total)"
    assert page.evaluate(total) == pytest.approx(maps[0, 7, 7], abs=1e-4)
    given.scroll_into_view_if_needed()
    settle(page)
    box = given.bounding_box()
    for row, column in ((0, 0), (14, 3), (5, 11)):
        page.mouse.move(box["x"] + (column + 0.5) * box["width"] / 15, box["y"] + (row + 0.5) * box["height"] / 15)
        assert page.locator(".x-conv .where").inner_text() == f"row {row}, column {column}"
        assert page.evaluate(total) == pytest.approx(maps[0, row, column], abs=1e-4)
    page.locator(".x-conv").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(total) == pytest.approx(maps[0, 5, 12], abs=1e-4)
    assert not visitor.errors
