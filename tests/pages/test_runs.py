"""The Runs page: what was trained is there, and can be opened again."""

import pytest

from explorer import jobs
from tests.pages.conftest import open_page, texts, wait

pytestmark = pytest.mark.data


def test_a_run_is_listed_with_its_numbers() -> None:
    at = open_page("char_rnn", model="gru", hidden="16", n_fac="8", epochs="1", schedule="constant", max_seconds="3")
    at.button(key="char_rnn.train").click().run()
    job = jobs.registry().all()[-1]
    wait(at, lambda: job.ended)
    at.switch_page("pages/runs.py").run()
    assert not at.exception
    table = at.dataframe[0].value
    assert table["model"].tolist() == ["gru"]
    assert table["state"].tolist() == ["done"]
    assert job.id in texts(at)


def test_a_run_that_is_held_reads_paused_and_what_it_has_not_measured_is_a_dash() -> None:
    at = open_page("char_rnn", model="gru", hidden="16", n_fac="8", epochs="1", schedule="constant")
    at.button(key="char_rnn.rewind").click().run()
    job = jobs.registry().all()[-1]
    wait(at, lambda: job.state == jobs.PAUSED)
    at.switch_page("pages/runs.py").run()
    assert not at.exception
    row = at.dataframe[0].value.iloc[0]
    assert row["state"] == "paused" and row["best validation loss"] != row["best validation loss"]
    assert at.dataframe[0].proto.placeholder == "–"


def test_the_scoreboard_says_who_measured_what() -> None:
    at = open_page("runs")
    board = at.dataframe[-1].value.set_index("model")
    assert board.loc["CharSeqStatefulGRU", "lecture notes"] == pytest.approx(1.42517)
    assert board.loc["CharSeqStatefulGRU", "ours, recorded"] < 1.425
