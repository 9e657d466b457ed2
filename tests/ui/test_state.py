"""What a session remembers of its pages."""

import pytest
from streamlit.testing.v1 import AppTest

from explorer.experiment import Experiment
from explorer.ladders import Page
from explorer.paths import REPOSITORY
from explorer.ui import state


@pytest.fixture
def session(monkeypatch) -> dict:
    """A session of its own."""
    kept: dict = {}
    monkeypatch.setattr(state.st, "session_state", kept)
    return kept


def test_every_page_has_a_file_of_its_name() -> None:
    files = {f"pages/{path.name}" for path in (REPOSITORY / "pages").glob("*.py")}
    assert {page.script for page in Page} == files - {"pages/desk.py"}  # the teacher's is in nobody's menu


def test_a_place_is_one_object_under_one_key_whoever_asks_first(session) -> None:
    by_name = state.place("cifar10")
    by_name.job = "abcd1234"
    assert state.cifar10() is state.training("cifar10") is by_name and session == {"cifar10": by_name}
    assert state.char_rnn() is not by_name and state.char_rnn().job is None
    assert state.place("batchnorm.map") is not state.place("batchnorm.evaluation")


def test_a_race_is_started_from_another_page(session, monkeypatch) -> None:
    went = []
    monkeypatch.setattr(state.st, "switch_page", lambda script, query_params: went.append((script, query_params)))
    assert not state.race().start
    state.start_race("ten-times", "rate")
    assert state.race().start and state.place(state.RACE) is state.race()
    assert went == [("pages/batchnorm.py", {"race": "ten-times", "claim": "rate"})]


def test_a_widgets_key_begins_with_its_place_and_its_value_is_read_by_the_same_word(session) -> None:
    here = state.training(Page.CHAR_RNN)
    assert here.key("train") == "char_rnn.train" and here.key("lr", "gru", 3) == "char_rnn.lr.gru.3"
    assert here.value("log", False) is False
    here.set("log", True)
    assert here.value("log", False) is True and session["char_rnn.log"] is True


def test_an_experiment_set_from_outside_gets_widgets_of_its_own(session) -> None:
    here, gru = state.training("char_rnn"), Experiment.of("gru")
    here.job = "before"
    state.show("char_rnn", gru)
    assert (here.experiment, here.generation, here.job) == (gru, 1, None)


def two_pages() -> None:
    """A page from which a button leads to an experiment."""
    import streamlit as st

    from explorer.experiment import Experiment
    from explorer.ladders import Page
    from explorer.ui import state

    def here() -> None:
        state.open("cifar10", Experiment.of("bn", lr=0.02), "abcd1234")

    def there() -> None:
        found = state.cifar10()
        st.caption(f"{found.experiment.model} {found.experiment.lr} {found.job} {dict(st.query_params)}")

    Page.script = property(lambda page: st.Page(there, url_path="there"))
    st.navigation([st.Page(here, default=True), st.Page(there, url_path="there")]).run()


def test_opening_an_experiment_sets_its_page_its_run_and_the_address(monkeypatch) -> None:
    monkeypatch.setattr(Page, "script", Page.script)  # put back afterwards
    at = AppTest.from_function(two_pages).run()
    assert not at.exception, at.exception
    assert at.caption[0].value == "bn 0.02 abcd1234 {'model': 'bn', 'lr': '0.02', 'run': 'abcd1234'}"
