"""Weights that visitors bring: those that fit are kept, for whoever brought them alone; all others are a sentence."""

import json
import math
import os
import time

import pytest
import torch
from safetensors.torch import load, save

from explorer import limits
from explorer.data import Source, SourceKind, cifar10, seal, text
from explorer.data.vocabulary import Vocabulary
from explorer.errors import OtherDataError, WeightsError
from explorer.experiment import Experiment
from explorer.limits import Limits
from explorer.store import tidy
from explorer.store.store import Store
from explorer.store.tidy import DAY, Tidied
from explorer.training import checkpoint, own_weights

CPU = torch.device("cpu")
GRU = Experiment.of("gru", hidden=16, n_fac=8)
CONV = Experiment.of("convnet", widths="4,4")
SOURCE = Source("A text", SourceKind.STANDIN, "")


def a_model(experiment):
    torch.manual_seed(3)
    return experiment.rung.build(
        experiment, *([len(text.of(experiment).vocabulary)] if experiment.rung.is_language else [])
    )


def a_file(experiment=GRU, vocabulary=None, **changes):
    """As this program saves it."""
    letters = vocabulary or (text.of(experiment).vocabulary if experiment.rung.is_language else None)
    classes = () if experiment.rung.is_language else cifar10.CLASSES
    story = checkpoint.Story(experiment, SOURCE, letters, 4, 1.5, 0.4, classes)
    return checkpoint.as_bytes(a_model(experiment), story, **changes)


def tensors_of(experiment=GRU, **changes):
    return dict(a_model(experiment).state_dict()) | changes


def loaded(path):
    return checkpoint.load(path, CPU)[0].state_dict()


@pytest.mark.parametrize("experiment", [GRU, CONV], ids=["language", "vision"])
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "another program's"])
def test_what_fits_is_kept_and_opens_like_any_other(home, experiment, ours):
    raw = a_file(experiment) if ours else save(tensors_of(experiment), {"format": "pt"})
    path = own_weights.keep(raw, "mine.safetensors", experiment, "ann")
    assert all(torch.equal(tensor, loaded(path)[name]) for name, tensor in tensors_of(experiment).items())
    story = checkpoint.read_story(path)
    assert story.source.kind == SourceKind.YOURS and story.experiment == experiment
    assert (story.epochs, story.val_loss) == (4, 1.5) if ours else (story.epochs == 0 and math.isnan(story.val_loss))
    assert own_weights.find(experiment.model, "ann") == path and own_weights.is_own(path)
    assert own_weights.origin_of(path) == "weights of their owner's own"


def test_half_precision_is_taken_as_float32(home):
    path = own_weights.keep(a_file(half=True), "half", GRU, "ann")
    assert all(tensor.dtype == torch.float32 for tensor in loaded(path).values())


def test_they_belong_to_whoever_brought_them_alone(home):
    path = own_weights.keep(a_file(), "mine", GRU, "ann")
    assert own_weights.find("gru", "bob") is None and own_weights.find("lstm", "ann") is None
    own_weights.remove("gru", "bob")
    assert path.exists() and "ann" not in str(path.relative_to(home))
    own_weights.remove("gru", "ann")
    assert own_weights.find("gru", "ann") is None and not list(own_weights.files())


def flipped(raw):
    bad = bytearray(raw)
    bad[-7] ^= 1
    return bytes(bad)


def swollen(raw):
    return (10**6 + 8).to_bytes(8, "little") + bytes(2 * 10**6)


WRONG = {
    "another rung": (lambda: a_file(Experiment.of("lstm", hidden=16, n_fac=8, layers=1)), "holds weights of LSTM"),
    "a picture's": (lambda: a_file(CONV), "holds weights of Convolutions"),
    "another size": (
        lambda: a_file(GRU.replace(hidden=24)),
        r"first difference: rnn\.weight_ih_l0: 72 × 8 in the file, 48",
    ),
    "one missing": (
        lambda: save({n: t for n, t in tensors_of().items() if n != "l_out.bias"}),
        r"first difference: l_out\.bias: nothing in the file",
    ),
    "one too many": (lambda: save(tensors_of(more=torch.zeros(2))), "first difference: more: 2 in the file, nothing"),
    "no number": (lambda: save(tensors_of(**{"l_out.bias": torch.full((len(V()),), math.nan)})), "no numbers"),
    "endless": (lambda: save(tensors_of(**{"l_out.bias": torch.full((len(V()),), math.inf)})), "no numbers"),
    "a bit flipped": (lambda: flipped(a_file()), "damaged"),
    "cut short": (lambda: save(tensors_of())[:-100], "damaged"),
    "no file of tensors": (lambda: b"PK\x03\x04 this is a ZIP, and more", "no safetensors file"),
    "nothing": (lambda: b"", "no safetensors file"),
    "a pickle": (lambda: b"\x80\x04\x95" + bytes(100), "no safetensors file"),
    "a header without end": (lambda: swollen(b""), "no safetensors file"),
    "other characters": (lambda: a_file(vocabulary=Vocabulary(V().itos[::-1])), "other data"),
}


def V():
    return text.of(GRU).vocabulary


@pytest.mark.parametrize(("make", "words"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_a_sentence_and_what_was_there_stays(home, make, words):
    good = own_weights.keep(a_file(), "good", GRU, "ann")
    before = good.read_bytes()
    with pytest.raises(WeightsError, match=words) as error:
        own_weights.keep(make(), "mine.safetensors", GRU, "ann")
    assert "mine.safetensors" in str(error.value) and str(error.value).endswith(".")
    assert good.read_bytes() == before and [*own_weights.files()] == [good]


def test_other_classes_are_other_data(home):
    with pytest.raises(OtherDataError):
        own_weights.keep(a_file(CONV), "mine", CONV.replace(data="standin"), "ann")


def test_too_large_a_file_is_not_even_looked_at(home, monkeypatch):
    monkeypatch.setattr(own_weights, "LARGEST", 1_000_000)
    monkeypatch.setattr(own_weights, "_read", lambda *_: pytest.fail("looked at"))
    with pytest.raises(WeightsError, match="at most 1 are taken"):
        own_weights.keep(bytes(1_000_001), "mine", GRU, "ann")


def test_a_network_as_large_as_one_can_set_takes_no_memory_for_a_small_file(home, monkeypatch):
    from explorer.experiment import SETTINGS

    huge = GRU.replace(hidden=int(SETTINGS["hidden"].high))
    built = []
    build = type(huge.rung).build
    monkeypatch.setattr(
        type(huge.rung), "build", lambda rung, *a: built.append(made := build(rung, *a)) or made, raising=False
    )
    with pytest.raises(WeightsError, match="first difference"):
        own_weights.keep(save(tensors_of(GRU)), "mine", huge, "ann")
    *_, last = built
    assert {tensor.device.type for tensor in last.state_dict().values()} == {"meta"}


def test_a_file_cannot_say_whose_text_it_is_to_be_tried_on(home):
    """A crafted story names another visitor's own text; what is kept names what the page is set to."""
    others = "own-0123456789abcdef-0123456789ab"
    raw = a_file()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    words = header["__metadata__"]
    words["experiment"] = words["experiment"].replace('"auto"', f'"{others}"')
    del words[seal.WORD]
    new = json.dumps(header).encode()
    path = own_weights.keep(len(new).to_bytes(8, "little") + new + raw[8 + length :], "mine", GRU, "ann")
    assert others in words["experiment"] and checkpoint.read_story(path).experiment.data == "auto"


def test_the_disk_of_one_visitor_holds_for_them_too(home, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(disk_mb=1))
    large = Experiment.of("gru", hidden=512, n_fac=42)
    with pytest.raises(WeightsError, match="take all of the 1 MB"):
        own_weights.keep(save(tensors_of(large)), "mine", large, "ann")
    assert own_weights.keep(a_file(), "mine", GRU, "ann").exists()
    assert own_weights.keep(a_file(), "mine", GRU, "ann").exists(), "the same again takes no more"


def test_those_that_nobody_plays_go_and_those_that_are_played_stay(home, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(text_days=10))
    anns, bobs = (own_weights.keep(a_file(), "mine", GRU, owner) for owner in ("ann", "bob"))
    for path in (anns, bobs):
        os.utime(path, times=(time.time() - 11 * DAY,) * 2)
    assert own_weights.find("gru", "bob") == bobs
    assert tidy.tidy(Store()) == Tidied(weights=1)
    assert bobs.exists() and not anns.exists()


def test_training_goes_on_from_them(home):
    from explorer.training import prepare

    path = own_weights.keep(a_file(), "mine", GRU, "ann")
    learner = prepare.learner_for(GRU.replace(epochs=1), path)
    assert torch.equal(learner.model.state_dict()["l_out.bias"], load(a_file())["l_out.bias"])
