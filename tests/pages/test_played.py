"""The weights a training page plays: through a run's cycles, at work, ended, read back, and opened by a link."""

import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.models import generate
from explorer.models.sampling import Sampling
from explorer.store.store import Which, cycle
from explorer.store.words import State
from explorer.training import checkpoint
from explorer.training.evaluate import of_file
from explorer.ui import app
from tests.pages.conftest import open_page, texts, wait
from tests.pages.test_writing import bare, written

CYCLES = {"epochs": "3", "lead_epochs": "0", "schedule": "cosine", "cycle_len": "1", "cycle_mult": "1"}
LANGUAGE = {"model": "gru", "hidden": "16", "n_fac": "8", "bptt": "64", "batch_size": "32", "lr": "0.02"} | CYCLES
VISION = {"model": "convnet", "widths": "8,16", "images": "1000", "batch_size": "64"} | CYCLES


def trained(page: str, press: str = "train", **query: str) -> tuple[AppTest, Job]:
    at = open_page(page, **query)
    at.button(key=f"{page}.{press}").click().run()
    job = queue.registry().find(at.session_state[page].job)
    wait(at, lambda: job.ended or job.state == State.PAUSED, 120)
    return at, job


def slider(at: AppTest):
    found = [widget for widget in at.select_slider if widget.label == "Weights after cycle"]
    return found[0] if found else None


def writes(path) -> str:
    """What the weights of a file write when they are asked as the page asks."""
    model, story = checkpoint.load(path, torch.device("cpu"))
    asked = Sampling("for thos", 400, 0.8)
    return "".join(c.text for c in generate.sample(model, story.vocabulary, asked, story.experiment.window))


def forget(job: Job) -> None:
    queue.registry()._jobs.pop(job.id)


@pytest.mark.data
def test_a_language_runs_samples_and_activations_follow_the_slider_through_its_cycles(few_pages) -> None:
    at, job = trained("char_rnn", **LANGUAGE)
    assert job.state == State.DONE, job.message
    assert slider(at).options == ["cyc_0 · epoch 1", "cyc_1 · epoch 2", "cyc_2 · epoch 3", "the last"]
    assert slider(at).value == "latest" and "cycle" not in at.query_params
    for number in (0, 1):
        slider(at).set_value(number).run()
        assert not at.exception and not at.error
        assert at.query_params["cycle"] == str(number)
        assert f"this run's weights after cycle {number}" in texts(at)
        here = at.session_state["char_rnn"].written
        (text,) = here.texts.values()
        assert "".join(c.text for c in text) == writes(app.store().weights(job.id, cycle(number)))
    at.session_state["char_rnn.behind"] = "Its activations"
    at.run()
    assert "This run's weights after cycle 1, reading" in texts(at).replace("\\", "")
    table = next(frame.value for frame in at.dataframe if "near zero" in frame.value)
    at.session_state[slider(at).key] = 0
    at.run()
    other = next(frame.value for frame in at.dataframe if "near zero" in frame.value)
    assert list(table["layer"]) == ["rnn", "l_out"] and not table["spread"].equals(other["spread"])
    slider(at).set_value("latest").run()
    assert "this run's last weights" in texts(at) and "cycle" not in at.query_params
    (text,) = at.session_state["char_rnn"].written.texts.values()
    assert "".join(c.text for c in text) == writes(app.store().weights(job.id, Which.FINAL))


@pytest.mark.data
def test_what_a_vision_run_gets_wrong_follows_the_slider_and_another_finds_it_by_the_link() -> None:
    at, job = trained("cifar10", **VISION)
    assert job.state == State.DONE, job.message
    assert slider(at).options[-1] == "the best"
    said = []
    for number in (0, 2):
        slider(at).set_value(number).run()
        assert not at.exception and not at.error
        found = of_file(app.store().weights(job.id, cycle(number)))
        said.append(f"From this run's weights after cycle {number}: {found.accuracy:.2%} of 10,000")
        wait(at, lambda: said[-1] in texts(at))  # a busy machine asks about the pictures in shares
    forget(job)
    later = open_page("cifar10", **VISION, run=job.id, cycle="0")
    assert later.session_state["session"].owner != at.session_state["session"].owner
    wait(later, lambda: said[0] in texts(later))
    assert slider(later).value == 0 and later.query_params["cycle"] == "0"
    later.session_state["cifar10.behind"] = "Its activations"
    later.run()
    assert "This run's weights after cycle 0, looking at" in texts(later).replace("\\", "")


@pytest.mark.data
def test_a_run_at_work_has_the_slider_from_its_second_cycle_on_and_now_is_its_last_stop(few_pages) -> None:
    at, job = trained("char_rnn", "epoch", **LANGUAGE)
    assert job.state == State.PAUSED and slider(at) is None
    at.button(key="char_rnn.epoch").click().run()
    wait(at, lambda: job.state == State.PAUSED and len(app.store().snapshots(job.id)) == 2, 120)
    at.run()
    assert slider(at).options == ["cyc_0 · epoch 1", "cyc_1 · epoch 2", "now"]
    slider(at).set_value(0).run()
    assert "this run's weights after cycle 0" in texts(at) and not job.ended
    first = bare(written(at))
    watching = open_page("char_rnn", **LANGUAGE, run=job.id, cycle="0")
    assert slider(watching).value == 0 and bare(written(watching)) == first
    slider(at).set_value("latest").run()
    assert "this run, step" in texts(at) and bare(written(at)) != first
    at.button(key="char_rnn.epoch").click().run()
    wait(at, lambda: job.ended, 120)
    at.run()
    assert slider(at).options[-2:] == ["cyc_2 · epoch 3", "the last"]


@pytest.mark.data
def test_a_link_to_a_cycle_that_was_not_kept_is_one_notice(few_pages) -> None:
    _, job = trained("char_rnn", **LANGUAGE)
    forget(job)
    for asked in ("3", "-1", "cyc_0", "²"):
        at = open_page("char_rnn", **LANGUAGE, run=job.id, cycle=asked)
        assert [toast.value for toast in at.toast if "cycle cannot be" in toast.value]
        assert slider(at).value == "latest" and "cycle" not in at.query_params
        assert "this run's last weights" in texts(at)


@pytest.mark.data
def test_without_two_cycles_there_is_no_slider(few_pages) -> None:
    assert slider(open_page("char_rnn", model="lstm", cycle="1")) is None, (
        "the recorded run has no weights but its last"
    )
    at, _ = trained("char_rnn", **LANGUAGE | {"epochs": "1"})
    assert slider(at) is None


def test_a_change_that_no_text_has_followed_yet_is_not_lost_when_the_page_is_drawn_anew() -> None:
    at = open_page("char_rnn")
    here = at.session_state["char_rnn"]
    before, here.played.moved = here.written, True
    at.run()
    assert not at.exception and here.written is not before and not here.played.moved
