"""Links that ask for what is not there, not theirs, or not to be had: one sentence, and the page as without them."""

import secrets
import shutil
import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import paths
from explorer.errors import DataError
from explorer.experiment import SETTINGS, Experiment
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.runs import allowed
from explorer.store.history import COLUMNS, EpochRow
from explorer.store.store import Run, Store
from explorer.store.words import Kind
from explorer.ui import links
from tests.pages.conftest import numbers, open_page, texts, told, wait

OWN = "my secret diary begins with a fox that nobody may know of.\n" * 60
SMALL = {"model": "gru", "hidden": "16", "n_fac": "8", "epochs": "1", "schedule": "constant"}


def a_job(kind: str, experiment: Experiment | None = None) -> str:
    """The id of a job that did nothing."""
    owner = secrets.token_hex(4)
    return queue.registry().submit(Job(kind, "a job", lambda job: None, owner, experiment)).id


def a_stored_run(run: str, experiment: Experiment, owner: str = "somebody") -> str:
    store, now = Store(), time.time()
    store.begin(Run(run, owner, "train", "GRU", experiment, "done", "", "cpu", "a text", now, now))
    store.append(run, np.ones((3, len(COLUMNS))), [EpochRow(1, 3, 2.0, 2.0, 0.4, 1.0, "what it wrote: a fox")])
    return run


def begins(at: AppTest) -> str:
    """How the page's text begins."""
    at.session_state["char_rnn.fold.begins"] = True
    at.run()
    return "".join(text.value for text in at.text)


def recorded(at: AppTest) -> bool:
    """Whether the page shows what ships, as it does without a link."""
    return "Recorded on the real data" in texts(at) and len(numbers(at)) >= 4


def test_a_run_that_a_page_cannot_show_is_one_sentence_and_the_session_goes_on() -> None:
    vision, language = Experiment.of("convnet"), Experiment.of("gru")
    wrong = {
        "char_rnn": [
            a_job("race"),
            a_job("lr-find"),
            a_job("own-classes"),
            a_job("train", vision),
            a_stored_run("aaaa0001", vision),
        ],
        "cifar10": [a_job("race"), a_job("train", language), a_stored_run("aaaa0002", language)],
        "batchnorm": [a_job("train", language), a_job("lr-find"), "aaaa0001"],
    }
    for page, runs in wrong.items():
        at = open_page(page, run=runs[0])
        for run in runs:
            at.query_params["run"] = run
            at.run()
            assert not at.exception, (page, run, at.exception)
            assert page == "batchnorm" or recorded(at), (page, run)
        assert len(at.session_state["session"].told) == 1, "said once, and once only"
        at.query_params.clear()
        at.run()
        assert not at.exception


@pytest.mark.parametrize(
    "word", ["0" * 8, "a" * 300, "../../x", "²", "A-B", "\x00", "%2e%2e", "![x](http://evil/x.png)"]
)
def test_a_run_that_is_no_run_is_one_sentence(word) -> None:
    at = open_page("char_rnn", run=word)
    assert told(at) == ["From the link: There is no such run on this server. Ignored."] and recorded(at)
    at.run()
    assert not at.toast and not at.exception


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "relative"])
def test_no_link_loads_weights_from_outside_the_store(tmp_path, inside) -> None:
    outside = Store().folder.parent / "elsewhere" if inside else tmp_path
    outside.mkdir(exist_ok=True)
    shutil.copy(paths.WEIGHTS / "char3.safetensors", outside / "final.safetensors")
    at = open_page("char_rnn", run="../elsewhere" if inside else str(tmp_path))
    assert told(at) and "the run in the link" not in str(at.markdown) + texts(at) + str(at.main)
    shutil.rmtree(outside)


def test_many_mistakes_are_one_notice_in_plain_words() -> None:
    evil = "![x](http://evil/x.png)[Click](http://evil) :red[red]"
    at = open_page("char_rnn", **dict.fromkeys([*SETTINGS, "model", "hide"], evil))
    assert at.session_state["char_rnn"].experiment == Experiment.of("gru")
    said = [toast.value for toast in at.toast]
    assert len(said) <= 2 and any("more" in words for words in said), "one of the settings, one of what to hide"
    assert not any("](" in words or ":red[" in words or "http:" in words for words in said)
    assert all(len(words) < 1500 for words in said)


NASTY = {
    "char_rnn": [
        {"model": "bn", "data": "war-and-peace"},
        {"data": f"own-{'0' * 16}-{'1' * 12}"},
        {"seed": "²", "lr": "nan"},
        {"hide": "lr,,nothing," * 50},
        {"bptt": "9" * 5000, "epochs": "1e999", "run": "/"},
        {"run": "\x00", "lr": "\0"},
    ],
    "cifar10": [{"model": "gru", "widths": ",,,"}, {"data": "own-1", "images": "²"}, {"widths": "9999,9999,9999"}],
    "lr_finder": [
        {"models": "simplenet,convnet,convnet2,bn,deep-bn,resnet"},
        {"models": "gru,gru,gpt"},
        {"models": ",", "hide": ","},
    ],
    "batchnorm": [
        {"images": "²"},
        {"images": "-1", "race": "nothing"},
        {"show": "nothing", "start": "²"},
        {"images": "9" * 5000},
    ],
    "home": [{"run": "../x", "hide": "lr", "model": "²"}],
    "runs": [{"run": "../x", "whose": "²"}],
    "cam": [{"run": "../x", "images": "²", "model": "gpt"}],
}


@pytest.mark.parametrize("page", NASTY)
def test_no_link_brings_a_page_down(page) -> None:
    for query in NASTY[page]:
        at = open_page(page, **query)
        assert len(at.toast) <= 2
        at.run()
        assert not at.exception, at.exception


def test_a_text_of_ones_own_and_what_learnt_from_it_are_for_its_owner_alone() -> None:
    mine = open_page("char_rnn", **SMALL)
    mine.session_state["char_rnn.fold.own"] = True
    mine.run()
    mine.text_area[0].set_value(OWN).run()
    next(button for button in mine.button if button.label == "Use this text").click().run()
    data = mine.session_state["char_rnn"].experiment.data
    owner = mine.session_state["session"].owner
    assert data.startswith("own-") and owner not in data and "nobody may know" in begins(mine)
    run = a_stored_run("fade0003", mine.session_state["char_rnn"].experiment, owner)
    live = queue.registry().submit(
        Job(Kind.TRAIN, "GRU", lambda job: None, owner, mine.session_state["char_rnn"].experiment)
    )

    mine.switch_page("pages/lr_finder.py").run()
    mine.multiselect(key="lr_finder.models").set_value(["gru"]).run()
    next(button for button in mine.button if button.label == "Sweep").click().run()
    sweep = queue.registry().all()[-1]
    wait(mine, lambda: sweep.ended)

    other = open_page("char_rnn", data=data)
    assert "another visitor's own" in told(other)[0] and "nobody may know" not in begins(other)
    assert other.session_state["char_rnn"].experiment.data == "auto"
    # One's own run of it, as an earlier version let a sweep begin, opens nothing either.
    taken = a_stored_run("fade0004", mine.session_state["char_rnn"].experiment, other.session_state["session"].owner)
    with pytest.raises(DataError, match="another visitor's own"):
        allowed.ask(mine.session_state["char_rnn"].experiment, other.session_state["session"].owner)
    for asked in (run, live.id, taken):
        other = open_page("char_rnn", run=asked)
        assert "another visitor's own text" in told(other)[0] and recorded(other), asked
        assert "what it wrote: a fox" not in "".join(html.value for html in other.get("html"))
    other.switch_page("pages/runs.py").run()
    other.button_group(key="runs.whose").set_value("everybody's").run()
    theirs, listed = texts(other), str([frame.value.to_dict() for frame in other.dataframe])
    assert not [word for word in (run[:4], sweep.id[:4], data) if word in theirs or word in listed]

    mine.switch_page("pages/runs.py").run()
    listed = str([frame.value.to_dict() for frame in mine.dataframe])
    assert f"GRU {run[:4]}" in listed and f"GRU {sweep.id[:4]}" in listed
    for made in (run, taken, sweep.id):
        Store().delete(made)


def test_what_a_link_hides_stays_hidden_on_the_next_pages() -> None:
    at = open_page("char_rnn", hide="bptt,seed")
    at.query_params.clear()  # as the browser does with the address of another page
    at.switch_page("pages/cifar10.py").run()
    assert not at.exception
    assert not any(number.label == "Seed" for number in at.number_input)
    assert at.query_params["hide"] == "bptt,seed"
    at.query_params["hide"] = ""
    at.run()
    assert any(number.label == "Seed" for number in at.number_input)


def test_a_bare_address_stays_bare_while_there_is_nothing_to_say() -> None:
    at = open_page("char_rnn")
    assert "model" not in at.query_params
    next(slider for slider in at.select_slider if slider.label.startswith("bptt")).set_value(16).run()
    assert at.query_params["bptt"] == "16"
    next(slider for slider in at.select_slider if slider.label.startswith("bptt")).set_value(8).run()
    assert "bptt" not in at.query_params


def test_a_second_link_to_the_same_page_is_followed() -> None:
    at = open_page("char_rnn", model="lstm")
    for model in ("gru", "char3"):
        at.switch_page("pages/home.py").run()
        at.session_state["home"].go_to(f"char_rnn?model={model}")
        at.run()
        assert not at.exception
        assert at.session_state["char_rnn"].experiment.model == model
    at.switch_page("pages/home.py").run()
    at.switch_page("pages/char_rnn.py").run()
    assert at.session_state["char_rnn"].experiment.model == "char3", "the menu leads back to what one left"


def test_a_browser_that_has_not_heard_of_the_new_address_yet_brings_no_run_back(monkeypatch) -> None:
    """A click, or a timer's turn, says the address that the browser has; after a while it is a link like any other."""
    before, after = (a_stored_run(run, Experiment.of("gru", hidden=16)) for run in ("fade0005", "fade0006"))
    at = open_page("char_rnn", run=before)
    at.query_params["run"] = after
    at.run()
    for later, shown in ((False, after), (True, before)):
        if later:
            monkeypatch.setattr(links, "ECHO", 0.0)
        at.query_params["run"] = before
        at.run()
        assert not at.exception and at.query_params["run"] == shown
    for run in (before, after):
        Store().delete(run)
