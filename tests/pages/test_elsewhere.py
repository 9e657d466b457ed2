"""Pages whose runs train on workers outside the server: the same tests as where they train inside."""

import pytest

from explorer.jobs import queue
from tests.jobs.wiring import wired
from tests.pages import test_batchnorm, test_char_rnn, test_lr_finder, test_writing

SAME = [
    test_char_rnn.test_a_run_trains_in_the_background_takes_a_new_rate_and_stops,
    test_char_rnn.test_one_step_is_one_step_and_rewind_gives_the_same_weights,
    test_char_rnn.test_two_visitors_have_runs_of_their_own,
    test_writing.test_a_run_at_work_lends_a_copy_of_its_weights_and_one_that_holds_too,
    test_lr_finder.test_sweep_and_take_the_suggestion_to_the_training_page,
    test_batchnorm.test_the_visitors_own_networks_race_and_one_breaks,
    test_batchnorm.test_the_map_fills_and_stops,
]


@pytest.fixture
def elsewhere(monkeypatch, no_runs_left):
    made = wired(workers=1)
    monkeypatch.setattr(queue, "_registry", made)
    yield
    made.close()


@pytest.mark.parametrize("same", SAME, ids=lambda test: test.__name__.removeprefix("test_"))
def test_as_in_the_servers_own_process(same, elsewhere) -> None:
    same()
