"""Callbacks, and the cycles of a run, on the training pages."""

from explorer.jobs import queue
from tests.pages.conftest import open_page, texts, wait

SMALL = {"model": "gru", "hidden": "16", "n_fac": "8", "epochs": "1", "schedule": "cosine", "bptt": "64"}


def _loop(page: str, **query: str):
    at = open_page(page, **query)
    at.session_state[f"{page}.behind"] = "The training loop"
    at.run()
    assert not at.exception and not at.error
    return at


def test_callbacks_are_explained_run_and_their_cycles_shown() -> None:
    at = _loop("char_rnn", model="lstm")
    assert "hooks" in texts(at) and any("on_cycle_end=on_end" in code.value for code in at.code)
    assert [str(o) for o in at.button_group(key="char_rnn.cycle.recorded-lstm.4").options][-1].endswith("cyc_3")
    at.session_state["char_rnn.fold.callbacks"] = True
    at.run()
    diary = next(code.value for code in at.code if code.value.startswith("on_train_begin"))
    assert "cyc_0" in diary and "cyc_1" in diary and diary.splitlines()[-1] == "on_train_end"


def test_a_run_of_ones_own_keeps_its_weights_at_the_cycles_end(few_pages) -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended, 120)
    at.session_state["char_rnn.behind"] = "The training loop"
    at.run()
    assert any(button.label == "The weights, cyc_0" for button in at.get("download_button"))


def test_without_cycles_it_says_how_to_have_some() -> None:
    assert "has no cycles" in texts(_loop("char_rnn", model="gru"))
