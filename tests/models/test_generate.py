"""Sampling: the prompt is read once, the state is stepped, and what is drawn is what was asked for."""

import math
from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explorer import ladders
from explorer.data.vocabulary import Vocabulary
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.models import generate
from explorer.models.sampling import Sampling

VOCABULARY = Vocabulary(("<unk>", "<pad>", *" etaonisrhld"))
KEYS = [rung.key for rung in ladders.LANGUAGE]
STATEFUL = [rung.key for rung in ladders.LANGUAGE if rung.cut == "stream"]


def model_of(key, scale=4.0):
    torch.manual_seed(3)
    model = Experiment.of(key, n_fac=6, hidden=16).rung.build(Experiment.of(key, n_fac=6, hidden=16), len(VOCABULARY))
    with torch.no_grad():
        model.l_out.weight *= scale  # opinions, so that temperature matters
    return model.eval()


def text_of(characters):
    return "".join(character.text for character in characters)


def sample(model, prompt="the net", length=40, temperature=1.0, window=8, **rest):
    return list(generate.sample(model, VOCABULARY, Sampling(prompt, length, temperature, **rest), window))


@pytest.mark.parametrize("key", STATEFUL)
def test_the_prompt_is_read_once_and_the_state_stepped_as_if_all_were_read_at_once(key):
    model, reads = model_of(key), []
    model.register_forward_pre_hook(lambda _, args: reads.append(len(args[0])))
    drawn = sample(model, length=30, seed=1)
    assert reads == [7] + [1] * 29
    whole = "the net" + text_of(drawn)
    with torch.no_grad():
        logits, _ = model(generate.encode_prompt(whole, VOCABULARY, torch.device("cpu")), None)
    nats = -logits[:, 0].log_softmax(-1)
    for place, character in enumerate(drawn, 7):
        token = VOCABULARY.stoi[character.text]
        assert character.surprise == pytest.approx(nats[place - 1, token].item(), abs=1e-4)


@pytest.mark.parametrize("key", [key for key in KEYS if key not in STATEFUL])
def test_a_model_without_memory_is_shown_its_last_characters_each_time(key):
    window = 3 if key == "char3" else 8
    model, reads = model_of(key), []
    model.register_forward_pre_hook(lambda _, args: reads.append(args[0][:, 0].tolist()))
    drawn = sample(model, "the net is on", length=12, seed=1, window=window)
    whole = VOCABULARY.encode("the net is on" + text_of(drawn)).tolist()
    assert reads == [whole[13 + n - window : 13 + n] for n in range(12)]
    short = sample(model, "t", length=3, window=window)
    assert len(short) == 3 and all(math.isfinite(c.surprise) for c in short)


@pytest.mark.parametrize("key", KEYS)
def test_the_seed_decides_the_text(key):
    model, window = model_of(key), 3 if key == "char3" else 8
    first = sample(model, seed=5, window=window)
    assert sample(model, seed=5, window=window) == first
    assert sample(model, seed=6, window=window) != first


def test_drawing_does_not_touch_anybody_elses_random_numbers():
    model = model_of("gru")
    before = torch.get_rng_state()
    sample(model, length=5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("key", ["gru", "char-loop"])
def test_temperature_0_takes_the_likeliest_whatever_the_seed(key):
    model = model_of(key)
    drawn = text_of(sample(model, temperature=0, seed=1))
    assert drawn == text_of(sample(model, temperature=0, seed=2)) == text_of(sample(model, top_k=1, seed=3))
    if model.stateful:
        with torch.no_grad():
            read = generate.encode_prompt("the net" + drawn, VOCABULARY, torch.device("cpu"))
            logits = model(read, None)[0][6:-1, 0, 2:]
        assert drawn == VOCABULARY.decode((logits.argmax(1) + 2).tolist())


def test_colder_is_more_conservative():
    model = model_of("gru")
    means = []
    for temperature in (1e-30, 0.3, 1.0, 3.0):
        drawn = sample(model, length=400, temperature=temperature)
        means.append(sum(character.surprise for character in drawn) / 400)
    assert means == sorted(means) and means[0] < means[-1] - 0.3


@given(st.integers(0, 1000), st.integers(0, 20), st.floats(0, 50), st.integers(1, 6))
def test_unknown_and_padding_are_never_drawn_and_top_k_keeps_its_word(seed, top_k, temperature, rows):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 12, generator=generator) * 3
    logits[:, :2] += 20  # the model would love to
    before = logits.clone()
    cold = temperature < generate.COLDEST
    chosen = generate.likeliest(logits) if cold else generate.choose(logits, temperature, top_k, generator)
    assert torch.equal(logits, before) and chosen.shape == (rows,) and (chosen >= 2).all()
    ranks = (logits[:, 2:] > logits.gather(1, chosen[:, None])).sum(1)
    if cold:
        assert (ranks == 0).all()
    elif top_k:
        assert (ranks < top_k).all()


def test_a_draw_follows_the_models_probabilities():
    generator = torch.Generator().manual_seed(0)
    logits = torch.tensor([[9.0, 9.0, 1.0, 2.0, 3.0]]).repeat(20_000, 1)
    counts = torch.bincount(generate.choose(logits, 2.0, 0, generator), minlength=5) / 20_000
    torch.testing.assert_close(counts[2:], (logits[0, 2:] / 2).softmax(0), rtol=0, atol=0.02)


def test_side_by_side_is_one_text_a_temperature_from_one_batch():
    model, reads = model_of("lstm"), []
    model.register_forward_pre_hook(lambda _, args: reads.append(tuple(args[0].shape)))
    warmth = [0.0, 0.5, 1.0, 1.5]
    drawn = generate.side_by_side(model, VOCABULARY, Sampling("the net", 30, seed=4), warmth)
    assert reads == [(7, 4)] + [(1, 4)] * 29
    assert [len(row) for row in drawn] == [30] * 4
    assert drawn == generate.side_by_side(model, VOCABULARY, Sampling("the net", 30, seed=4), warmth)
    assert text_of(drawn[0]) == text_of(sample(model, length=30, temperature=0))
    for row in drawn:
        for character in row:
            assert character.text in VOCABULARY.itos[2:] and character.surprise > 0
    with torch.no_grad():
        whole = generate.encode_prompt("the net" + text_of(drawn[3]), VOCABULARY, torch.device("cpu"))
        nats = -model(whole, None)[0][:, 0].log_softmax(-1)
    assert drawn[3][-1].surprise == pytest.approx(nats[-2, whole[-1, 0]].item(), abs=1e-4)


def test_alone_at_one_temperature_side_by_side_is_sample():
    model = model_of("gru")
    [row] = generate.side_by_side(model, VOCABULARY, Sampling("the net", 25, seed=2), [0.8])
    alone = sample(model, length=25, temperature=0.8, seed=2)
    assert text_of(row) == text_of(alone)
    assert [c.surprise for c in row] == pytest.approx([c.surprise for c in alone], abs=1e-6)


@pytest.mark.parametrize("prompt", ["", "THE NET", "日本 ¿", "\n\t"])
def test_any_prompt_will_do(prompt):
    assert len(sample(model_of("gru"), prompt, 5)) == 5
    assert len(sample(model_of("char-loop"), prompt, 5)) == 5


def test_no_length_is_no_text():
    assert sample(model_of("gru"), length=0) == []
    assert generate.side_by_side(model_of("gru"), VOCABULARY, Sampling("a", 0), [0.5, 1.0]) == [[], []]


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_an_impossible_temperature_gives_a_sentence(temperature):
    with pytest.raises(SettingsError, match="temperature"):
        sample(model_of("gru"), temperature=temperature)
    with pytest.raises(SettingsError, match="temperature"):
        generate.side_by_side(model_of("gru"), VOCABULARY, Sampling("a", 3), [0.5, temperature])


def test_text_streams_one_character_at_a_time():
    model, reads = model_of("gru"), []
    model.register_forward_pre_hook(lambda _, args: reads.append(1))
    list(islice(generate.sample(model, VOCABULARY, Sampling("the net", 1000)), 3))
    assert len(reads) == 3


def test_surprise_at_a_given_text_is_the_models_own():
    model = model_of("gru")
    text = "the net is"
    found = generate.surprises(model, VOCABULARY, text)
    assert text_of(found) == text and found[0].surprise == 0
    with torch.no_grad():
        nats = -model(generate.encode_prompt(text, VOCABULARY, torch.device("cpu")), None)[0][:, 0].log_softmax(-1)
    for place in range(1, len(text)):
        assert found[place].surprise == pytest.approx(nats[place - 1, VOCABULARY.stoi[text[place]]].item(), abs=1e-5)
