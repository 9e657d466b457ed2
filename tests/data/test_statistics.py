"""``stats`` of pictures, against the notes' numbers."""

import numpy as np
import pytest

from explorer.data import cifar10, pictures
from explorer.data.statistics import channel_statistics


def test_each_colour_by_itself() -> None:
    x = np.zeros((4, 3, 2, 2), np.uint8)
    x[:, 0], x[::2, 1] = 51, 255
    mean, std = channel_statistics(x)
    assert mean == pytest.approx([0.2, 0.5, 0]) and std == pytest.approx([0, 0.5, 0])


@pytest.mark.data
def test_the_notes_numbers_are_those_of_the_real_pictures() -> None:
    mean, std = channel_statistics(cifar10.load().train_x)
    assert mean == pytest.approx(pictures.MEAN, abs=0.006) and std == pytest.approx(pictures.STD, abs=0.004)
