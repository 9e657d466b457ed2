"""The lecture's own network, map and training on the CAM page."""

from unittest.mock import patch

from explorer.cam import pair
from explorer.jobs import queue
from explorer.runs import two_fits
from tests.pages.conftest import open_page, texts, wait


def _tab(name: str):
    at = open_page("cam")
    at.session_state["cam.tab"] = name
    at.run()
    assert not at.exception
    return at


def test_both_networks_are_listed_layer_by_layer() -> None:
    at = _tab("The network")
    table = next(frame.value for frame in at.dataframe if "stage" in frame.value)
    assert "layer3.5.conv2" in table["layer"].tolist() and table["learns"].tolist().count(True) == 1
    at.segmented_control(key="cam.body").set_value("mobilenet_v2").run()
    assert next(m.value for m in at.metric if m.label == "Parameters, as it is printed") == "3,504,872"


def test_the_notes_matrix_stands_beside_the_photos_own() -> None:
    at = _tab("The lecture's map")
    assert "Brightest at row 4, column 5" in texts(at) and texts(at).count("Brightest at") == 2


def test_cats_and_dogs_train_on_the_page_with_a_curve_and_then_answer() -> None:
    few = pair.read(10)
    cut = pair.Pair(few.train, few.train_y, few.valid[:4], few.valid_y[:4], few.classes, few.source)
    with patch.object(two_fits, "read", lambda count, looked: cut):
        at = open_page("cam")
        at.session_state["cam.fits.fold.fits"] = True
        at.run()
        at.button(key="cam.fits.train").click().run()
        job = queue.registry().all()[-1]
        wait(at, lambda: job.ended, 120)
    assert job.state == "done", job.message
    table = next(frame.value for frame in at.dataframe if "the notes' call" in frame.value)
    assert table["the notes' call"].tolist()[1] == "learn.fit(0.01, 1, cycle_len=1)"
    at.button(key=f"cam.fits.use.{job.id}").click().run()
    assert at.session_state["cam.classes"].trained is job.result.trained
