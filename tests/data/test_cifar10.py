"""CIFAR-10: decoded and split as promised, augmented pixel by pixel as promised, and refused when damaged."""

import collections
import dataclasses
import io
import itertools
import os
import tarfile
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensorMode

from explorer.data import Source, cifar10
from explorer.data.cifar10 import (
    CLASSES,
    FOLDERS,
    Pictures,
    VisionData,
    balanced,
    crop,
    decode,
    denormalise,
    load,
    normalise,
    predict_with_tta,
    symmetric_pad,
    tta_views,
)
from explorer.errors import DataError
from explorer.experiment import Experiment

CPU = torch.device("cpu")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home and a data folder of their own."""
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    cifar10._load.cache_clear()
    yield tmp_path
    cifar10._load.cache_clear()


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)


def png(picture, kind="PNG"):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind)
    return out.getvalue()


def small_set(train=20, test=2, folders=FOLDERS):
    """Path inside the archive → content. Pixels are decided by the path's place in this table."""
    names = [
        f"{part}/{c}/{c[:4]}_s_{i:06}.png"
        for part, n in (("train", train), ("test", test))
        for c in folders
        for i in range(n)
    ]
    return {name: png(pixels(seed)) for seed, name in enumerate(names)}


def write_archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar10/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_folder(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# -- decoding, splitting, keeping ----------------------------------------------------------------------


def test_archive_and_folder_give_the_same_split_and_the_files_pixels(home):
    files = small_set()
    archive = write_archive(home / "cifar10.tgz", dict(reversed(files.items())))  # in another order
    folder = write_folder(home / "cifar10", files)
    (folder / "train" / "cat" / "._cat.png").write_bytes(b"a Mac's shadow file")
    (folder / "README.md").write_text("not a picture")
    (x, y, sizes), (x2, y2, sizes2) = decode(archive), decode(folder)
    assert sizes == sizes2 == [160, 40, 20]
    assert np.array_equal(x, x2) and np.array_equal(y, y2) and x.dtype == np.uint8 and y.dtype == np.int64
    wanted = collections.defaultdict(set)
    for seed, name in enumerate(files):
        part, folder_name, _ = name.split("/")
        wanted[part, FOLDERS.index(folder_name)].add(pixels(seed).transpose(2, 0, 1).tobytes())
    for label in range(10):
        parts = [slice(0, 160), slice(160, 200), slice(200, 220)]
        of_train, of_valid, of_test = ({p.tobytes() for p in x[part][y[part] == label]} for part in parts)
        assert len(of_train) == 16 and len(of_valid) == 4 and not of_train & of_valid
        assert of_train | of_valid == wanted["train", label] and of_test == wanted["test", label]


def test_validation_is_a_shuffle_and_not_the_first_or_last_names(home):
    files = small_set(train=50, test=1)
    x, y, _ = decode(write_archive(home / "a.tgz", files))
    place = {pixels(seed).transpose(2, 0, 1).tobytes(): seed % 50 for seed, _ in enumerate(list(files)[:500])}
    chosen = [sorted(place[p.tobytes()] for p in x[400:500][y[400:500] == label]) for label in range(10)]
    for places in chosen:
        assert places != list(range(10)) and places != list(range(40, 50)) and 10 < np.mean(places) < 40
    assert len({tuple(places) for places in chosen}) > 1
    assert chosen[0] == [1, 10, 13, 15, 20, 22, 27, 30, 36, 42]  # the same on every machine, for good


def test_cached_and_decoded_again_when_the_archive_changes(home, monkeypatch):
    archive = write_archive(home / "data" / "cifar10.tgz", small_set())
    first = load()
    assert first.source.kind == "real" and len(first.source.checksum) == 32 and "not comparable" in first.source.notice
    assert first.classes == CLASSES and first.train_x.shape == (160, 3, 32, 32)
    calls, real = [], cifar10.decode
    monkeypatch.setattr(cifar10, "decode", lambda path: calls.append(path) or real(path))
    cifar10._load.cache_clear()
    again = load()
    assert not calls and np.array_equal(first.train_x, again.train_x) and again.source == first.source
    write_archive(archive, small_set(train=25))
    assert load().train_x.shape == (200, 3, 32, 32) and len(calls) == 1
    for file in (home / "home" / "cache").glob("cifar10-decoded-*/x.npy"):  # a damaged cache is made again
        file.write_bytes(file.read_bytes()[:1000])
    cifar10._load.cache_clear()
    assert load().train_x.shape == (200, 3, 32, 32) and len(calls) == 2
    assert not list((home / "home" / "cache").glob(".*"))


def test_a_folder_is_found_and_noticed_when_it_grows(home):
    folder = write_folder(home / "data" / "cifar10", small_set())
    assert len(load().test_x) == 20
    (folder / "test" / "cat" / "more.png").write_bytes(png(pixels(9999)))
    os.utime(folder / "test" / "cat", ns=(1, 1))
    assert len(load().test_x) == 21


def test_the_stand_in_only_without_the_archive_and_says_so(home, monkeypatch):
    from explorer.data import standin

    monkeypatch.setattr(standin, "SIZES", {"train": 50, "valid": 20, "test": 10})
    standin._arrays.cache_clear()
    found, asked = load(), load("standin")
    standin._arrays.cache_clear()
    assert found.source.kind == asked.source.kind == "standin"
    assert "stand-in" in found.source.notice and not asked.source.notice
    write_archive(home / "data" / "cifar10.tgz", small_set())
    assert load().source.kind == "real" and load("standin").source.kind == "standin"


def test_load_never_downloads(home, monkeypatch):
    from explorer.data import files, standin

    monkeypatch.setattr(files, "download", lambda *a, **k: pytest.fail("downloaded"))
    monkeypatch.setattr(standin, "SIZES", {"train": 10, "valid": 10, "test": 10})
    standin._arrays.cache_clear()
    load()
    standin._arrays.cache_clear()


def test_fetch_puts_the_courses_archive_where_load_finds_it(home, monkeypatch):
    from explorer.data import files

    def download(urls, target, **rest):
        assert urls == [cifar10.URL] and rest["progress"] is print
        target.parent.mkdir(parents=True)
        return write_archive(target, small_set())

    monkeypatch.setattr(files, "download", download)
    assert cifar10.find() is None
    assert cifar10.fetch(print) == cifar10.find() and load().source.kind == "real"
    own = write_folder(home / "data" / "cifar10", small_set())
    assert cifar10.find() == own  # EXPLORER_DATA goes before the cache


def test_unknown_set():
    with pytest.raises(DataError, match="no picture set 'own-1'"):
        load("own-1")


# -- bad input -----------------------------------------------------------------------------------------


def refuses(home, words, files=None, raw=None):
    archive = home / "data" / "cifar10.tgz"
    if files is not None:
        write_archive(archive, files)
    if raw is not None:
        archive.write_bytes(raw)
    with pytest.raises(DataError, match=words):
        load()
    assert not list((home / "home").glob("cache/*")) and sorted(p.name for p in home.iterdir()) == ["data"]


def test_truncated_archive(home):
    whole = write_archive(home / "data" / "cifar10.tgz", small_set()).read_bytes()
    refuses(home, "damaged", raw=whole[: len(whole) * 2 // 3])
    refuses(home, "damaged", raw=b"")


def test_archive_with_a_path_that_escapes(home):
    refuses(home, "leads out", {**small_set(), "../../escaped.png": png(pixels(0))})


def test_archive_with_a_link(home):
    archive = write_archive(home / "data" / "cifar10.tgz", small_set())
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("cifar10/train/cat/1.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    refuses(home, "link")


def test_nine_classes(home):
    refuses(
        home,
        "9 classes with pictures, not 10: automobile is missing",
        small_set(folders=[f for f in FOLDERS if f != "automobile"]),
    )


def test_a_folder_of_nine_classes(home):
    write_folder(home / "data" / "cifar10", small_set(folders=FOLDERS[:9]))
    with pytest.raises(DataError, match="truck is missing"):
        load()


def test_an_unknown_class(home):
    refuses(home, "'zebra'", {**small_set(), "train/zebra/1.png": png(pixels(0))})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"GIF89a, or not even that", "is not a picture"),
        (png(pixels(0))[:700], "is not a picture"),
        (b"", "is not a picture"),
        (png(pixels(0), "JPEG"), "is not a picture"),
        (png(np.zeros((33, 32, 3), np.uint8)), "is 32 × 33 pixels, not 32 × 32"),
    ],
    ids=["text", "cut", "empty", "jpeg", "size"],
)
def test_a_picture_that_is_not_one_is_named(home, content, words):
    refuses(
        home,
        rf"frog_bad.png in cifar10.tgz \(train/frog\) {words}",
        {**small_set(), "train/frog/frog_bad.png": content},
    )


def test_too_few_pictures_and_no_pictures(home):
    refuses(home, "airplane has 9 pictures; at least 10", small_set(train=9))
    refuses(home, "0 classes", {"notes.txt": b"hello"})


# -- batches -------------------------------------------------------------------------------------------


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
    wanted = (x.double() / 255 - torch.tensor(cifar10.MEAN).view(3, 1, 1)) / torch.tensor(cifar10.STD).view(3, 1, 1)
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
    cifar10._training_set.cache_clear()


def test_no_step_waits_for_the_device():
    """After the epoch's draws no value goes back to the host: ``meta`` tensors have none to give."""
    data = VisionData(numbered(), of(), CPU)
    data.device = torch.device("meta")
    data.train_x, data.train_y = data.train_x.to("meta"), data.train_y.to("meta")
    data._scale, data._shift = data._scale.to("meta"), data._shift.to("meta")
    assert sum(len(b.y) for b in epoch(data)) == 300


@pytest.mark.data
def test_the_real_set():
    load()
    cifar10._load.cache_clear()
    started = time.perf_counter()
    pictures = load()
    assert time.perf_counter() - started < 1
    assert [len(y) for y in (pictures.train_y, pictures.valid_y, pictures.test_y)] == [40_000, 10_000, 10_000]
    for y, each in ((pictures.train_y, 4000), (pictures.valid_y, 1000), (pictures.test_y, 1000)):
        assert np.bincount(y).tolist() == [each] * 10
    assert not pictures.source.notice and pictures.source.name == "CIFAR-10"
    part = pictures.train_x[::10].astype(np.float32) / 255
    assert np.allclose(part.mean((0, 2, 3)), cifar10.MEAN, atol=0.01)
    assert np.allclose(part.std((0, 2, 3)), cifar10.STD, atol=0.01)
    of_train, of_valid = ({p.tobytes() for p in x} for x in (pictures.train_x[:4000], pictures.valid_x[:1000]))
    assert len(of_train & of_valid) < 5  # CIFAR-10 has a few pictures twice; the lecture's loop shared 950 cars
