"""Training and validating the cats and dogs that ship."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from explorer import paths
from explorer.cam import backbones
from explorer.cam import dogscats as course
from explorer.cam.classifier import load, shipped, weights_of
from explorer.cam.dogscats import fingerprint, train_dogscats
from explorer.cam.explain import explain
from explorer.cam.network import build
from explorer.data import dogscats
from explorer.store.history import Snapshot
from tests.data.test_dogscats import archive


@pytest.fixture
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("EXPLORER_DATA", str(folder))
    monkeypatch.setenv("EXPLORER_HOME", str(tmp_path / "home"))
    return folder


def test_train_writes_weights_and_a_recorded_run_from_cached_features(data, tmp_path, monkeypatch):
    archive(data / "dogscats.tgz")
    target, rows = tmp_path / "dogscats.safetensors", []
    result = train_dogscats(per_class=4, views=2, steps=20, target=target, on_epoch=rows.append)
    assert result["accuracy"] == 1.0 and len(rows) == 2
    _, saved = load(target.read_bytes())
    assert saved.classes == ("cats", "dogs") and float(saved.metadata["accuracy"]) == 1.0
    record = Snapshot.from_json(json.loads(target.with_suffix(".json").read_text()))
    assert len(record) == 20 and record.best_accuracy == 1.0 and record.best_val_loss == rows[-1].val_loss
    monkeypatch.setattr(course, "taps_of", lambda *a: pytest.fail("the features were computed again"))
    again = train_dogscats(per_class=4, views=2, steps=20, target=target)
    assert again["val_loss"] == pytest.approx(result["val_loss"], abs=1e-3)


def test_where_the_program_is_fixed_the_head_is_kept_in_the_cache_and_found_there(data, tmp_path, monkeypatch):
    archive(data / "dogscats.tgz")
    shutil.copy(paths.WEIGHTS / "mobilenet_v2-features.safetensors", tmp_path)
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path)
    monkeypatch.setattr(backbones.os, "access", lambda *_: False)
    result = train_dogscats(per_class=2, views=1, steps=10)
    assert Path(result["path"]).parent == paths.cache() and not (tmp_path / "dogscats.safetensors").exists()
    assert shipped().classes == ("cats", "dogs")
    shutil.copy(result["path"], tmp_path)
    assert weights_of("dogscats") == tmp_path / "dogscats.safetensors", "what ships goes before"


def test_a_changed_body_never_gets_anothers_features():

    network = build("mobilenet_v2", ("a", "b"))
    before = fingerprint(network)
    with torch.no_grad():
        network.body[3].conv[0][0].weight[0] += 1
    assert fingerprint(network) != before


def test_shipped_files_tell_their_story():
    path = paths.WEIGHTS / "dogscats.safetensors"
    _, saved = load(path.read_bytes())
    assert float(saved.metadata["accuracy"]) >= 0.985 and saved.backbone == "mobilenet_v2"
    record = Snapshot.from_json(json.loads(path.with_suffix(".json").read_text()))
    assert record.epochs[-1].accuracy == pytest.approx(float(saved.metadata["accuracy"]))
    assert record.epochs[-1].seconds <= 5


@pytest.mark.data
def test_shipped_weights_know_real_cats_from_real_dogs():
    """A part of the validation photos, for time; ``python -m explorer evaluate dogscats`` takes them all."""
    network, right, total = shipped(), 0, 0

    for photo in dogscats.here().photos("valid", 30):
        found = explain(network, photo)
        right += found.classes[found.winner] == photo.label
        total += 1
    assert total == 60 and right >= 58
