"""The CIFAR-10 page, on the real pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from explorer import jobs
from explorer.data import cifar10
from explorer.figures import vision
from explorer.training import predictions
from explorer.ui import parts, pictures
from tests.pages.conftest import open_page, texts, wait

pytestmark = pytest.mark.data
SMALL = {"model": "convnet", "widths": "16,32", "images": "3000", "batch_size": "64", "epochs": "1", "lead_epochs": "0"}


def test_the_page_trains_a_rung_on_real_pictures() -> None:
    at = open_page("cifar10", **SMALL)
    assert "CIFAR\\-10" in texts(at), "the source is named"
    at.button(key="cifar10.train").click().run()
    job = jobs.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert job.state == jobs.DONE, job.message
    assert job.history.snapshot().epochs[-1].accuracy > 0.16
    at.run()
    assert "this run's best weights" in texts(at), "its mistakes are shown"


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 4)])
def test_a_picture_reaches_the_browser_as_it_is(shape) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert (np.asarray(Image.open(io.BytesIO(parts.png(pixels.tobytes(), pixels.shape)))) == pixels).all()


def test_a_mosaic_reaches_the_browser_as_it_is() -> None:
    mosaic = vision.mosaic(np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), np.uint8), 2)
    assert (np.asarray(Image.open(io.BytesIO(parts.png(mosaic.tobytes(), mosaic.shape)))) == mosaic).all()


def test_weights_that_know_planes_and_cats_are_not_asked_about_drawn_shapes(monkeypatch) -> None:
    monkeypatch.setattr(cifar10, "find", lambda: None)
    monkeypatch.setattr(predictions, "predict", lambda *_: pytest.fail("they were asked"))
    pictures._predictions.clear()
    at = open_page("cifar10", model="convnet")
    said = texts(at)
    assert "trained on other data" in said and "Fetch the data" in said
    assert "validation pictures right" not in said and not at.error
    at.button(key="cifar10.continue").click().run()
    job = jobs.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert job.state == jobs.FAILED and "trained on other data" in texts(at)


def test_every_rung_and_preset_opens() -> None:
    from explorer.models import catalog

    for rung in catalog.LADDERS["vision"]:
        at = open_page("cifar10", model=rung.key)
        assert rung.class_name in texts(at)


def test_a_network_that_shrinks_the_picture_to_nothing_is_refused_before_anything_starts() -> None:
    at = open_page("cifar10", model="builder", widths="8,8,8,8,8,8", stem="0")
    at.run()
    before = len(jobs.registry().all())
    at = open_page("cifar10", model="convnet", widths="8,8,8,8,8")
    assert any("shrink" in error.value for error in at.error)
    assert not [button for button in at.button if button.key == "cifar10.train"]
    assert len(jobs.registry().all()) == before


def test_the_layers_of_the_lecture_are_in_the_table() -> None:
    at = open_page("cifar10", model="convnet")
    tables = [frame.value for frame in at.dataframe]
    layers = next(table for table in tables if "multiply-adds" in table)
    assert layers["parameters"].tolist()[:3] == [560, 7240, 28880]
    assert layers["out"].tolist()[:3] == ["20 × 15 × 15", "40 × 7 × 7", "80 × 3 × 3"]
