"""Weights of one's own on a training page: loaded, played by everything there, trained further, put away."""

import pytest
from streamlit.testing.v1 import AppTest

from explorer import paths
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.training import checkpoint, own_weights
from explorer.training.evaluate import of_file
from explorer.ui import app
from tests.pages.conftest import open_page, texts, wait
from tests.pages.test_played import LANGUAGE, slider, trained, writes

pytestmark = pytest.mark.data


def load(at: AppTest, page: str, name: str, content: bytes) -> None:
    at.session_state[f"{page}.own"] = True  # open
    at.run()
    (uploader,) = (widget for widget in at.file_uploader if widget.label.startswith("Weights for"))
    uploader.upload(name, content)
    at.run()
    assert not at.exception, at.exception


def text_on(at: AppTest) -> str:
    (text,) = at.session_state["char_rnn"].written.texts.values()
    return "".join(character.text for character in text)


def test_a_language_pages_text_is_that_of_ones_own_weights_and_training_goes_on_from_them(few_pages) -> None:
    _, job = trained("char_rnn", **LANGUAGE)
    path = app.store().weights(job.id)
    at = open_page("char_rnn", **LANGUAGE)
    load(at, "char_rnn", "gru.safetensors", path.read_bytes())
    assert "Playing your own weights" in texts(at) and not at.error
    assert text_on(at) == writes(path)
    at.session_state["char_rnn.behind"] = "Its activations"
    at.run()
    assert "Your own weights, reading" in texts(at).replace("\\", "")
    stranger = open_page("char_rnn", **LANGUAGE)
    assert "your own weights" not in texts(stranger).lower(), "nobody else sees them"
    at.button(key="char_rnn.continue-own").click().run()
    going = queue.registry().find(at.session_state["char_rnn"].job)
    wait(at, lambda: going.ended, 120)
    fresh, first = (float(one.history.snapshot()["loss"][0]) for one in (job, going))
    assert first < 3.0 and fresh > 3.5
    assert app.store().run(going.id).begun_from == "weights of their owner's own"
    assert "Playing your own weights" not in texts(at), "now the run's are played"
    at.session_state["char_rnn.own"] = True
    at.run()
    at.button(key="char_rnn.own-play").click().run()
    assert "Playing your own weights" in texts(at) and slider(at) is None
    at.button(key="char_rnn.own-away").click().run()
    assert "Playing your own weights" not in texts(at) and slider(at) is not None
    assert "this run's last weights" in texts(at)


def test_what_a_vision_networks_own_weights_get_wrong_and_a_wrong_file_changes_nothing() -> None:
    mine = (paths.WEIGHTS / "convnet.safetensors").read_bytes()
    at = open_page("cifar10", model="convnet")
    load(at, "cifar10", "mine.safetensors", mine)
    found = of_file(own_weights.find("convnet", at.session_state["session"].owner))
    wait(at, lambda: f"From your own weights: {found.accuracy:.2%} of 10,000" in texts(at))
    for name, content, words in (
        ("bn.safetensors", (paths.WEIGHTS / "bn.safetensors").read_bytes(), "holds weights of BatchNorm by hand"),
        ("a.safetensors", b"not at all", "no safetensors file"),
    ):
        load(at, "cifar10", name, content)
        assert any(words in error.value.replace("\\", "") for error in at.error), [e.value for e in at.error]
        assert "From your own weights" in texts(at)
    at.run()
    assert at.error, "it stays as long as the box is open"
    at.session_state["cifar10.own"] = False
    at.run()
    at.session_state["cifar10.own"] = True
    at.run()
    assert not at.error
    at.button(key="cifar10.own-remove").click().run()
    assert "From the shipped weights" in texts(at)
    assert own_weights.find("convnet", at.session_state["session"].owner) is None


def test_weights_for_the_network_as_it_is_set_and_no_other() -> None:
    small = Experiment.of("convnet", widths="8,16")
    story = checkpoint.read_story(paths.WEIGHTS / "convnet.safetensors")
    at = open_page("cifar10", model="convnet", widths="8,16")
    load(at, "cifar10", "convnet.safetensors", (paths.WEIGHTS / "convnet.safetensors").read_bytes())
    (error,) = at.error
    assert "layers.0.weight: 20 × 3 × 3 × 3 in the file, 8 × 3 × 3 × 3 in the model" in error.value.replace("\\", "")
    fits = checkpoint.as_bytes(
        small.rung.build(small), checkpoint.Story(small, story.source, None, 0, 0.0, 0.0, story.classes)
    )
    load(at, "cifar10", "small.safetensors", fits)
    assert "Playing your own weights" in texts(at) and not at.error
