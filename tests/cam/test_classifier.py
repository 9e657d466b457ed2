"""A classifier as one file, saved safely; and the ones that ship."""

import copy
import json
import os
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as to_bytes

from explorer import paths
from explorer.cam.classifier import answer, backbone_of, clean_name, load, save, shipped
from explorer.cam.explain import explain
from explorer.data import seal
from explorer.errors import SettingsError, WeightsError
from tests.data.test_dogscats import CAT, jpeg


def test_names_are_cleaned():
    assert clean_name("  a\x00\n b\u200b ") == "a b"
    assert clean_name("e\u0301") == "é"


# -- one file -----------------------------------------------------------------------------------------------
def test_saved_and_loaded_again(trained, network):
    own, _, classes = trained
    data = save(own, accuracy=0.5)
    assert len(data) < 200_000
    again, saved = load(data, network=network)
    assert again.body is network.body and saved.classes == ("red", "blue") and saved.metadata["accuracy"] == "0.5"
    a, b = (explain(n, classes["red"][0]) for n in (own, again))
    np.testing.assert_array_equal(a.logits, b.logits)
    alone, _ = load(data)
    np.testing.assert_allclose(explain(alone, classes["red"][0]).logits, a.logits, atol=1e-5)


def test_a_fine_tuned_body_travels_along(trained):
    own, _, classes = trained
    mine = copy.deepcopy(own)
    with torch.no_grad():
        mine.body[0][0].weight.mul_(1.5)
    again, _ = load(save(mine, with_body=True))
    a, b = (explain(n, classes["red"][0]).logits for n in (mine, again))
    np.testing.assert_allclose(a, b, atol=0.05)  # half precision
    assert np.abs(a - explain(own, classes["red"][0]).logits).max() > 0.1


def test_a_body_with_a_number_that_is_none_is_refused(trained):
    mine = copy.deepcopy(trained[0])
    mine.body[-1][1].running_var[3] = float("nan")
    with pytest.raises(WeightsError, match=r"mine is damaged: some of its weights are no numbers\."):
        load(save(mine, with_body=True), "mine")


def tampered(data, tensor=None, **changes):
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"].update(changes)
    text = json.dumps(header | ({"head.more": tensor} if tensor else {})).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def test_wrong_and_damaged_files_are_refused(trained):
    own, _, _ = trained
    good = save(own)
    three = to_bytes({"head.weight": torch.zeros(3, 1280, 3, 3), "head.bias": torch.zeros(3)}, {"format": "x"})
    (length,) = struct.unpack("<Q", good[:8])
    end = [len(good) - 8 - length] * 2
    uncounted = tampered(good, {"dtype": "F32", "shape": [0, 1 << 62, 4], "data_offsets": end})
    nan = copy.deepcopy(own)
    with torch.no_grad():
        nan.head.bias.fill_(float("nan"))
    bad = {
        "empty": b"",
        "text": b"hello, I am no classifier",
        "cut": good[:-100],
        "no metadata": to_bytes({"a": torch.zeros(1)}),
        "another format": three,
        "another backbone": tampered(good, backbone="vgg"),
        "wrong channels": tampered(good, backbone="resnet34"),
        "more classes than maps": tampered(good, classes='["a","b","c"]'),
        "names that are none": tampered(good, classes='["a", 7]'),
        "the same name twice": tampered(good, classes='["a", "A"]'),
        "control characters": tampered(good, classes='["a", "b\\u0000"]'),
        "nested absurdly": tampered(good, classes="[" * 100_000),
        "a shape that cannot be counted": seal.sealed(uncounted),
        "not finite": save(nan),
        "a header without end": struct.pack("<Q", 1 << 60) + b"{}",
    }
    for row, data in bad.items():
        with pytest.raises(WeightsError, match=r"mine.safetensors is not a classifier saved here, or it is damaged\."):
            load(data, "mine.safetensors")
            pytest.fail(row)
    load(good)


def test_a_bit_that_flipped_on_the_way_is_noticed(trained):
    bad = bytearray(save(trained[0]))
    bad[-9] ^= 1
    with pytest.raises(WeightsError, match="damaged"):
        load(bytes(bad), "mine", shipped())


def test_a_classifier_saved_by_an_earlier_version_opens_and_answers_as_it_did():
    """Cats and cups of coffee, saved before classifiers had a module of their own."""
    own, saved = load((Path(__file__).parent / "old_classifier.safetensors").read_bytes())
    assert saved.classes == ("cat", "coffee") and saved.backbone == "mobilenet_v2"
    rgb = np.zeros((96, 128, 3), np.uint8)
    rgb[..., 0], rgb[..., 1] = 2 * np.arange(128), 2 * np.arange(96)[:, None]
    found = explain(own, rgb)
    assert found.classes[found.winner] == "coffee"
    np.testing.assert_allclose(found.logits, [-1.10976, 1.10976], atol=1e-3)  # what the earlier version said


# -- the ones that ship ---------------------------------------------------------------------------------------
def test_unknown_keys_and_absent_weights(monkeypatch, tmp_path):
    with pytest.raises(SettingsError, match="dogscats-resnet34"):
        backbone_of("dogs")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path)
    with pytest.raises(WeightsError, match="train dogscats"):
        shipped()


def test_visitors_who_come_together_get_one_network_and_new_weights_are_noticed(monkeypatch, tmp_path):
    for name in ("dogscats.safetensors", "mobilenet_v2-features.safetensors"):
        shutil.copy(paths.WEIGHTS / name, tmp_path)
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path)
    with ThreadPoolExecutor(4) as visitors:
        networks = list(visitors.map(lambda _: shipped(), range(4)))
    assert all(network is networks[0] for network in networks)
    os.utime(tmp_path / "dogscats.safetensors", (1, 1))
    assert shipped() is not networks[0]


def test_answers_for_any_file(tmp_path):
    good, bad, big = tmp_path / "cat.jpg", tmp_path / "bad.jpg", tmp_path / "big.jpg"
    good.write_bytes(jpeg(CAT))
    bad.write_bytes(b"no photo")
    with big.open("wb") as file:
        file.truncate(20_000_001)
    found = answer(good)
    assert found["file"] == str(good) and found["class"] in ("cats", "dogs")
    assert list(found["probabilities"]) == ["cats", "dogs"] and sum(found["probabilities"].values()) == pytest.approx(1)
    assert "not a photo" in answer(bad)["error"]
    assert "larger than 20 MB" in answer(big)["error"]
    assert answer(tmp_path / "gone.jpg") == {
        "file": str(tmp_path / "gone.jpg"),
        "error": "The file cannot be read: No such file or directory.",
    }
    assert "This is no file" in answer(tmp_path)["error"]
    json.dumps(found)


@pytest.mark.parametrize("kind", ["folder", "pipe", "endless device", "missing", "too large", "too long a name"])
def test_what_is_no_photo_on_disk_gets_a_sentence(tmp_path, kind):
    path = tmp_path / "here"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless device":
        path = Path("/dev/zero")
    elif kind == "too large":
        path.write_bytes(bytes(20_000_001))
    elif kind == "too long a name":
        path = tmp_path / ("x" * 5000)
    words = {"missing": "cannot be read", "too large": "larger than 20 MB", "too long a name": "cannot be read"}
    assert words.get(kind, "This is no file.") in answer(path)["error"]
