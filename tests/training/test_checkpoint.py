"""Weights on disk: whole or not at all, with their story; whatever is wrong with a file is said in a sentence."""

import errno
import io
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from explorer import ladders, paths
from explorer.errors import OtherDataError, StorageError, WeightsError
from explorer.runs import ship
from explorer.training import checkpoint, evaluate, prepare

CPU = torch.device("cpu")


@pytest.fixture
def trained(tiny):
    return tiny("gru")


def story(learner, **changes):
    return replace(prepare.story_of(learner, learner.experiment, 1.5, 0.4), **changes)


def same(a, b):
    return all(torch.equal(a.state_dict()[name], b.state_dict()[name]) for name in b.state_dict())


@pytest.mark.parametrize("key", [rung.key for rung in ladders.LANGUAGE])
def test_weights_and_story_come_back_as_they_were(tiny, tmp_path, key):
    learner = tiny(key)
    path = tmp_path / "deep" / "down" / "w.safetensors"
    checkpoint.save(path, learner.model, story(learner))
    model, read = checkpoint.load(path, CPU)
    assert read == story(learner) and read == checkpoint.read_story(path)
    assert type(model) is type(learner.model) and not model.training and same(model, learner.model)
    with safe_open(path, framework="numpy") as file:
        words = file.metadata()
    assert words["model"] == key and words["format"] == "explorer-1"
    assert len(json.loads(words["vocabulary"])) == len(learner.data.vocabulary)


def test_half_precision_is_half_the_size_and_loads_as_float32(trained, tmp_path):
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    checkpoint.save(full, trained.model, story(trained))
    checkpoint.save(half, trained.model, story(trained), half=True)
    model, _ = checkpoint.load(half, CPU)
    for name, tensor in trained.model.state_dict().items():
        assert model.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)
    weights = sum(p.numel() for p in trained.model.parameters())
    assert full.stat().st_size - half.stat().st_size == pytest.approx(2 * weights, abs=64)


def test_a_validation_that_never_happened_is_kept_as_such(trained, tmp_path):
    checkpoint.save(tmp_path / "w", trained.model, story(trained, val_loss=math.nan))
    assert math.isnan(checkpoint.read_story(tmp_path / "w").val_loss)


def damaged(path: Path, how: str) -> None:
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    words = header["__metadata__"]
    if how == "cut short":
        path.write_bytes(raw[: len(raw) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "noise":
        path.write_bytes(os.urandom(len(raw)))
    elif how == "header":
        path.write_bytes(raw[:20] + b"\xff\x00" + raw[22:])
    elif how == "huge header":
        path.write_bytes(b"\xff" * 8 + raw[8:])
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    elif how == "a pipe":
        path.unlink()
        os.mkfifo(path)
    elif how == "gone":
        path.unlink()
    else:
        if how == "not ours":
            header["__metadata__"] = {"format": "pt"}
        elif how == "no story":
            del header["__metadata__"]
        elif how == "other version":
            words["format"] = "explorer-99"
        elif how == "unknown model":
            words["experiment"] = words["experiment"].replace('"gru"', '"gpt"')
        elif how == "bad setting":
            words["experiment"] = words["experiment"].replace('"hidden": 16', '"hidden": -16')
        elif how == "experiment is a number":
            words["experiment"] = "3"
        elif how == "no vocabulary":
            words["vocabulary"] = "null"
        elif how == "pictures' model":
            words["experiment"] = json.dumps({"model": "convnet"})
        elif how == "deep JSON":
            words["classes"] = "[" * 100_000
        elif how == "numbers for characters":
            words["vocabulary"] = "[0, 1, 2, 3]"
        elif how == "the same character twice":
            words["vocabulary"] = '["a", "b", "a"]'
        elif how == "a number for a name":
            words["source"] = '{"name": 1, "kind": "real", "origin": ""}'
        elif how == "an unknown kind of data":
            words["source"] = '{"name": "a", "kind": "borrowed", "origin": ""}'
        new = json.dumps(header).encode()
        path.write_bytes(len(new).to_bytes(8, "little") + new + raw[8 + length :])


WRONG = {
    "cut short": "damaged",
    "empty": "damaged",
    "noise": "damaged",
    "header": "damaged",
    "huge header": "damaged",
    "a folder": "damaged",
    "gone": "no weights",
    "not ours": "not written by",
    "no story": "not written by",
    "other version": "not written by",
    "unknown model": "not written by",
    "bad setting": "not written by",
    "experiment is a number": "not written by",
    "no vocabulary": "not written by",
    "an unknown kind of data": "not written by",
    "pictures' model": "not written by",
    "deep JSON": "not written by",
    "numbers for characters": "not written by",
    "a number for a name": "not written by",
    "the same character twice": "not written by",
    "a pipe": "damaged",
    "a name too long": "damaged",
}


@pytest.mark.parametrize(("how", "words"), WRONG.items())
def test_whatever_is_wrong_with_a_file_is_said_in_a_sentence(trained, tmp_path, how, words):
    path = tmp_path / "mine.safetensors"
    checkpoint.save(path, trained.model, story(trained))
    if how == "a name too long":
        path = tmp_path / f"{'x' * 300}mine.safetensors"
    else:
        damaged(path, how)
    for read in (checkpoint.read_story, lambda p: checkpoint.load(p, CPU)):
        with pytest.raises(WeightsError, match=words) as error:
            read(path)
        assert "mine.safetensors" in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t | {"l_out.weight": torch.zeros(7, 16)},
        lambda t: {name: tensor for name, tensor in t.items() if name != "e.weight"},
        lambda t: t | {"more": torch.zeros(2)},
    ],
    ids=["wrong shape", "one missing", "one too many"],
)
def test_weights_of_another_shape_are_refused_and_the_model_is_unchanged(trained, tmp_path, change):
    path = tmp_path / "other.safetensors"
    tensors = {name: torch.zeros_like(t) for name, t in trained.model.state_dict().items()}
    save_file(change(tensors), path, story(trained).to_metadata())
    with pytest.raises(WeightsError, match=r"other\.safetensors does not fit"):
        checkpoint.load(path, CPU)
    before = {name: t.clone() for name, t in trained.model.state_dict().items()}
    with pytest.raises(WeightsError, match="does not fit"):
        checkpoint.load_into(trained.model, path)
    assert all(torch.equal(trained.model.state_dict()[name], t) for name, t in before.items())


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_of_a_run_that_broke_are_refused(trained, tmp_path, value, half):
    path = tmp_path / "broken.safetensors"
    before = {name: t.clone() for name, t in trained.model.state_dict().items()}
    with torch.no_grad():
        trained.model.l_out.bias[3] = value
    checkpoint.save(path, trained.model, story(trained), half=half)
    trained.model.load_state_dict(before)
    for use in (
        lambda: checkpoint.load(path, CPU),
        lambda: ship.evaluate(path),
        lambda: prepare.learner_for(trained.experiment, path, trained.data),
        lambda: checkpoint.load_into(trained.model, path),
    ):
        with pytest.raises(WeightsError, match=r"broken\.safetensors holds weights that are no numbers"):
            use()
    assert all(torch.equal(trained.model.state_dict()[name], t) for name, t in before.items())


def test_going_on_from_weights_of_another_model_or_another_text_is_refused(trained, tiny, tmp_path):
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, trained.model, story(trained))
    same_data = trained.data
    learner = prepare.learner_for(trained.experiment.replace(seed=5), path, same_data)
    assert same(learner.model, trained.model)
    with pytest.raises(WeightsError, match="does not fit"):
        prepare.learner_for(trained.experiment.replace(hidden=24), path, same_data)
    other = tiny("stateful")
    with pytest.raises(WeightsError, match="does not fit"):
        prepare.learner_for(other.experiment, path, other.data)
    fewer = story(trained, vocabulary=type(trained.data.vocabulary)(trained.data.vocabulary.itos[::-1]))
    checkpoint.save(path, trained.model, fewer)
    with pytest.raises(WeightsError, match="other data"):
        prepare.learner_for(trained.experiment, path, same_data)


class FullDisk(io.BytesIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_no_rest_of_the_new(trained, tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, trained.model, story(trained))
    before = path.read_bytes()
    for broken in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:
            if broken == "write":
                patch.setattr(Path, "open", lambda self, mode: self.touch() or FullDisk())
            else:

                def fail(*_args):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

                patch.setattr(*((os, "fsync") if broken == "fsync" else (Path, "replace")), fail)
            with pytest.raises(StorageError, match="No space left"):
                checkpoint.save(path, trained.model, story(trained, epochs=9))
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_a_storage_error_too(trained, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        checkpoint.save(tmp_path / "file" / "w.safetensors", trained.model, story(trained))


def test_shipping_writes_figures_of_the_values_as_written_and_the_run_beside_them(trained, tmp_path):
    from explorer.store.history import History, Snapshot

    events = History()
    path = ship.write(trained, trained.experiment, events.snapshot(), tmp_path / "mine.safetensors")
    read = checkpoint.read_story(path)
    model, _ = checkpoint.load(path, CPU)
    assert read.val_loss == pytest.approx(trained.evaluate()[0]) and same(model, trained.model)
    record = json.loads((tmp_path / "mine.json").read_text())
    assert Snapshot.from_json(record).epochs == () and record["experiment"]["model"] == "gru"


@pytest.mark.parametrize("half", [False, True])
def test_a_bit_that_flipped_is_noticed_by_whoever_loads_them(trained, tmp_path, half):
    path = tmp_path / "mine.safetensors"
    checkpoint.save(path, trained.model, story(trained), half=half)
    raw = bytearray(path.read_bytes())
    raw[-11] ^= 1  # the numbers are numbers still
    path.write_bytes(raw)
    before = {name: t.clone() for name, t in trained.model.state_dict().items()}
    for use in (
        lambda: checkpoint.load(path, CPU),
        lambda: checkpoint.load_into(trained.model, path),
        lambda: prepare.learner_for(trained.experiment, path, trained.data),
    ):
        with pytest.raises(WeightsError, match=r"mine\.safetensors is damaged.*checksum"):
            use()
    assert all(torch.equal(trained.model.state_dict()[name], t) for name, t in before.items())


def test_a_file_from_before_there_were_checksums_opens(trained, tmp_path):
    path = tmp_path / "old.safetensors"
    save_file(trained.model.state_dict(), path, story(trained).to_metadata())
    assert same(checkpoint.load(path, CPU)[0], trained.model)


# -- the weights that ship ---------------------------------------------------------------------------

GOALS = {"stateful": 1.546, "gru": 1.425, "lstm": 1.351}
SHIPPED = [rung.key for rung in ladders.LANGUAGE if checkpoint.shipped(rung.key).exists()]


@pytest.mark.parametrize("key", SHIPPED)
def test_shipped_weights_tell_their_story_and_meet_the_goal(key):
    read = checkpoint.read_story(checkpoint.shipped(key))
    assert read.experiment.model == key and read.source.kind == "real" and len(read.vocabulary) == 55
    assert read.source.checksum == "a941bb9acc3a83c1f5186b846bbee663" and "/" not in read.source.origin
    assert read.epochs == read.experiment.total_epochs and 0 < read.accuracy < 1
    assert read.val_loss <= GOALS.get(key, 2.6)
    model, _ = checkpoint.load(checkpoint.shipped(key), CPU)
    assert all(bool(p.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("key", SHIPPED)
def test_shipped_weights_are_small_and_have_their_recorded_run_beside_them(key):
    from explorer.lecture import recorded

    count = sum(p.numel() for p in checkpoint.load(checkpoint.shipped(key), CPU)[0].parameters())
    assert checkpoint.shipped(key).stat().st_size < 4 * count + 20_000
    assert checkpoint.recorded(key).stat().st_size < 150_000
    run = recorded.recording(key)
    read = checkpoint.read_story(checkpoint.shipped(key))
    assert run.experiment == read.experiment and len(run.history.epochs) == read.epochs
    assert run.history.epochs[-1].val_loss == pytest.approx(read.val_loss, abs=0.003)


def test_everything_that_ships_is_small_together():
    assert sum(path.stat().st_size for path in paths.WEIGHTS.glob("*.safetensors")) < 60_000_000


@pytest.mark.data
@pytest.mark.parametrize("key", [key for key in SHIPPED if key in ("stateful", "gru", "char3")])
def test_validating_shipped_weights_again_gives_what_they_say(key):
    result = ship.evaluate(checkpoint.shipped(key))
    read = checkpoint.read_story(checkpoint.shipped(key))
    assert result["val_loss"] == pytest.approx(read.val_loss, abs=1e-4)
    assert result["accuracy"] == pytest.approx(read.accuracy, abs=1e-4)
    assert result["recorded_val_loss"] == pytest.approx(read.val_loss, abs=1e-5) and result["model"] == key


def test_evaluating_on_another_text_than_the_weights_were_trained_on_is_refused(trained, tmp_path, home):
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, trained.model, story(trained))
    with pytest.raises(OtherDataError, match="other data"):
        ship.evaluate(path)


@pytest.mark.parametrize("key", [rung.key for rung in ladders.VISION if checkpoint.shipped(rung.key).exists()])
def test_shipped_vision_weights_know_the_lectures_classes(key):
    from explorer.data import cifar10

    assert checkpoint.read_story(checkpoint.shipped(key)).classes == cifar10.CLASSES


def test_weights_that_know_planes_and_cats_are_not_asked_about_drawn_shapes(home, monkeypatch):
    from explorer.data import cifar10, sampler

    monkeypatch.setattr(sampler, "here", lambda: False)  # as where what ships was deleted
    cifar10._load.cache_clear()
    path = checkpoint.shipped("convnet")
    experiment = checkpoint.read_story(path).experiment
    for ask in (ship.evaluate, evaluate.of_file, lambda path: prepare.learner_for(experiment, path)):
        with pytest.raises(OtherDataError, match=r"CIFAR-10.*shapes.*Fetch the data"):
            ask(path)
    own = prepare.learner_for(experiment)  # what learnt the shapes is asked about the shapes
    saved = home / "own.safetensors"
    checkpoint.save(saved, own.model, prepare.story_of(own, experiment, 1.0, 0.5))
    assert evaluate.of_file(saved).classes == own.data.classes
    cifar10._load.cache_clear()
