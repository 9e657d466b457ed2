"""The text: the lecture's preparation to the token, the streams, and whatever a visitor may bring."""

import lzma
import os
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from explorer.data import Source
from explorer.data import text as corpus
from explorer.data.text import TextData, decode, keep_own, load, prepare
from explorer.data.vocabulary import Vocabulary, counted
from explorer.errors import DataError
from explorer.experiment import Experiment
from explorer.training.prepare import pictures_for

CPU = torch.device("cpu")
SOURCE = Source("Test", "standin", "")


@pytest.fixture(scope="module")
def nietzsche(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("EXPLORER_DATA", raising=False)
        return load("auto")


def batches(learner_data, seed=0):
    return list(learner_data.train_batches(torch.Generator().manual_seed(seed)))


# -- the lecture's text ----------------------------------------------------------------------------


def test_the_lectures_counts(nietzsche):
    assert len(nietzsche.vocabulary) == 55 and len(nietzsche.train) == 482_972
    assert nietzsche.source.kind == "real" and nietzsche.source.checksum == corpus.MD5 and not nietzsche.source.notice
    raw = lzma.decompress(corpus.SHIPPED.read_bytes())
    assert len(raw) == corpus.BYTES and len(raw.decode()) == corpus.CHARACTERS


def test_the_vocabulary_is_in_the_lectures_order(nietzsche):
    """By frequency; the notes print it as a dictionary that ends with ä (in another encoding) at 54."""
    itos = nietzsche.vocabulary.itos
    assert itos[:12] == ("<unk>", "<pad>", " ", "e", "t", "i", "a", "o", "n", "s", "r", "h")
    assert itos[54] == "ä"
    counts = np.bincount(nietzsche.train, minlength=55)
    assert (np.diff(counts[2:]) <= 0).all() and counts[2:].min() >= 3
    ties = [(counts[i], itos[i]) for i in range(2, 55)]
    assert ties == sorted(ties, key=lambda pair: (-pair[0], pair[1]))


def test_one_eos_ends_each_split_and_the_newlines_are_gone(nietzsche):
    for part in (nietzsche.train, nietzsche.valid):
        assert part[-1] == 0
    assert "\n" not in nietzsche.vocabulary.itos
    text = nietzsche.vocabulary.decode(nietzsche.train.tolist())
    assert text.startswith("prefacesupposing that truth is a woman")
    assert np.count_nonzero(nietzsche.train == 0) == 5  # <eos>, æ, ë, é twice
    assert len(load("auto", newlines=True).vocabulary) == 56


def test_the_loaders_jitter_is_the_lectures(nietzsche):
    data = TextData(nietzsche, Experiment.of("gru"), CPU)
    assert data.steps_per_epoch == 942
    lengths = np.concatenate([[len(batch.x) for batch in batches(data, seed)] for seed in range(6)])
    an_epoch = len(lengths) / 6
    assert 880 < an_epoch < 925
    assert lengths.mean() == pytest.approx(8.39, abs=0.1)
    assert 0.33 < (lengths[lengths > 0] == 5).mean() < 0.39 and np.sort(lengths)[12] == 5 and lengths.max() < 40
    steady = batches(TextData(nietzsche, Experiment.of("gru", jitter=False), CPU))
    assert {len(batch.x) for batch in steady[:-1]} == {8} and len(steady) == 944


# -- streams and windows ---------------------------------------------------------------------------


def numbered(length, key, **settings):
    """A corpus whose tokens are its places, so that order can be read off a batch."""
    tokens = np.arange(length)
    made = corpus.Corpus(tokens, tokens, Vocabulary(("<unk>", "<pad>", *"abcd")), SOURCE)
    return TextData(made, Experiment.of(key, **settings), CPU)


@given(st.integers(200, 4000), st.integers(1, 64), st.integers(2, 40), st.booleans(), st.integers(0, 9))
def test_each_stream_runs_on_from_batch_to_batch_and_none_is_ever_dropped(length, width, bptt, jitter, seed):
    assume(length // width // bptt >= 2)
    data = numbered(length, "gru", batch_size=width, bptt=bptt, jitter=jitter)
    got = batches(data, seed)
    assert {batch.x.size(1) for batch in got} == {width}, "the last batch is shorter, never narrower"
    whole = torch.cat([batch.x for batch in got])
    assert len(whole) == length // width - 1, "every character but the last of each stream is read"
    assert (whole[1:] == whole[:-1] + 1).all(), "each column goes on where the batch before left it"
    assert (whole[0] == torch.arange(width) * (length // width)).all()
    assert all((batch.y == batch.x + 1).all() for batch in got), "the target is the next character"
    starts = [batch.start for batch in got]
    assert starts[0] == 0 and starts == sorted(starts) and starts[-1] < 1
    if jitter:
        assert all(len(batch.x) >= min(5, bptt) for batch in got[:-1])
    else:
        assert {len(batch.x) for batch in got[:-1]} <= {bptt}


@given(st.integers(100, 3000), st.integers(1, 300), st.integers(2, 20))
def test_windows_follow_each_other_and_predict_the_character_after(length, batch_size, window):
    assume(length > window + 1)
    data = numbered(length, "char-seq", batch_size=batch_size, window=window)
    got = batches(data)
    assert len(got) == data.steps_per_epoch
    whole = torch.cat([batch.x for batch in got], 1)
    assert all((batch.x[1:] == batch.y[:-1]).all() and (batch.y[-1] == batch.x[-1] + 1).all() for batch in got)
    first = whole[0].sort().values
    assert (first == torch.arange(0, length - window, window)).all(), "every window, once"
    assert (whole[1:] == whole[:-1] + 1).all()


@pytest.mark.parametrize(("key", "stride"), [("char3", 3), ("char-loop", 1), ("char-rnn", 1)])
def test_the_rungs_that_predict_one_character_get_one(key, stride):
    data = numbered(400, key, batch_size=64)
    got = batches(data)
    size = 3 if key == "char3" else 8
    assert all(batch.x.size(0) == size and (batch.y == batch.x[-1] + 1).all() for batch in got)
    first = torch.cat([batch.x[0] for batch in got])
    assert (first.sort().values == torch.arange(0, 400 - size, stride)).all()
    assert not (first.sort().values == first).all(), "in random order"
    again, other = batches(data), batches(data, seed=1)
    assert torch.equal(got[0].x, again[0].x) and not torch.equal(got[0].x, other[0].x)


@pytest.mark.parametrize("key", ["gru", "char-seq", "char-rnn", "char3"])
def test_validation_reads_everything_in_the_same_order_each_time(key):
    data = numbered(1000, key, batch_size=4)
    first, second = list(data.valid_batches()), list(data.valid_batches())
    assert all(torch.equal(a.x, b.x) and torch.equal(a.y, b.y) for a, b in zip(first, second, strict=True))
    seen = torch.cat([batch.y.flatten() for batch in first]).unique()
    assert len(seen) > {"gru": 990, "char-seq": 990, "char-rnn": 990, "char3": 330}[key]


@pytest.mark.parametrize(
    ("key", "settings", "words"),
    [
        ("gru", {"batch_size": 2048}, "batch size"),
        ("gru", {"batch_size": 64, "bptt": 256}, "bptt"),
        ("char-seq", {"window": 64}, "short"),
    ],
)
def test_a_text_too_short_for_the_settings_says_which_to_change(key, settings, words):
    length = 60 if key == "char-seq" else 1500
    with pytest.raises(DataError, match=words):
        numbered(length, key, **settings)


def test_lines_so_uneven_that_hardly_any_are_left_to_learn_from():
    made = prepare("abcdabcdabcd" + "\n" * 21 + "and all the rest in the last fifth of the lines " * 60, SOURCE)
    for key in ("gru", "char-loop", "char-seq"):
        with pytest.raises(DataError, match="short"):
            TextData(made, Experiment.of(key, **({"window": 32} if key != "gru" else {})), CPU)


# -- texts of one's own ----------------------------------------------------------------------------

SHIPPED = corpus.SHIPPED.read_bytes()
PROSE = "It was the best of times, it was the worst of times.\nIt was the age of wisdom.\n" * 60


@pytest.mark.parametrize(
    "raw",
    [
        PROSE.encode(),
        b"\xef\xbb\xbf" + PROSE.encode(),
        PROSE.encode("utf-16"),
        b"\xfe\xff" + PROSE.encode("utf-16-be"),
        PROSE.replace("\n", "\r\n").encode(),
        PROSE.replace("\n", " ").encode(),
    ],
    ids=["UTF-8", "UTF-8 with mark", "UTF-16", "UTF-16 big-endian", "Windows line ends", "no line breaks"],
)
def test_a_text_of_ones_own_is_kept_and_found_again(raw, home):
    name = keep_own(raw, "ann")
    assert name == keep_own(raw, "ann"), "the same text twice is one text"
    loaded = load(name)
    assert loaded.source.kind == "yours" and len(loaded.train) > 3 * len(loaded.valid) > 0
    assert loaded.vocabulary.decode(loaded.train[:20].tolist()) == "it was the best of t"
    assert [p.suffix for p in (home / "texts").rglob("*") if p.is_file()] == [".txt"]
    learner_data = TextData(loaded, Experiment.of("gru", batch_size=8), CPU)
    assert batches(learner_data)


def test_latin_1_is_read_with_its_accents(home):
    text = "Grüße aus Köln, schöne Größe, süße Äpfel überall.\n" * 100
    loaded = load(keep_own(text.encode("latin-1"), "ann"))
    assert {"ü", "ß", "ö", "ä"} <= set(loaded.vocabulary.itos) and "\ufffd" not in loaded.vocabulary.itos


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "0 bytes"),
        (b"short", "at least 2,000"),
        (b"a b c d\n" * 3_000_000, "at most 20,000,000"),
        (bytes(range(256)) * 40, "not text"),
        (np.random.default_rng(0).bytes(50_000), "not text"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00\x01\x02" * 2000, "not text"),
        (b"a" * 5000, "four symbols"),
        (b"a\n" * 5000, "four symbols"),
        (b"\n" * 5000, "four symbols"),
        (PROSE.encode("utf-16-le"), "not text"),
        ("".join(chr(0x4E00 + i) for i in range(1500)).encode(), "four symbols"),
    ],
    ids=[
        "empty",
        "small",
        "large",
        "binary",
        "noise",
        "picture",
        "one symbol",
        "one a line",
        "only line breaks",
        "UTF-16 without its mark",
        "no symbol thrice",
    ],
)
def test_what_cannot_be_learnt_from_gives_a_sentence_and_leaves_nothing(raw, words, home):
    with pytest.raises(DataError, match=words) as error:
        keep_own(raw, "ann")
    assert str(error.value).endswith(".") and not list(home.rglob("*.*"))


@given(
    st.binary(min_size=2000, max_size=6000)
    | st.text(min_size=2000, max_size=2500).map(lambda t: t.encode("utf-8", "replace"))
)
def test_any_bytes_give_a_text_or_a_sentence(raw):
    try:
        made = prepare(decode(raw), SOURCE)
    except DataError:
        return
    for key in ("gru", "char-loop", "char-seq", "char3"):
        try:
            next(TextData(made, Experiment.of(key, batch_size=4), CPU).train_batches(torch.Generator()))
        except DataError:
            continue


def test_a_full_disk_while_keeping_a_text_gives_a_sentence(home, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match="No space left"):
        keep_own(PROSE.encode(), "ann")
    assert not list(home.rglob("*.*"))


def test_many_visitors_may_bring_the_same_text_at_once(home):
    names, errors = [], []

    def bring():
        try:
            names.append(keep_own(PROSE.encode(), "ann"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=bring) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(set(names)) == 1


def test_a_text_is_only_its_owners_to_see_and_its_name_does_not_say_who_that_is(home):
    anns, bobs = keep_own(PROSE.encode(), "ann"), keep_own(PROSE.encode(), "bob")
    assert anns != bobs and "ann" not in anns
    assert corpus.may_see(anns, "ann") and not corpus.may_see(anns, "bob") and not corpus.may_see(anns, "")
    assert not corpus.may_see("own-0123456789ab", "ann"), "of an earlier version: nobody knows whose it was"
    assert all(corpus.may_see(data, "bob") for data in ("auto", "pydoc", "standin"))


@pytest.mark.parametrize(
    "name",
    ["own-0123456789ab", f"own-{'0' * 16}-{'1' * 12}", "own-../../secret", "own-", "war-and-peace", "../nietzsche"],
)
def test_a_text_that_is_not_here_gives_a_sentence(name, home):
    with pytest.raises(DataError, match="text"):
        load(name)


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_encoding_and_decoding_are_inverse_up_to_what_is_unknown(text):
    vocabulary = Vocabulary(("<unk>", "<pad>", *"abc ü😀"))
    tokens = vocabulary.encode(text)
    assert tokens.dtype == np.int64 and len(tokens) == len(text)
    assert vocabulary.decode(tokens.tolist()) == "".join(c if c in "abc ü😀" else "□" for c in text)


# -- found, fetched, or stood in for ------------------------------------------------------------------


def test_a_nietzsche_that_differs_is_used_and_says_how(home, monkeypatch, tmp_path):
    (tmp_path / "nietzsche.txt").write_text(PROSE)
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    loaded = load("auto")
    assert loaded.source.kind == "real" and f"{len(PROSE):,}" in loaded.source.notice
    (tmp_path / "nietzsche.txt").write_text(PROSE.upper() * 2)
    os.utime(tmp_path / "nietzsche.txt", (1, 1))
    assert f"{len(PROSE) * 2:,}" in load("auto").source.notice, "a file that was replaced is read again"


def test_the_lectures_text_ships_and_is_the_default(home):
    loaded = load("auto")
    assert (loaded.source.kind, loaded.source.checksum, loaded.source.notice) == ("real", corpus.MD5, "")
    assert len(loaded.train) == 482_972 and len(loaded.vocabulary) == 55
    assert corpus.SHIPPED.stat().st_size < 250_000


def test_a_shipped_text_that_is_damaged_is_a_sentence(home, monkeypatch, tmp_path):
    monkeypatch.setattr(corpus, "SHIPPED", tmp_path / "nietzsche.txt.xz")
    corpus._load.cache_clear()
    for content in (None, b"", b"no archive", SHIPPED[:100_000]):
        if content is not None:
            corpus.SHIPPED.write_bytes(content)
        with pytest.raises(DataError, match="missing or damaged"):
            load("auto")


def test_pythons_help_texts_are_another_text(home):
    loaded = load("pydoc")
    assert loaded.source.kind == "standin" and "help topics" in loaded.source.name and loaded.source.notice
    assert 300_000 < len(loaded.train) < 700_000 and " " in loaded.vocabulary.itos


def test_both_kinds_of_data_say_what_their_numbers_mean():
    """A text has a vocabulary and no classes, a picture set classes and no vocabulary."""
    words = TextData(load("pydoc"), Experiment.of("gru"), CPU)
    pictures = pictures_for(Experiment.of("convnet", data="standin", images=500), CPU)
    assert words.vocabulary is load("pydoc").vocabulary and words.classes == ()
    assert pictures.vocabulary is None and len(pictures.classes) == 10


@given(st.text() | st.text("ab\u20ac\ud800\U0001f600", min_size=20))
def test_characters_are_counted_as_a_counter_would_and_in_its_order(text):
    assert list(counted(text).items()) == list(Counter(text).items())
    assert all(type(count) is int for count in counted(text).values())
