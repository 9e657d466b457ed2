"""Batches of pictures: augmented pixel by pixel as promised, on one device, and thinned evenly."""

import collections
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from explorer.data import Pictures, Source
from explorer.data.cifar10 import CLASSES
from explorer.data.pictures import (
    MEAN,
    STD,
    VisionData,
    _training_set,
    balanced,
    crop,
    denormalise,
    normalise,
    predict_with_tta,
    symmetric_pad,
    tta_views,
)
from explorer.experiment import Experiment

CPU = torch.device("cpu")


def numbered(n=300):
    """Pictures whose every pixel tells which one it is and where it lies; the third channel is the number."""
    x = np.zeros((n, 3, 32, 32), np.uint8)
    x[:, 0] = np.arange(32)[:, None] * 7
    x[:, 1] = np.arange(32)[None, :] * 7
    x[:, 2] = (np.arange(n) % 256)[:, None, None]
    y = np.arange(n) % 10
    return Pictures(x, y, x[:130], y[:130], x[:70], y[:70], CLASSES, Source("numbered", "yours", "a test"))


def of(**changes):
    return Experiment.of(changes.pop("model", "convnet"), batch_size=64, images=40_000, **changes)


def epoch(data, seed=0):
    return list(data.train_batches(torch.Generator().manual_seed(seed)))


def test_an_epoch_has_every_picture_once_in_a_new_order_with_its_class():
    data = VisionData(numbered(250), of(), CPU)
    batches = epoch(data)
    assert [len(b.y) for b in batches] == [64, 64, 64, 58] and data.steps_per_epoch == 4
    assert [b.start for b in batches] == [0, 64 / 250, 128 / 250, 192 / 250]
    numbers = torch.cat([denormalise(b.x)[:, 2, 5, 5] for b in batches])
    assert sorted(numbers.tolist()) == list(range(250)) and numbers.tolist() != list(range(250))
    assert torch.equal(numbers.long() % 10, torch.cat([b.y for b in batches]))
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.cat([b.y for b in data.train_batches(generator)]) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("model", ["simplenet", "convnet"])
def test_without_augmentation_pictures_are_untouched(model):
    pictures = numbered(250)
    for batch in epoch(VisionData(pictures, of(model=model, augment=False), CPU)):
        x = denormalise(batch.x)
        assert np.array_equal(x.numpy(), pictures.train_x[x[:, 2, 0, 0].numpy()])
        channels_last = batch.x.is_contiguous(memory_format=torch.channels_last)
        assert channels_last == (model != "simplenet") and batch.x.dtype == torch.float32


def test_augmentation_is_the_lectures_pixel_by_pixel():
    """Each picture is exactly one crop of NumPy's symmetric padding, mirrored or not, and all of them occur."""
    pictures = numbered(256)
    data = VisionData(pictures, of(), CPU)
    padded = np.pad(pictures.train_x, ((0, 0), (0, 0), (4, 4), (4, 4)), mode="symmetric")
    seen = collections.Counter()
    for seed in range(4):
        for x in torch.cat([denormalise(b.x) for b in epoch(data, seed)]).numpy():
            number = x[2, 0, 0]
            matches = []
            for down, right in itertools.product(range(9), range(9)):
                window = padded[number, :, down : down + 32, right : right + 32]
                matches += [(down, right, 0)] * np.array_equal(x, window)
                matches += [(down, right, 1)] * np.array_equal(x, window[:, :, ::-1])
            assert len(matches) == 1
            seen[matches[0]] += 1
    assert len(seen) > 155 and max(seen.values()) < 25  # 1024 draws, 6.3 each
    assert 0.45 < sum(n for (_, _, mirrored), n in seen.items() if mirrored) / 1024 < 0.55


def test_the_same_generator_gives_the_same_epoch():
    data = VisionData(numbered(), of(), CPU)
    for one, two in zip(epoch(data, 3), epoch(data, 3), strict=True):
        assert torch.equal(one.x, two.x) and torch.equal(one.y, two.y)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    epoch(data)
    assert torch.equal(torch.get_rng_state(), state)  # nothing is drawn from anywhere else


def test_crop_and_symmetric_pad():
    x = torch.randint(256, (3, 32, 32, 3), dtype=torch.uint8)
    padded = symmetric_pad(x, 4, (1, 2))
    assert np.array_equal(padded, np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="symmetric"))
    down, right, mirrored = torch.tensor([0, 8]), torch.tensor([8, 3]), torch.tensor([0, 1])
    got = crop(padded, torch.tensor([2, 1]), down, right, mirrored)
    assert torch.equal(got[0], padded[2, :32, 8:]) and torch.equal(got[1], padded[1, 8:, 3:35].flip(1))


def test_normalise_is_the_lectures_and_has_an_inverse():
    x = torch.arange(256, dtype=torch.uint8).repeat(3 * 32 * 32 // 256).view(1, 3, 32, 32)
    wanted = (x.double() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(normalise(x), wanted.float(), atol=1e-5, rtol=1e-5)
    assert torch.equal(denormalise(normalise(x)), x)


def test_validation_and_test_pictures_are_plain_and_in_order():
    pictures = numbered()
    data = VisionData(pictures, of(), CPU)
    for batches, x, y in [
        (data.valid_batches, pictures.valid_x, pictures.valid_y),
        (data.test_batches, pictures.test_x, pictures.test_y),
    ]:
        assert np.array_equal(torch.cat([denormalise(b.x) for b in batches()]), x)
        assert np.array_equal(torch.cat([b.y for b in batches()]), y)
    assert torch.equal(next(data.valid_batches()).x, next(data.valid_batches()).x)


def test_fewer_pictures_are_balanced():
    pictures = numbered(300)
    x, y = np.repeat(pictures.train_x, 4, 0), np.repeat(pictures.train_y, 4)
    many = VisionData(dataclasses.replace(pictures, train_x=x, train_y=y), of().replace(images=500), CPU)
    assert torch.bincount(many.train_y).tolist() == [50] * 10
    assert np.bincount(pictures.train_y[balanced(pictures.train_y, 23)]).tolist() == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert len(balanced(pictures.train_y, 10**6)) == 300


def test_views_for_test_time_augmentation():
    x = normalise(torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8))
    views = list(tta_views(x))
    assert len(views) == 6 and all(v.shape == x.shape for v in views)
    assert torch.equal(views[0], x) and torch.equal(views[1], x.flip(3))
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="symmetric")
    assert np.array_equal(views[2], padded[:, :, :32, :32]) and np.array_equal(
        views[3], padded[:, :, :32, 4:][..., ::-1]
    )
    probabilities = predict_with_tta(lambda v: v.mean((2, 3)), x)
    assert probabilities.shape == (4, 3)
    torch.testing.assert_close(probabilities, torch.stack([v.mean((2, 3)).softmax(1) for v in views]).mean(0))


def test_everything_is_on_one_device():
    with FakeTensorMode():
        data = VisionData(numbered(), of(), torch.device("cuda"))
        for batch in [*epoch(data), *data.valid_batches(), *data.test_batches()]:
            assert batch.x.device.type == batch.y.device.type == "cuda" and batch.x.shape[1:] == (3, 32, 32)
        assert {v.device.type for v in tta_views(batch.x)} == {"cuda"}
        assert denormalise(normalise(data.train_x.permute(0, 3, 1, 2))).device.type == "cuda"
    _training_set.cache_clear()


def test_no_step_waits_for_the_device():
    """After the epoch's draws no value goes back to the host: ``meta`` tensors have none to give."""
    data = VisionData(numbered(), of(), CPU)
    data.device = torch.device("meta")
    data.train_x, data.train_y = data.train_x.to("meta"), data.train_y.to("meta")
    data._scale, data._shift = data._scale.to("meta"), data._shift.to("meta")
    assert sum(len(b.y) for b in epoch(data)) == 300


def test_thinned_data_validate_on_even_shares_and_train_as_before():
    data = VisionData(numbered(), of(), CPU)
    thinned = data.thinned(4)
    assert len(data.valid_y) == 130 and torch.equal(thinned.valid_y, data.valid_y[::4])
    assert torch.equal(torch.cat([b.x for b in thinned.valid_batches()]), next(data.valid_batches()).x[::4])
    assert all(torch.equal(a.x, b.x) for a, b in zip(epoch(data), epoch(thinned), strict=True))
    assert len(data.thinned(0).valid_y) == 130  # fewer pictures than were asked for: all of them
