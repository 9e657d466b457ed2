"""The stand-in: the same every time, ten classes, and no class given away by anything but form."""

import numpy as np
import pytest

from explorer.data import standin
from explorer.errors import DataError


def test_drawings_are_the_same_for_the_same_seed():
    (x, y), (again, _), (other, _) = standin.draw(40, 1), standin.draw(40, 1), standin.draw(40, 2)
    assert x.shape == (40, 3, 32, 32) and x.dtype == np.uint8 and y.dtype == np.int64
    assert np.array_equal(x, again) and not np.array_equal(x, other)


def test_classes_are_balanced_and_in_no_order():
    _, y = standin.draw(1005, 0)
    assert np.bincount(y).tolist() in ([101] * 5 + [100] * 5,) and len(standin.CLASSES) == 10
    assert (np.diff(y) < 0).mean() > 0.3


def test_pictures_differ_in_colour_light_and_noise():
    x, _ = standin.draw(300, 0)
    means = x.mean((2, 3))
    assert means.std(0).min() > 20 and len(np.unique(x.reshape(300, -1), axis=0)) == 300
    noise = np.abs(np.diff(x[:, 0].astype(int), axis=2)).mean((1, 2))
    assert noise.max() > 2 * noise.min()


def test_neither_colour_nor_place_tells_the_class():
    """A nearest-mean guess from each channel's mean and deviation is hardly better than chance."""
    x, y = standin.draw(3000, 0)
    facts = np.concatenate([x.mean((2, 3)), x.std((2, 3))], 1)
    facts = (facts - facts.mean(0)) / facts.std(0)
    centres = np.stack([facts[:1500][y[:1500] == label].mean(0) for label in range(10)])
    guess = np.linalg.norm(facts[1500:, None] - centres, axis=2).argmin(1)
    assert (guess == y[1500:]).mean() < 0.22


@pytest.mark.parametrize("shape", standin.CLASSES)
def test_every_shape_has_an_inside_and_an_outside(shape):
    v, u = np.meshgrid(*[np.linspace(-1.5, 1.5, 61, dtype=np.float32)] * 2, indexing="ij")
    inside = standin._outline(shape, u, v) < 0
    assert 0.06 < inside.mean() < 0.4 and not inside[0].any() and not inside[:, 0].any()


def test_shapes_differ_from_each_other():
    v, u = np.meshgrid(*[np.linspace(-1.2, 1.2, 49, dtype=np.float32)] * 2, indexing="ij")
    insides = [standin._outline(shape, u, v) < 0 for shape in standin.CLASSES]
    for i, one in enumerate(insides):
        for other in insides[:i]:
            assert (one != other).mean() > 0.05


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path))
    monkeypatch.setattr(standin, "SIZES", {"train": 60, "valid": 20, "test": 10})
    standin._arrays.cache_clear()
    yield tmp_path / "cache"
    standin._arrays.cache_clear()


def test_loaded_named_and_cached(small, monkeypatch):
    pictures = standin.load()
    assert [len(y) for y in (pictures.train_y, pictures.valid_y, pictures.test_y)] == [60, 20, 10]
    assert pictures.classes == standin.CLASSES and pictures.source.kind == "standin"
    assert "generated" in pictures.source.notice and not standin.load(asked_for=True).source.notice
    assert not {p.tobytes() for p in pictures.train_x} & {p.tobytes() for p in pictures.valid_x}
    assert len(list(small.iterdir())) == 1
    standin._arrays.cache_clear()
    monkeypatch.setattr(standin, "draw", lambda *a: pytest.fail("drawn again"))
    assert np.array_equal(standin.load().train_x, pictures.train_x)


def test_a_damaged_or_impossible_cache_is_no_obstacle(small):
    wanted = standin.load().train_x
    (cached,) = small.iterdir()
    for content in (b"", cached.read_bytes()[:500]):
        cached.write_bytes(content)
        standin._arrays.cache_clear()
        assert np.array_equal(standin.load().train_x, wanted)
    cached.unlink()
    small.rmdir()
    small.write_text("a file where the folder should be")
    standin._arrays.cache_clear()
    assert np.array_equal(standin.load().train_x, wanted)


def test_none_asked_for():
    with pytest.raises(DataError):
        standin.draw(0, 0)
