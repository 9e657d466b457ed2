"""The CIFAR-10 page, on the real pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import data
from explorer.data import cifar10
from explorer.data.photos import to_bytes
from explorer.experiment import Experiment
from explorer.figures import pictures as vision
from explorer.jobs import queue
from explorer.store.words import State
from explorer.training import evaluate
from explorer.ui.cifar10 import pictures
from tests.pages.conftest import open_page, texts, wait

pytestmark = pytest.mark.data
EVERY = "10,000 validation pictures right"
SMALL = {"model": "convnet", "widths": "16,32", "images": "3000", "batch_size": "64", "epochs": "1", "lead_epochs": "0"}


def test_the_page_trains_a_rung_on_real_pictures_and_shows_its_mistakes_after_a_restart_too() -> None:
    at = open_page("cifar10", **SMALL)
    assert "CIFAR\\-10" in texts(at), "the source is named"
    at.button(key="cifar10.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert job.state == State.DONE, job.message
    assert job.history.snapshot().epochs[-1].accuracy > 0.16
    said = all_asked(at)
    assert said.startswith("From this run's best weights")
    queue.registry()._jobs.pop(job.id)  # the server forgets it
    later = open_page("cifar10", **SMALL, run=job.id)
    assert all_asked(later) == said and "the shipped weights" not in texts(later)


def all_asked(at: AppTest) -> str:
    """What the page says of the network once it was asked about all pictures; on a busy machine that takes a while."""
    wait(at, lambda: EVERY in texts(at))
    return next(line for line in texts(at).split("\n") if EVERY in line)


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 4)])
def test_a_picture_reaches_the_browser_as_it_is(shape) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert (np.asarray(Image.open(io.BytesIO(to_bytes(pixels)))) == pixels).all()


def test_a_mosaic_reaches_the_browser_as_it_is() -> None:
    mosaic = vision.mosaic(np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), np.uint8), 2)
    assert (np.asarray(Image.open(io.BytesIO(to_bytes(mosaic)))) == mosaic).all()


def test_weights_that_know_planes_and_cats_are_not_asked_about_drawn_shapes(monkeypatch) -> None:
    shapes = cifar10.load("standin")
    monkeypatch.setattr(cifar10, "load", lambda *_: shapes)
    monkeypatch.setattr(evaluate, "predict", lambda *_: pytest.fail("they were asked"))
    pictures._asking.clear()
    at = open_page("cifar10", model="convnet")
    said = texts(at)
    assert "trained on other data" in said and "Fetch the data" in said
    assert "validation pictures right" not in said and not at.error
    at.button(key="cifar10.continue").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert job.state == State.FAILED and "trained on other data" in texts(at)


def test_every_rung_opens(few_asked) -> None:
    from explorer import ladders

    for rung in ladders.LADDERS["vision"]:
        at = open_page("cifar10", model=rung.key)
        assert rung.class_name in texts(at)


def test_a_network_that_shrinks_the_picture_to_nothing_is_refused_before_anything_starts() -> None:
    at = open_page("cifar10", model="builder", widths="8,8,8,8,8,8", stem="0")
    at.run()
    before = len(queue.registry().all())
    at = open_page("cifar10", model="convnet", widths="8,8,8,8,8")
    assert any("shrink" in error.value for error in at.error)
    assert not [button for button in at.button if button.key == "cifar10.train"]
    assert len(queue.registry().all()) == before


def test_the_layers_of_the_lecture_are_in_the_table() -> None:
    at = open_page("cifar10", model="convnet")
    at.session_state["cifar10.behind"] = "The network"
    at.run()
    tables = [frame.value for frame in at.dataframe]
    layers = next(table for table in tables if "multiply-adds" in table)
    assert layers["parameters"].tolist()[:3] == [560, 7240, 28880]
    assert layers["out"].tolist()[:3] == ["20 × 15 × 15", "40 × 7 × 7", "80 × 3 × 3"]


def test_the_pictures_are_moved_and_mirrored_as_training_does_it(monkeypatch) -> None:
    def corner(n, generator):
        return torch.full((n,), 8), torch.full((n,), 8), torch.ones(n, dtype=torch.long)

    for module in (pictures, data.pictures):
        monkeypatch.setattr(module, "augmentation", corner)
    shapes = cifar10.load("standin")
    experiment = Experiment.of("convnet", images=500, batch_size=500)
    shown = pictures._views(np.asarray(shapes.train_x[[3]]), 3)
    assert shown.shape == (12, 3, 32, 32) and shown.dtype == np.uint8
    padded = np.pad(shown[0], ((0, 0), (4, 4), (4, 4)), mode="symmetric")
    assert (shown[1:] == padded[:, 8:, 8:][:, :, ::-1]).all()
    batches = data.pictures.VisionData(shapes, experiment, torch.device("cpu"))
    trained = next(iter(batches.train_batches(torch.Generator().manual_seed(0)))).x
    moved = batches._normalised(batches.train_x[:, 8:40, 8:40].flip(2))  # in the set's own order
    assert {*trained[:, 0, 0, 0].tolist()} == {*moved[:, 0, 0, 0].tolist()}
    assert trained.double().sum().item() == pytest.approx(moved.double().sum().item(), rel=1e-6)


def test_a_normalisation_chosen_is_in_the_address(home) -> None:
    at = open_page("cifar10", model="bn", data="standin", images="500")
    box = next(box for box in at.selectbox if box.label == "Normalisation")
    assert box.options == ["lecture", "running", "torch", "none"] and box.value == "lecture"
    box.select("torch").run()
    assert not at.exception and "torch" in at.query_params["norm"]


def test_ones_own_network_is_drawn_as_the_controls_describe_it() -> None:
    at = open_page("cifar10", model="builder")

    def blocks() -> int:
        return len(at.session_state["cifar10"].charts["builder"][1].figure.data)

    before = blocks()
    next(slider for slider in at.slider if slider.label == "Layers per stage").set_value(5).run()
    assert not at.exception
    assert blocks() == before + 2 * 4
    assert "5" in at.query_params["depth"], "and the link says so"
    for label in ("Layers per stage", "Normalisation", "Skip connections", "Widths", "Learning rate"):
        kinds = (at.slider, at.select_slider, at.selectbox, at.toggle, at.text_input)
        assert sum(widget.label == label for kind in kinds for widget in kind) == 1, label


def test_a_preset_says_how_long_it_takes_once_one_like_it_was_trained_here() -> None:
    from explorer.ui import app, presets

    presets._times.clear()
    at = open_page("cifar10", **SMALL | {"widths": "20,40,80", "batch_size": "32"})
    at.button(key="cifar10.train").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    presets._times.clear()
    assert job.state == State.DONE
    took = presets._times("convnet", 0, str(app.store().folder))["quick"][0]
    assert took.startswith("about ") and took.endswith((" s", " min"))
    at.run()
    options = next(group for group in at.button_group if ".preset." in group.key).options
    assert [words for words in options if words.startswith("Quick · about ")]
    assert "As in the lecture" in " ".join(options)


def test_where_only_the_sampler_is_the_slider_says_how_many_pictures_there_are(home) -> None:
    def stops() -> list[str]:
        at = open_page("cifar10", model="convnet")
        return next(slider for slider in at.select_slider if slider.label == "Training pictures").options

    assert {"2,048", "40,000 (4,000 here)"} <= set(stops())
