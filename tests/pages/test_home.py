"""The home page: real numbers before any click, one Start, every claim's button, data and weights."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from explorer import paths
from explorer.jobs import queue
from explorer.lecture import claims, quirks
from explorer.lecture.recorded import recording
from explorer.store.words import State
from tests.pages.conftest import APP, texts, wait


def _home(view: str = "") -> AppTest:
    at = AppTest.from_file(APP, default_timeout=90).run()
    assert not at.exception, at.exception
    if view:
        _choose(at, "home.view", view)
    return at


def _map(at: AppTest) -> str:
    """The stations' HTML."""
    sent = (e.proto.bytes.decode() for e in at.get("bidi_component"))
    return next(html for html in sent if "x-stations" in html)


def _choose(at: AppTest, key: str, value: str) -> None:
    at.button_group(key=key).set_value(value).run()
    assert not at.exception, at.exception


def test_the_map_shows_recorded_numbers_beside_the_lectures_without_a_click() -> None:
    words = _map(_home())
    for number in (f"{recording('gru').history.best_val_loss:.3f}", "1.425", "56.2%"):
        assert number in words
    assert words.count("<dt>here, recorded</dt>") == 12
    assert words.count("<dt>lecture</dt>") + words.count("<dt>its notebook</dt>") == 12
    assert words.count('role="img"') >= 10, "miniatures, each with a description"


def test_every_station_leads_to_its_page_with_the_model_chosen() -> None:
    links = re.findall(r'<a class="x-station" [^>]*href="([^"]+)"', _map(_home()))
    assert len(links) == 12 and "cam" in links
    assert {"char_rnn?model=char3", "char_rnn?model=lstm", "cifar10?model=simplenet", "cifar10?model=bn"} <= set(links)


def test_a_station_that_was_clicked_opens() -> None:
    at = _home()
    at.session_state["home"].go_to("cifar10?model=bn")
    at.run()
    assert not at.exception and at.title[0].value.endswith("CIFAR-10")
    assert at.session_state["cifar10"].experiment.model == "bn"


@pytest.mark.data
def test_start_trains_something_real() -> None:
    at = _home()
    at.button(key="home.start").click().run()
    assert not at.exception, at.exception
    job = queue.registry().all()[-1]
    assert job.experiment.model == "gru" and job.experiment.hidden == 128
    wait(at, lambda: len(job.history.snapshot()) > 20)
    assert at.session_state["char_rnn"].job == job.id
    assert at.title[0].value.endswith("Character RNN")


def test_every_claim_has_a_card() -> None:
    at = _home("The claims")
    for group in claims.GROUPS:
        _choose(at, "home.group", group)
        words = texts(at) + "".join(h.value for h in at.subheader)
        for claim in claims.CLAIMS:
            assert (claim.title in words) == (claim.group == group)
        for claim in (c for c in claims.CLAIMS if c.group == group):
            assert at.button(key=f"happen.{claim.id}") and at.button(key=f"measure.{claim.id}")


@pytest.mark.data
def test_a_claim_is_made_to_happen_on_its_page() -> None:
    at = _home("The claims")
    at.button(key="happen.reset").click().run()
    assert not at.exception, at.exception
    job = queue.registry().all()[-1]
    assert (job.experiment.model, job.experiment.reset) == ("stateful", "batch")
    assert at.session_state["char_rnn"].experiment == job.experiment
    wait(at, lambda: len(job.history.snapshot()) > 3)


@pytest.mark.data
def test_a_claim_about_depth_starts_its_race() -> None:
    at = _home("The claims")
    _choose(at, "home.group", claims.DEPTH)
    at.button(key="happen.rate").click().run()
    wait(at, lambda: queue.registry().all()[-1].kind == "race")
    assert queue.registry().all()[-1].state in (State.QUEUED, State.RUNNING)


def test_a_claim_is_measured_on_the_spot() -> None:
    at = _home("The claims")
    _choose(at, "home.group", claims.PICTURES_)
    at.button(key="measure.weights").click().run()
    wait(at, lambda: "122,880 weights" in texts(at).replace("\\", ""))


def test_the_claim_about_maps_is_measured_on_the_photo_that_ships(home) -> None:
    at = _home("The claims")
    _choose(at, "home.group", claims.MAPS)
    at.button(key="measure.map").click().run()
    wait(at, lambda: "1 photo of cats" in texts(at))
    assert not at.error


def test_what_cannot_be_measured_says_why(home, monkeypatch) -> None:
    from explorer.data import album

    monkeypatch.setattr(album, "photos", lambda: ())
    at = _home("The claims")
    _choose(at, "home.group", claims.MAPS)
    at.button(key="measure.map").click().run()
    wait(at, lambda: bool(at.error))
    assert "Traceback" not in at.error[0].value


def test_every_quirk_has_a_card_with_its_measurement() -> None:
    words = texts(_home("Did you notice?")).replace("\\", "")
    for quirk in quirks.QUIRKS:
        assert quirk.title in words
        assert re.search(r"\d", quirk.measured()) and quirk.measured() in words


def test_missing_data_offers_a_download_and_says_what_stands_in(home) -> None:
    at = _home("Data and weights")
    labels = [button.label for button in at.button]
    assert sum(label.startswith("Download") for label in labels) == 2
    assert "stand in" in texts(at)


def test_a_download_that_fails_is_a_sentence(home, monkeypatch) -> None:
    from explorer.data import cifar10

    monkeypatch.setattr(cifar10, "URL", "http://127.0.0.1:9/cifar10.tgz")
    at = _home("Data and weights")
    at.button(key="fetch.cifar10").click().run()
    assert not at.exception and "could not be downloaded" in at.error[0].value.replace("\\", "")


def test_the_home_page_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from explorer.ui.home import claims, map; from explorer.lecture import quirks;"
        "[map._station(1, k, '') for k in ('char3', 'gru', 'lstm', 'bn')];"
        "assert 'torch' not in sys.modules, 'torch'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=paths.REPOSITORY, timeout=60)
