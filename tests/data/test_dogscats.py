"""Dogs and cats: from an archive or a folder, with nothing but photos believed; and the weights that ship."""

import functools
import http.server
import io
import tarfile
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from explorer import paths
from explorer.data import dogscats
from explorer.errors import DataError


def jpeg(colour, size=(48, 40)):
    rgb = np.random.default_rng(sum(colour)).integers(0, 60, (size[1], size[0], 3)) + np.array(colour) // 2
    out = io.BytesIO()
    Image.fromarray(rgb.astype(np.uint8)).save(out, "JPEG")
    return out.getvalue()


CAT, DOG = (250, 120, 40), (40, 120, 250)


def archive(path, extra=(), per_class=6):
    """A small dogscats.tgz of the course's layout."""
    entries = [
        (f"dogscats/{split}/{label}/{label[:3]}.{i}.jpg", jpeg(colour, (48 + i, 40)))
        for split in ("train", "valid")
        for label, colour in (("cats", CAT), ("dogs", DOG))
        for i in range(per_class)
    ]
    with tarfile.open(path, "w:gz") as tar:
        for name, content in [*entries, *extra]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("EXPLORER_DATA", str(folder))
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    return folder


def test_read_straight_from_the_archive(data):
    extra = [
        ("dogscats/train/cats/notes.txt", b"x"),
        ("dogscats/sample/cats/cat.1.jpg", jpeg(CAT)),
        ("dogscats/train/cats/broken.jpg", b"\xff\xd8\xff broken"),
    ]
    archive(data / "dogscats.tgz", extra)
    found = dogscats.here()
    train = list(found.photos("train"))
    assert [p.label for p in train] == ["cats"] * 6 + ["dogs"] * 6
    assert [p.label for p in found.photos("valid", 2)] == ["cats"] * 2 + ["dogs"] * 2
    assert train[0].name == "cat.0.jpg" and train[0].rgb.shape == (40, 48, 3)
    assert found.source.kind == "real" and len(found.source.checksum) == 32
    assert [p.name for p in data.iterdir()] == ["dogscats.tgz"]  # nothing was unpacked


def test_read_from_a_folder(data):
    for name in ("train/cats/1.jpg", "train/dogs/2.jpg", "valid/cats/3.jpg", "valid/dogs/4.jpg"):
        path = data / "dogscats" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(CAT))
    found = dogscats.here()
    assert [(p.label, p.name) for p in found.photos("valid")] == [("cats", "3.jpg"), ("dogs", "4.jpg")]


def test_an_archive_that_leaves_its_folder_is_refused(data):
    archive(data / "dogscats.tgz", [("../evil.jpg", jpeg(CAT))], per_class=1)
    with pytest.raises(DataError, match="leads out of its folder"):
        list(dogscats.here().photos("train"))


def test_what_is_missing_or_damaged_is_a_sentence(data):
    with pytest.raises(DataError, match="fetch dogscats"):
        dogscats.here()
    target = archive(data / "dogscats.tgz")
    target.write_bytes(target.read_bytes()[:4000])
    with pytest.raises(DataError, match="damaged"):
        list(dogscats.here().photos("valid"))
    with tarfile.open(target, "w:gz"):
        pass
    with pytest.raises(DataError, match="has no photos"):
        list(dogscats.here().photos("train"))


def test_fetched_from_the_second_address_and_checked(data, tmp_path, monkeypatch):
    served = tmp_path / "served"
    served.mkdir()
    archive(served / "dogscats.tgz")
    with tarfile.open(served / "other.tgz", "w:gz"):
        pass

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        monkeypatch.setattr(dogscats, "URLS", (f"{address}/other.tgz",))
        with pytest.raises(DataError, match="has no photos"):
            dogscats.fetch()
        assert dogscats.find() is None
        monkeypatch.setattr(dogscats, "URLS", (f"{address}/gone.tgz", f"{address}/dogscats.tgz"))
        seen = []
        path = dogscats.fetch(lambda done, total: seen.append((done, total)))
        assert path == paths.cache() / "dogscats.tgz" and seen[-1][0] == path.stat().st_size
        assert dogscats.fetch() == path and dogscats.find().path == path
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_lectures_addresses():
    assert dogscats.URLS[0] == "https://s3.amazonaws.com/fast-ai-sample/dogscats.tgz"
    assert dogscats.URLS[1] == "https://files.fast.ai/data/examples/dogscats.tgz"


def test_augmentation_flips_and_zooms_within_the_square():
    rgb = np.zeros((100, 140, 3), np.uint8)
    rgb[:, :, 0] = np.arange(140)[None]  # brightness tells the column
    flips, firsts, lasts = 0, [], []
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        row = dogscats.augmented(rgb, 64, generator)[32, :, 0].astype(int)
        assert dogscats.augmented(rgb, 64, generator).shape == (64, 64, 3)
        if row[0] > row[-1]:
            flips, row = flips + 1, row[::-1]
        firsts.append(row[0])
        lasts.append(row[-1])
        assert 100 / 1.1 - 5 <= row[-1] - row[0] + 100 / 64 <= 102
    assert 15 < flips < 45 and min(firsts) >= 19 and max(lasts) <= 121
    assert len(set(firsts)) > 3
