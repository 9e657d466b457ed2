"""What a link asks for: any words at all give an experiment, and a sentence for what was left out."""

import contextlib
import random
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer import ladders
from explorer.data import text
from explorer.errors import StorageError
from explorer.experiment import SETTINGS, Experiment, applies
from explorer.store.store import ID, Store
from explorer.ui import app, links, live, parts
from tests.addresses import NASTY, odd

RUNGS = [rung.key for ladder in ladders.LADDERS.values() for rung in ladder]
values = st.sampled_from(NASTY) | st.text(max_size=40) | st.floats().map(str) | st.integers().map(str)
names = st.sampled_from([*SETTINGS, "model", "run", "hide", "models", "race", "images", "show", "start"])
queries = st.dictionaries(names | st.text(string.ascii_lowercase, max_size=8), values, max_size=12)


@settings(max_examples=1500)
@given(queries, st.sampled_from(["gru", "convnet"]), st.none() | st.sampled_from(RUNGS))
def test_no_link_is_too_odd_to_be_an_experiment_of_the_page(query, default, model):
    query = query if model is None else {**query, "model": model}
    experiment, notices = links.experiment(query, default, "ann")
    assert experiment.rung.ladder == ladders.rung(default).ladder
    assert experiment.data in links.DATA[experiment.rung.ladder] or text.may_see(experiment.data, "ann")
    for name, setting in SETTINGS.items():
        assert not applies(setting, experiment.rung) or setting.check(getattr(experiment, name)) is not None
    assert all(isinstance(notice, str) and notice for notice in notices)
    again = experiment.to_query()
    assert links.experiment(again, default, "ann") == (experiment, []), "what it says is itself a link without mistakes"


@given(values, st.sampled_from(["models", "show"]), st.integers(1, 5))
def test_of_a_list_only_what_is_known_remains_each_once(words, name, most):
    picked, notices = links.picked({name: f"gru,{words},gru,{words}"}, name, RUNGS, most)
    assert set(picked) <= set(RUNGS) and len(picked) == len(set(picked)) <= most and picked[0] == "gru"
    assert len(notices) <= 2


def test_what_is_left_out_of_a_list_is_said():
    assert links.picked({"models": "gru,gpt,lstm"}, "models", RUNGS, 5)[1] == [
        "From the link: models cannot be 'gpt'. Ignored."
    ]
    assert "2 at most" in links.picked({"models": "gru,lstm,bn"}, "models", RUNGS, 2)[1][0]
    assert links.picked({}, "models", RUNGS) == ([], [])


def test_a_model_of_the_other_ladder_and_data_that_are_not_there_are_said():
    assert "another page" in links.experiment({"model": "bn"}, "gru", "ann")[1][0]
    assert "no data called" in links.experiment({"data": "war-and-peace"}, "gru", "ann")[1][0]
    assert "no data called" in links.experiment({"data": "pydoc"}, "convnet", "ann")[1][0]
    assert links.experiment({"data": "pydoc"}, "gru", "ann") == (Experiment.of("gru", data="pydoc"), [])


def test_the_text_of_another_falls_back_to_everybodys(home):
    kept = text.keep_own(("The quick brown fox jumps over the lazy dog.\n" * 60).encode(), "ann")
    assert links.experiment({"data": kept}, "gru", "ann") == (Experiment.of("gru", data=kept), [])
    experiment, notices = links.experiment({"data": kept}, "gru", "bob")
    assert experiment.data == "auto" and "another visitor's own" in notices[0]
    assert links.experiment({"data": kept}, "convnet", "ann")[0].data == "auto"


@given(values)
def test_no_id_leads_out_of_the_store(tmp_path_factory, word):
    store = Store(tmp_path_factory.getbasetemp() / "store")
    if ID.fullmatch(word):
        assert store.weights(word).parent.parent == store.folder
        return
    with pytest.raises(StorageError):
        store.weights(word)


MANY = 20_000  # addresses
PAGES = ("char_rnn", "cifar10", "batchnorm.race")


def test_no_address_is_an_error_an_outside_request_or_a_file_outside_the_store(home, monkeypatch):
    """Twenty thousand, through all that reads an address before a page is drawn."""
    own = text.keep_own(b"The quick brown fox jumps over the lazy dog. " * 60, "somebody else")
    store, rng, asked, toasts = Store(), random.Random(11), [], []
    monkeypatch.setattr(app, "store", lambda: store)
    monkeypatch.setattr(app, "owner", lambda: "ann")
    monkeypatch.setattr(store, "run", lambda run: asked.append(run))
    for number in range(MANY):
        query = odd(rng, own)
        experiment, notices = links.experiment(query, rng.choice(("gru", "convnet")), "ann")
        assert experiment.data in links.DATA[experiment.rung.ladder]
        picked = [links.picked(query, name, RUNGS, 5) for name in ("models", "hide")]
        notices += [sentence for _, sentences in picked for sentence in sentences]
        if "run" in query:
            words = live._hindrance(PAGES[number % 3], query["run"])
            assert words == "There is no such run on this server."
            with contextlib.suppress(StorageError):
                assert store.weights(query["run"]).parent.parent == store.folder
        toasts.append(parts.escape(" ".join(links._short(sentence) for sentence in notices)))
    assert asked and all(ID.fullmatch(run) for run in asked), "nothing else reaches the store"
    for toast in toasts:
        # Whatever Markdown would make something of stands behind a backslash: no picture, link, colour or formula.
        plain = re.sub(r"\\[\W_]", "", toast)
        assert not re.search(r"[\[\]<>`$*_~#|]|://|:\w+\[", plain), toast
