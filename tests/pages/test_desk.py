"""The teacher's page: nobody's without the token; with it the class is seen, held, stopped and limited."""

import html
import re

import pytest
from streamlit.testing.v1 import AppTest

from explorer import limits, paths
from explorer.experiment import SETTINGS, Experiment
from explorer.jobs import queue
from explorer.limits import Limits
from explorer.store.words import State
from explorer.ui import controls
from explorer.ui.desk import attendance, entry, room
from explorer.ui.home import views
from explorer.ui.home.map import map_html
from tests.jobs.working import start
from tests.pages.conftest import APP, open_page, texts, wait

TOKEN = "a token of the teacher's"


@pytest.fixture(autouse=True)
def fresh(home, monkeypatch):
    monkeypatch.setattr(queue, "_registry", None)
    monkeypatch.setattr(entry, "ATTEMPTS", entry.Attempts())
    monkeypatch.delenv("EXPLORER_PRESET", raising=False)
    limits.forget()
    yield
    queue.registry().close()
    limits.forget()


@pytest.fixture
def desk(monkeypatch) -> AppTest:
    """The page, opened with the token."""
    monkeypatch.setenv("EXPLORER_TEACHER_TOKEN", TOKEN)
    at = open_page("desk")
    at.text_input[0].set_value(TOKEN)
    at.button[0].click().run()
    assert not at.exception
    return at


@pytest.mark.parametrize("token", ["", "short", " " * 40])
def test_without_a_token_of_some_length_there_is_no_such_page(monkeypatch, token, caplog) -> None:
    entry._usable.cache_clear()
    monkeypatch.setenv("EXPLORER_TEACHER_TOKEN", token)
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        open_page("desk")
    at = AppTest.from_file(str(paths.REPOSITORY / "pages" / "desk.py"), default_timeout=60).run()
    assert [error.value for error in at.error] == ["There is no teacher's page on this server."]
    assert not at.button and not at.text_input
    assert caplog.text.count("shorter than 16 characters") == (token == "short"), "once, and not at every click"


def test_another_word_opens_nothing_and_one_may_try_once_a_second(monkeypatch) -> None:
    monkeypatch.setenv("EXPLORER_TEACHER_TOKEN", TOKEN)
    start(queue.registry(), owner="ann")
    at = open_page("desk")
    monkeypatch.setattr(entry, "PAUSE", 1000.0)
    for word, answer in (("wrong", "That is not the token."), (TOKEN, "One try a second: wait a moment.")):
        at.text_input[0].set_value(word)
        at.button[0].click().run()
        assert [error.value for error in at.error] == [answer]
        assert "browser ann" not in texts(at) and len(at.button) == 1
    teacher = open_page("desk")
    teacher.text_input[0].set_value(TOKEN)
    teacher.button[0].click().run()
    assert not teacher.error and "browser ann" in texts(teacher), "who tries wrong words keeps nobody else out"


def test_the_token_is_compared_in_constant_time_and_as_a_whole(monkeypatch) -> None:
    monkeypatch.setenv("EXPLORER_TEACHER_TOKEN", TOKEN)
    monkeypatch.setattr(entry, "PAUSE", 0.0)
    asked = []
    real = entry.hmac.compare_digest
    monkeypatch.setattr(entry.hmac, "compare_digest", lambda *words: asked.append(words) or real(*words))
    assert [entry.ATTEMPTS.right(word, "ann") for word in (TOKEN, TOKEN[:-1], "é", "")] == [True, False, False, False]
    assert len(asked) == 4 and len(entry.ATTEMPTS._again) == 1


def test_the_teacher_sees_pauses_and_stops_everybodys_jobs(desk) -> None:
    ann, bob = start(queue.registry(), owner="ann00000"), start(queue.registry(), owner="bob00000")
    wait(desk, lambda: ann.state == State.RUNNING)
    assert "browser ann000" in texts(desk) and "browser bob000" in texts(desk)
    desk.button(key="desk.Pause all").click().run()
    wait(desk, lambda: ann.state == bob.state == State.PAUSED)  # who waited for a turn has none meanwhile
    desk.button(key="desk.Resume all").click().run()
    wait(desk, lambda: ann.state == State.RUNNING or bob.state == State.RUNNING)
    desk.button(key=f"desk.{ann.id}.pause").click().run()  # be it in its turn or not
    wait(desk, lambda: ann.state == State.PAUSED and bob.state == State.RUNNING)
    desk.button(key=f"desk.{ann.id}.resume").click().run()
    desk.button(key=f"desk.{bob.id}.stop").click().run()
    wait(desk, lambda: bob.ended)
    assert bob.message == room.BY_TEACHER
    desk.run()
    desk.button(key="desk.Stop all").click().run()
    wait(desk, lambda: ann.ended)
    desk.run()
    assert "Nothing is running now" in texts(desk) and not desk.exception


def test_limits_and_the_preset_hold_for_the_class_at_once(desk) -> None:
    next(box for box in desk.number_input if box.label == "Jobs of one visitor").set_value(2)
    desk.selectbox[0].set_value("small")
    next(button for button in desk.button if button.label == "Save").click().run()
    assert not desk.exception and not desk.error
    assert limits.now() == Limits(jobs_each=2, preset="small")
    at = open_page("char_rnn")
    at.button_group(key="char_rnn.rung.1").set_value("lstm").run()
    assert at.session_state["char_rnn"].experiment == Experiment.of("lstm", "small")
    assert controls.fresh("gru", "small", seed=3) == Experiment.of("gru", seed=3), "it has no preset of that name"
    next(button for button in desk.button if button.label == "As the server was started").click().run()
    assert limits.now() == Limits()


def test_the_class_has_its_preset_where_an_address_says_nothing_and_a_link_says_what_is_on_screen(monkeypatch) -> None:
    monkeypatch.setenv("EXPLORER_PRESET", "quick")

    def shown(at: AppTest, again: bool = True) -> Experiment:
        found = at.session_state["char_rnn"].experiment
        if again:  # reloaded, or opened by somebody else
            address = {name: at.query_params[name] for name in (*SETTINGS, "model") if name in at.query_params}
            assert shown(open_page("char_rnn", **address), again=False) == found, address
        return found

    at = open_page("char_rnn")
    assert shown(at) == Experiment.of("gru", "quick")
    at.session_state["char_rnn"].put(Experiment.of("gru"))
    at.run()
    assert shown(at) == Experiment.of("gru")
    at.button_group(key="char_rnn.rung.2").set_value("lstm").run()
    assert shown(at) == Experiment.of("lstm", "quick")
    home = AppTest.from_file(APP, default_timeout=90).run()
    (station,) = (at for at in re.findall('data-at="([^"]+)"', map_html(views.PATHS)) if "model=lstm" in at)
    home.session_state["home"].go_to(html.unescape(station))
    assert shown(home.run()) == Experiment.of("lstm", "quick")


def test_who_is_here_is_named_by_a_few_digits_and_forgotten_when_gone(monkeypatch) -> None:
    monkeypatch.setattr(attendance, "_seen", {"one": attendance.Seen("0123456789abcdef", "cam", 1.0, 2.0)})
    assert [seen.name for seen in attendance.present()] == ["012345"]

    class Runtime:
        def is_active_session(self, session):
            return False

    monkeypatch.setattr(attendance, "exists", lambda: True)
    monkeypatch.setattr(attendance, "get_instance", Runtime)
    assert attendance.present() == [] and not attendance._seen
