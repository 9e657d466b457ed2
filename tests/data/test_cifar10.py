"""CIFAR-10: decoded and split as promised, and refused when damaged."""

import collections
import io
import os
import tarfile
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from explorer.data import cifar10, sampler
from explorer.data.cifar10 import CLASSES, FOLDERS, decode, load
from explorer.data.pictures import MEAN, STD
from explorer.errors import DataError

CPU = torch.device("cpu")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home and a data folder of their own."""
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    cifar10._load.cache_clear()
    sampler.load.cache_clear()
    yield tmp_path
    cifar10._load.cache_clear()
    sampler.load.cache_clear()


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


def held_after_a_batch(monkeypatch):
    """Has decoding wait after its first hundred pictures; what lets it go on, and the sizes of the batches so far."""
    go_on, batches, real = threading.Event(), [], cifar10._decode

    def held(batch, path):
        batches.append(len(batch))
        assert len(batches) == 1 or go_on.wait(120)
        return real(batch, path)

    monkeypatch.setattr(cifar10, "BATCH", 100)
    monkeypatch.setattr(cifar10, "_decode", held)
    return go_on, batches


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
    monkeypatch.setattr(cifar10, "decode", lambda path, *rest: calls.append(path) or real(path, *rest))
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


def test_the_sampler_that_ships_is_a_fair_draw_of_real_pictures(home):
    found = load()
    assert (found.source.kind, found.classes) == (
        "sample",
        cifar10.CLASSES,
    ) and "whole set is not" in found.source.notice
    for x, y, each in (
        (found.train_x, found.train_y, 400),
        (found.valid_x, found.valid_y, 200),
        (found.test_x, found.test_y, 20),
    ):
        assert x.dtype == np.uint8 and x.shape == (10 * each, 3, 32, 32) and y.dtype == np.int64
        assert (np.bincount(y) == each).all()
        assert len({picture.tobytes() for picture in x}) >= 0.99 * len(x), "the same picture again and again"
    sheets = sum(path.stat().st_size for path in sampler.FOLDER.iterdir())
    assert sheets < 15e6


@pytest.mark.data
def test_the_samplers_pictures_are_the_first_of_each_class_of_the_whole_set(tmp_path, monkeypatch):
    whole, few = load(), sampler.load(cifar10.CLASSES)
    for part, each in sampler.EACH.items():
        x, y = getattr(whole, f"{part}_x"), getattr(whole, f"{part}_y")
        for label in range(10):
            first = np.asarray(x)[np.flatnonzero(y == label)[:each]]
            ours = getattr(few, f"{part}_x")[getattr(few, f"{part}_y") == label]
            assert (first == ours).all(), f"{part}, {cifar10.CLASSES[label]}"


def test_a_sampler_that_is_damaged_is_a_sentence(home, monkeypatch, tmp_path):
    for part in sampler.EACH:
        (tmp_path / f"{part}.webp").write_bytes((sampler.FOLDER / "test.webp").read_bytes()[:5_000])
    monkeypatch.setattr(sampler, "FOLDER", tmp_path)
    with pytest.raises(DataError, match="is damaged"):
        load()


def test_the_stand_in_only_without_archive_and_sampler_and_says_so(home, monkeypatch, tmp_path):
    from explorer.data import standin

    shipped = sampler.FOLDER
    monkeypatch.setattr(sampler, "FOLDER", tmp_path / "deleted")
    monkeypatch.setattr(standin, "SIZES", {"train": 50, "valid": 20, "test": 10})
    standin._arrays.cache_clear()
    found, asked = load(), load("standin")
    standin._arrays.cache_clear()
    assert cifar10.here() is False
    assert found.source.kind == asked.source.kind == "standin"
    assert "stand-in" in found.source.notice and not asked.source.notice
    monkeypatch.setattr(sampler, "FOLDER", shipped)  # it is back while the program runs
    assert load().source.kind == "sample"
    write_archive(home / "data" / "cifar10.tgz", small_set())
    assert load().source.kind == "real" and load("standin").source.kind == "standin"


def test_load_never_downloads(home, monkeypatch):
    from explorer.data import standin

    monkeypatch.setattr(cifar10, "download", lambda *a, **k: pytest.fail("downloaded"))
    monkeypatch.setattr(standin, "SIZES", {"train": 10, "valid": 10, "test": 10})
    standin._arrays.cache_clear()
    load()
    standin._arrays.cache_clear()


def test_fetch_puts_the_courses_archive_where_load_finds_it(home, monkeypatch):
    def download(urls, target, **rest):
        assert urls == [cifar10.URL] and rest["progress"] is print and rest["told"] is None
        target.parent.mkdir(parents=True)
        return write_archive(target, small_set())

    monkeypatch.setattr(cifar10, "download", download)
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


@pytest.mark.data
def test_the_real_set(monkeypatch):
    load()
    cifar10._load.cache_clear()
    monkeypatch.setattr(cifar10, "decode", lambda *_: pytest.fail("once is enough"))
    pictures = load()
    assert [len(y) for y in (pictures.train_y, pictures.valid_y, pictures.test_y)] == [40_000, 10_000, 10_000]
    for y, each in ((pictures.train_y, 4000), (pictures.valid_y, 1000), (pictures.test_y, 1000)):
        assert np.bincount(y).tolist() == [each] * 10
    assert not pictures.source.notice and pictures.source.name == "CIFAR-10"
    part = pictures.train_x[::10].astype(np.float32) / 255
    assert np.allclose(part.mean((0, 2, 3)), MEAN, atol=0.01)
    assert np.allclose(part.std((0, 2, 3)), STD, atol=0.01)
    of_train, of_valid = ({p.tobytes() for p in x} for x in (pictures.train_x[:4000], pictures.valid_x[:1000]))
    assert len(of_train & of_valid) < 5  # CIFAR-10 has a few pictures twice; the lecture's loop shared 950 cars
