"""The CAM page: samples, uploads good and bad, another class, and classes of one's own, on real photos."""

import io
import zipfile
from unittest.mock import patch

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from explorer.cam import classifier
from explorer.cam.truth import Deletion
from explorer.data import cifar10, dogscats
from explorer.data.photos import to_bytes
from explorer.jobs import queue
from explorer.store.words import State
from explorer.training import checkpoint
from explorer.ui.cam import networks, truth
from explorer.ui.cam import photos as cam_photo
from explorer.ui.cifar10 import convolution
from tests.pages.conftest import numbers, open_page, texts, ticked, wait

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def photos() -> dict[str, list[bytes]]:
    """Five real cats and five real dogs, as JPEG bytes."""
    found: dict[str, list[bytes]] = {"cats": [], "dogs": []}
    for photo in dogscats.here().photos("valid", 5):
        found[photo.label].append(to_bytes(photo.rgb, "JPEG"))
    return found


def _look_at(at, key: str) -> None:
    """What a click on a thumbnail does, which is a component's: the harness has no clicks for those."""
    with patch.object(cam_photo.state, "cam", lambda: at.session_state["cam"]), patch.object(cam_photo.steps, "did"):
        cam_photo.look_at(key)
    at.run()


def _answer(at) -> str:
    return next(
        html.proto.body for html in at.get("html") if "cam-answer" in html.proto.body and "<b>" in html.proto.body
    )


def _upload(at, label: str, files: list[tuple[str, bytes]], position: int = 0):
    uploader = [u for u in at.file_uploader if u.label == label][position]
    for name, data in files:
        uploader.upload(name, data)
    return at.run()


def _open_many(at):
    """The fold with the uploaders of a whole set."""
    at.session_state["cam.classes.fold.many"] = True
    return at.run()


def _learn(at, photos) -> None:
    """Teach the page cats and dogs, from three photos each."""
    for position, label in enumerate(("cats", "dogs")):
        files = [(f"{label}{i}.jpg", data) for i, data in enumerate(photos[label][:3])]
        _upload(at, "Photos of this class", files, position)
    _train_button(at).click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    at.run()


def _train_button(at):
    return at.button(key="cam.classes.train")


def test_the_page_and_the_measured_claims_look_through_one_network() -> None:
    assert networks.load("dogscats").network is classifier.shipped()


def test_each_network_sees_pictures_in_the_size_that_it_learnt_from() -> None:
    """And the convolution that is shown on the page where it trains."""
    sizes = {key: checkpoint.read_story(checkpoint.shipped(key)).experiment.size for key in networks.small_keys()}
    assert {key: networks.load(key).network.size for key in sizes} == sizes and set(sizes.values()) == {32, 64}
    picture = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    for key, size in sizes.items():
        found = convolution._looked(checkpoint.shipped(key), 0.0, picture)
        image = np.asarray(Image.open(io.BytesIO(convolution._image(found))))
        assert found.picture.shape == (3, size, size) and image.shape == (size, size, 3)
        assert size > 32 or np.array_equal(image, picture.transpose(1, 2, 0))


def _refused(at) -> list[str]:
    """What the page says of single files that could not be used."""
    return [m.value for m in at.markdown if m.value.startswith(":red[")]


def test_a_sample_is_answered_before_any_click() -> None:
    at = open_page("cam")
    assert "Cat" in _answer(at)
    assert "Dogs vs cats" in texts(at).replace("\\", "")


def test_an_uploaded_photo_is_answered_at_once_and_its_name_is_not_markup(photos) -> None:
    at = open_page("cam")
    _upload(at, "Drop photos here", [("![x](http://x) **rex**.jpg", photos["dogs"][0])])
    assert not at.exception
    assert "Dog" in _answer(at)
    assert "![x]" not in texts(at)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.jpg", b""),
        ("text.jpg", b"hello there"),
        ("cut.jpg", None),
        ("phone.heic", b"\0\0\0\x18ftypheic" + b"\0" * 40),
    ],
)
def test_a_bad_file_gets_a_sentence_and_the_answer_stays(photos, name, data) -> None:
    at = open_page("cam")
    before = _answer(at)
    _upload(at, "Drop photos here", [(name, photos["cats"][0][:900] if data is None else data)])
    assert not at.exception
    (said,) = _refused(at)
    assert name.split(".")[0] in said
    assert _answer(at) == before


BAD = [
    ("empty.jpg", b""),
    ("tiny.png", to_bytes(np.zeros((2, 2, 3), np.uint8))),
    ("paper.jpg", b"%PDF-1.7"),
    ("one.heic", b"\0\0\0\x18ftypheic" + bytes(40)),
    ("two.heic", b"\0\0\0\x18ftypheic" + bytes(40)),
]


def test_five_bad_files_of_eight_are_one_box_and_the_answer_is_in_plain_words(photos) -> None:
    at = open_page("cam")
    good = [(f"rex{i}.jpg", photos["dogs"][i]) for i in range(3)]
    _upload(at, "Drop photos here", [*good[:2], *BAD, good[2]])
    assert not at.error and not _refused(at), "one quiet list that opens"
    reasons = next(m.value for m in at.markdown if "empty" in m.value).split("\n")
    assert len(reasons) == 4 and reasons[-1].startswith("- one\\.heic, two\\.heic: HEIC photos cannot be read here")
    assert "Dog" in _answer(at)
    _look_at(at, at.session_state["cam"].own[0].key)
    assert not any("empty" in m.value for m in at.markdown), "it goes with the next click"


def test_of_many_photos_the_last_are_decoded_and_the_others_named(photos, monkeypatch) -> None:
    from explorer.data import photos as reading

    decoded = []
    real = reading.read_photo
    monkeypatch.setattr(reading, "read_photo", lambda data, name="": decoded.append(name) or real(data, name))
    at = open_page("cam")
    decoded.clear()
    _upload(at, "Drop photos here", [(f"{i}.jpg", photos["dogs"][0]) for i in range(10)])
    assert decoded == [f"{i}.jpg" for i in range(2, 10)]
    assert "0\\.jpg, 1\\.jpg: Only 8 photos" in texts(at)


def test_uploads_leave_nothing_with_the_server(photos, monkeypatch) -> None:
    """The page promises that photos are not kept: once decoded, their bytes go, and with them place and time."""
    came, kept = [], set()
    ways = MemoryUploadedFileManager
    add, remove = ways.add_file, ways.remove_file

    def added(self, session_id, file):
        came.append(file.name)
        kept.add(file.file_id)
        add(self, session_id, file)

    def removed(self, session_id, file_id):
        if file_id in self.file_storage.get(session_id, {}):
            kept.remove(file_id)
        remove(self, session_id, file_id)

    monkeypatch.setattr(ways, "add_file", added)
    monkeypatch.setattr(ways, "remove_file", removed)
    at = open_page("cam")
    dog = photos["dogs"][0]
    _upload(at, "Drop photos here", [("rex.jpg", dog), ("bad.jpg", dog[:900])])
    _upload(at, "Photos of this class", [("mutt.jpg", dog)])
    _upload(_open_many(at), "A ZIP", [("bad.zip", b"PK\x03\x04 not really")])
    _upload(at, "A .safetensors file", [("bad.safetensors", b"no")])
    assert len(came) == 5 and not kept, came


def test_a_photo_it_has_learnt_from_is_said_to_be_one(photos) -> None:
    at = open_page("cam")
    _learn(at, photos)
    words = "It has learnt from this very photo"
    _upload(at, "Drop photos here", [("under another name.jpg", photos["dogs"][1])])
    assert words in texts(at)
    _upload(at, "Drop photos here", [("new.jpg", photos["dogs"][4])])
    assert words not in texts(at)


def test_any_class_can_be_explained() -> None:
    at = open_page("cam")
    pills = next(p for p in at.get("button_group") if p.label == "Explain") if at.get("button_group") else None
    assert pills is not None
    assert ticked(at, "cam") == set()
    pills.set_value(1).run()
    assert not at.exception
    assert ticked(at, "cam") == {"other"}
    assert "the map for Dog" in texts(at)


def test_classes_of_ones_own_learn_are_measured_and_answer(photos) -> None:
    at = open_page("cam")
    assert _train_button(at).disabled, "nothing to learn from yet"
    for position, label in enumerate(("cats", "dogs")):
        files = [(f"{label}{i}.jpg", data) for i, data in enumerate(photos[label][:4])]
        _upload(at, "Photos of this class", files, position)
    names = [field for field in at.text_input if field.label == "Name of the class"]
    names[0].set_value("Moggy").run()
    next(f for f in at.text_input if f.value == "B").set_value("Mutt").run()
    _train_button(at).click().run()
    job = queue.registry().all()[-1]
    assert job.kind == "own-classes"
    wait(at, lambda: job.ended)
    assert job.state == State.DONE, job.message
    trained = job.result.trained
    assert trained.photos == (4, 4)
    assert trained.accuracy >= 0.7
    at.run()
    assert "own" in ticked(at, "cam")
    assert at.session_state["cam.network"] == "own"
    _upload(at, "Drop photos here", [("new.jpg", photos["dogs"][4])])
    assert "Mutt" in _answer(at)
    assert "only 4 photos" in "\n".join(w.value for w in at.warning)


def test_a_test_photo_is_answered_beside_the_training_and_one_learnt_from_is_said_to_be(photos) -> None:
    at = open_page("cam")
    _learn(at, photos)
    _upload(at, "Try it on a photo that it has not seen", [("new.jpg", photos["dogs"][-1])])
    assert at.session_state["cam.classes"].test.name == "new.jpg"
    assert "It has learnt from this very photo" not in texts(at)
    _upload(at, "Try it on a photo that it has not seen", [("old.jpg", photos["dogs"][0])])
    assert "It has learnt from this very photo" in texts(at)
    _upload(at, "Try it on a photo that it has not seen", [("no.jpg", b"")])
    assert at.session_state["cam.classes"].test.name == "old.jpg" and _refused(at), "a bad file changes nothing"


def test_a_zip_makes_the_classes_and_a_bad_one_loses_nothing(photos) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for label in photos:
            for i, data in enumerate(photos[label][:3]):
                archive.writestr(f"{label}/{i}.jpg", data)
    at = _open_many(open_page("cam"))
    _upload(at, "A ZIP", [("mine.zip", packed.getvalue())])
    entries = at.session_state["cam.classes"].classes
    assert [(e.name, len(e.photos)) for e in entries] == [("cats", 3), ("dogs", 3)]
    assert not _train_button(at).disabled
    _upload(at, "A ZIP", [("bad.zip", b"PK\x03\x04 not really")])
    assert _refused(at)
    assert [len(e.photos) for e in at.session_state["cam.classes"].classes] == [3, 3]


def test_a_saved_classifier_answers_again_and_a_bad_file_changes_nothing(photos) -> None:
    saved = classifier.save(classifier.shipped())
    at = open_page("cam")
    _upload(at, "A .safetensors file", [("mine.safetensors", saved)])
    assert not at.exception
    assert at.session_state["cam.network"] == "own"
    _upload(at, "A .safetensors file", [("other.safetensors", saved[:100])])
    assert "other" in at.error[0].value
    assert at.session_state["cam.network"] == "own"


@pytest.mark.parametrize("value", ["nan", "²", "<b>x", "../../etc/passwd", "a" * 10_000, "1" + "0" * 400, ","])
def test_any_address_opens(value) -> None:
    names = ("model", "run", "network", "view", "method", "class", "row", "tab", "show", "hide", "teacher", "start")
    at = open_page("cam", **dict.fromkeys(names, value))
    assert "Cat" in _answer(at)


def test_a_network_that_knows_planes_says_so_of_a_drawn_shape(monkeypatch) -> None:
    shapes = cifar10.load("standin")
    monkeypatch.setattr(cifar10, "load", lambda: shapes)
    cam_photo._small_pictures.clear()
    try:
        at = open_page("cam")
        at.selectbox(key="cam.network").set_value("resnet").run()
        assert f"a stand-in's picture ({shapes.classes[0]})" in texts(at)
    finally:
        cam_photo._small_pictures.clear()


def test_two_classes_alike_are_refused_before_anything_starts(photos) -> None:
    at = open_page("cam")
    next(f for f in at.text_input if f.value == "B").set_value("A").run()
    assert _train_button(at).disabled
    assert "same name" in texts(at)


@pytest.mark.parametrize(("page", "first"), [("cam", "Drop photos here"), ("char_rnn", "or upload it")])
def test_no_upload_promises_more_than_the_server_takes(page, first) -> None:
    at = open_page(page)
    at.session_state[f"{page}.fold.own"] = True  # where a text of one's own is brought
    at.run()
    promised = {field.label: field.proto.max_upload_size_mb for field in at.file_uploader}
    assert all(0 < size <= st.get_option("server.maxUploadSize") for size in promised.values()), promised
    assert promised[first] == 20, "as the words beside it say"


def test_photos_to_learn_from_are_kept_small() -> None:
    large = to_bytes(np.random.default_rng(0).integers(0, 255, (900, 1200, 3), np.uint8), "JPEG")
    at = open_page("cam")
    _upload(at, "Photos of this class", [("large.jpg", large)])
    assert at.session_state["cam.classes"].classes[0].photos[0].rgb.shape == (256, 341, 3)


def test_the_trap_is_sprung_on_a_dog_it_has_not_seen() -> None:
    at = _open_many(open_page("cam"))
    at.button(key="cam.classes.trap").click().run()
    _train_button(at).click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert job.state == State.DONE, job.message
    at.run()
    assert "brave" in _answer(at), "the dog with the board"
    explanation = at.session_state["cam"].answer.explanation
    row, column = divmod(int(explanation.maps[0].argmax()), 7)
    assert row < 3 and column < 3, "the heat is on the board"
    _look_at(at, "trap-plain")
    assert "shy" in _answer(at), "the same dog without"


def test_the_body_can_be_unfrozen(photos) -> None:
    at = _open_many(open_page("cam"))
    _learn(at, photos)
    job = queue.registry().all()[-1]
    at.number_input(key="cam.classes.epochs").set_value(1).run()
    at.button(key="cam.classes.tune").click().run()
    tuned = queue.registry().all()[-1]
    wait(at, lambda: tuned.ended)
    assert tuned.state == State.DONE, tuned.message
    after, before = tuned.result.trained.network, job.result.trained.network
    assert after.body is not before.body, "the body that everybody uses has not changed"
    at.run()
    assert numbers(at)["Leave-one-out accuracy"] == "not measured"

    _upload(at, "A .safetensors file", [("mine.safetensors", classifier.save(after, with_body=True))])
    trained = at.session_state["cam.classes"].trained
    assert trained is not tuned.result.trained, "what was trained does not come back in its place"
    assert trained.tuned, "a body that has learnt comes back with its head"
    assert not at.exception


def test_a_file_answers_in_place_of_what_was_trained_and_nothing_unmeasured_is_told() -> None:
    ours = classifier.shipped()
    at = _open_many(open_page("cam"))
    at.button(key="cam.classes.frogs").click().run()
    job = queue.registry().all()[-1]
    wait(at, lambda: job.ended)
    assert any("It learnt what it should" in box.value for box in at.success)
    for classes in (("left", "right"), ("frogs", "ships")):
        saved = classifier.save(ours.with_head(ours.head, classes))
        _upload(at, "A .safetensors file", [("mine.safetensors", saved)])
        trained = at.session_state["cam.classes"].trained
        assert trained is not job.result.trained and trained.network.classes == classes
        assert not at.success and not at.exception


@pytest.mark.parametrize("tab", ["All classes", "The numbers", "Step by step", "Layer by layer", "truth"])
@pytest.mark.parametrize("network", ["dogscats", "resnet"])
def test_every_look_behind_the_answer_opens(tab, network) -> None:
    from explorer.ui.cam import behind

    at = open_page("cam")
    at.session_state["cam.tab"] = next(name for name in behind.TABS.values() if tab in name)
    at.selectbox(key="cam.network").set_value(network).run()
    assert not at.exception, at.exception
    if tab == "The numbers":
        table = next(frame.value for frame in at.dataframe if "evidence here" in frame.value)
        means, scores = (table[name] for name in (table.columns[3], "the network's score"))
        if network == "dogscats":
            assert abs(means - scores).max() < 1e-5, "the score is the mean of the map"
        else:
            assert "maximum" in texts(at), "a network that ends in a maximum says so"
    if tab == "truth":
        at.button(key="cam.deletion.run").click().run()
        assert not at.exception
        assert "random" in texts(at)


def test_the_claims_strip_judges_the_answer_on_the_page_as_the_panel_does_and_only_a_cats_map(photos) -> None:
    def strip() -> list[str]:
        return [words.value for words in at.markdown if words.value.startswith("Hiding the hottest parts")]

    def hide(gap: float) -> str:
        line = (0.9, 0.8)
        found = Deletion((0.0, 0.1), (0.9, 0.8 - gap), line, line, line)
        with patch.object(truth, "deletion_curve", lambda *_: found):
            at.button(key="cam.deletion.run").click().run()
        assert not at.exception
        return "".join(strip())

    at = open_page("cam", claim="map", show="truth")
    first = at.session_state["cam"].answer.shown.key
    assert not strip()
    assert "costs 30% more" in hide(0.3)
    assert "costs no more" in hide(0.01) and "costs no more" in texts(at).split("**Hide what is hot")[1]
    _upload(at, "Drop photos here", [("rex.jpg", photos["dogs"][0])])
    assert not strip(), "of another photo"
    assert not hide(0.3), "of a dog"
    _look_at(at, first)
    assert "costs 40% more" in hide(0.4)
    at.selectbox(key="cam.method").set_value("gradcam").run()
    assert not strip() and not hide(0.3), "of another map"
    at.selectbox(key="cam.method").set_value("cam").run()
    at.selectbox(key="cam.network").set_value("resnet").run()
    assert not strip() and not hide(0.3), "of another network"


@pytest.mark.parametrize(
    ("method", "view"),
    [("gradcam", "crop"), ("gradcam", "own shape"), ("gradcam++", "own shape"), ("occlusion", "crop")],
)
def test_every_method_answers_alike_whatever_it_sees(method, view) -> None:
    at = open_page("cam")
    at.selectbox(key="cam.view").set_value(view).run()
    at.selectbox(key="cam.method").set_value(method).run()
    assert not at.exception, at.exception
    assert "Cat" in _answer(at)
    assert ("dimmed" in texts(at)) == (view == "crop")


def test_the_lectures_network_says_what_it_needs() -> None:
    at = open_page("cam")
    at.selectbox(key="cam.network").set_value("dogscats-resnet34").run()
    assert not at.exception
    assert "87 MB" in texts(at) or "Cat" in _answer(at)
