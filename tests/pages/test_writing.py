"""Let it write: whose text stands there, as of which step, and that it stays."""

import re

import pytest

from explorer.jobs import queue
from explorer.jobs.courtesy import COURTESY
from explorer.models import generate
from explorer.store.words import State
from explorer.ui import app
from explorer.ui.char_rnn import lecture_text, writing
from tests.pages.conftest import open_page, texts, wait

pytestmark = pytest.mark.data
SMALL = {"model": "gru", "hidden": "16", "n_fac": "8", "epochs": "50", "schedule": "constant"}


def written(at) -> list[str]:
    """The texts on the page that go on from the prompt, as HTML."""
    bodies = [element.proto.body for element in at.get("html")]
    return [body for body in bodies if body.startswith('<div class="written"><span class="prompt">for thos')]


def bare(bodies: list[str]) -> list[str]:
    """Without their colours."""
    return [re.sub(r"<span style=[^>]*>|</span>|<span class=.prompt.>", "", body) for body in bodies]


def surprise(at) -> None:
    next(toggle for toggle in at.toggle if toggle.key == "char_rnn.surprise").set_value(True).run()


def test_four_temperatures_stay_when_they_are_coloured() -> None:
    at = open_page("char_rnn")
    assert len(written(at)) == 1
    at.button(key="char_rnn.several").click().run()
    four = written(at)
    assert len(four) == 4 and len({*four}) == 4
    surprise(at)
    assert all("background" in body for body in written(at))
    assert bare(written(at)) == bare(four)


def test_a_text_of_a_run_says_the_step_it_was_written_at_and_stays_while_the_run_goes_on() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().find(at.session_state["char_rnn"].job)
    wait(at, lambda: len(job.history.snapshot()) > 20)
    at.button(key="char_rnn.several").click().run()
    assert not at.exception and not at.error
    step = int(re.search(r"this run, step ([\d,]+)", texts(at)).group(1).replace(",", ""))
    assert 20 < step <= job.history.snapshot()["step"][-1] + 200
    four = written(at)
    wait(at, lambda: job.history.snapshot()["step"][-1] > step + 20)
    surprise(at)
    assert f"this run, step {step:,}" in texts(at)
    assert bare(written(at)) == bare(four)


def test_a_run_at_work_lends_a_copy_of_its_weights_and_one_that_holds_too() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.step").click().run()
    job = queue.registry().find(at.session_state["char_rnn"].job)
    wait(at, lambda: job.state == State.PAUSED)
    assert vars(job.result).keys() == {"vocabulary"}, "nobody gets at what is being trained"
    author = writing._from_run(job)
    assert author.name == "this run, step 1"
    before = {name: tensor.clone() for name, tensor in author.model.state_dict().items()}
    job.resume(steps=5)
    wait(at, lambda: job.history.snapshot()["step"][-1] == 6)
    later = writing._from_run(job)
    assert later.name == "this run, step 6"
    assert all((tensor == before[name]).all() for name, tensor in author.model.state_dict().items())
    assert any((tensor != before[name]).any() for name, tensor in later.model.state_dict().items())


def test_the_lectures_text_is_judged_once_and_ahead_of_what_trains(monkeypatch) -> None:
    asked: list[tuple[str, bool]] = []
    for name in ("sample", "surprises"):
        real = getattr(generate, name)
        monkeypatch.setattr(generate, name, lambda *a, n=name, f=real: asked.append((n, COURTESY.asked)) or f(*a))
    for cached in (lecture_text._judged, lecture_text._ours, writing._by_itself):
        cached.clear()
    at = open_page("char_rnn", model="stateful", show="notes")
    first = sorted(asked)
    assert first == [("sample", True), ("sample", True), ("surprises", True)], "one of them is the page's own text"
    at.run()
    assert sorted(asked) == first
    at.number_input(key="char_rnn.lecture_seed").set_value(7).run()
    assert sorted(asked) == [first[0], *first] and not at.exception


def test_after_a_restart_the_run_in_the_link_writes_and_not_what_ships() -> None:
    at = open_page("char_rnn", **SMALL)
    at.button(key="char_rnn.train").click().run()
    job = queue.registry().find(at.session_state["char_rnn"].job)
    wait(at, lambda: len(job.history.snapshot()) > 5)
    job.stop()
    wait(at, lambda: job.ended)
    assert app.store().weights(job.id).exists()
    at.button(key="char_rnn.write").click().run()
    assert "this run's last weights" in texts(at)
    of_the_run = written(at)[-1]

    queue.registry()._jobs.pop(job.id)  # the server forgets it
    later = open_page("char_rnn", **SMALL, run=job.id)
    assert "Read back from this server's disk" in texts(later)
    assert "this run's last weights" in texts(later) and "the shipped weights" not in texts(later)
    assert written(later)[-1] == of_the_run

    app.store().weights(job.id).unlink()
    app.store().weights(job.id, "best").unlink(missing_ok=True)
    later.run()
    assert "This run left no weights behind" in texts(later) and not written(later)
