"""Which part of Streamlit that it does not promise is not there any more: each test's name says what visitors lose."""

import asyncio
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest, local_script_runner

from explorer.ui import internals


def test_a_deep_link_to_a_fresh_server_shows_the_app_and_no_menu_of_files(tmp_path) -> None:
    """What Streamlit makes of a script beside a folder called pages/, before that script has run."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "app.py").touch()
    program = (
        "import sys\nfrom streamlit.runtime.pages_manager import PagesManager\nfrom explorer.ui import internals\n"
        "if sys.argv[2] == 'declared': internals.declare_navigation()\n"
        "print(PagesManager(sys.argv[1]).uses_pages_directory)"
    )

    def menu_of_files(how: str) -> str:
        command = [sys.executable, "-c", program, str(tmp_path / "app.py"), how]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert menu_of_files("declared") == "False"
    assert menu_of_files("by itself") == "True", "Streamlit no longer needs to be told: declare_navigation can go"


def test_a_widget_looks_up_its_own_state_alone(monkeypatch) -> None:
    """The copy of everything that Streamlit makes for each widget says the same, key by key."""
    from streamlit.runtime.state.safe_session_state import SafeSessionState
    from streamlit.runtime.state.session_state import SessionState

    monkeypatch.setattr(SafeSessionState, "filtered_state", SafeSessionState.filtered_state)  # put back afterwards
    state = SessionState()
    state["rate"], state["none"] = 0.1, None
    session = SafeSessionState(state, lambda: None)
    copied = state.filtered_state
    assert isinstance(copied, dict), "Streamlit no longer copies: look_up_one_by_one can go"
    internals.look_up_one_by_one()
    asked = []
    monkeypatch.setattr(SessionState, "_keys", lambda self: asked.append(self) or set())
    looked_up = session.filtered_state
    assert {key: looked_up[key] for key in copied} == copied and "rate" in looked_up and "other" not in looked_up
    assert not asked, "all keys were gone through"


def test_what_a_script_draws_wakes_the_servers_loop_once_and_comes_in_order(monkeypatch, caplog) -> None:
    from streamlit.runtime.app_session import AppSession
    from streamlit.runtime.runtime import Runtime

    for kind, name in ((AppSession, "_call_soon_on_event_loop"), (Runtime, "_enqueued_some_message")):
        monkeypatch.setattr(kind, name, getattr(kind, name))  # put back afterwards
    for _ in range(2):  # asked for twice, it is done once
        internals.send_together()
    woken, seen = [], []
    loop = SimpleNamespace(call_soon_threadsafe=woken.append)
    session = SimpleNamespace(_event_loop=loop)
    hand_over = partial(AppSession._call_soon_on_event_loop, session)
    with ThreadPoolExecutor(4) as threads:
        for start in range(4):
            draw = [lambda n=n, start=start: seen.append((start, n)) for n in range(200)]
            threads.submit(lambda draw=draw: [hand_over(one) for one in draw])
    assert len(woken) == 1 and not seen
    hand_over(lambda: 1 / 0)  # one that fails keeps none of the others
    hand_over(lambda: hand_over(lambda: seen.append("later")))
    woken[0]()
    assert "ZeroDivisionError" in caplog.text
    assert [[n for at, n in seen if at == start] for start in range(4)] == [list(range(200))] * 4
    assert len(woken) == 2
    woken[1]()
    assert seen[-1] == "later"

    sent = asyncio.Event()
    runtime = SimpleNamespace(_get_async_objs=lambda: SimpleNamespace(eventloop=loop, need_send_data=sent))
    del woken[:]
    Runtime._enqueued_some_message(runtime)
    assert woken == [sent.set]
    sent.set()
    Runtime._enqueued_some_message(runtime)
    assert len(woken) == 1, "what waits is sent together"


@pytest.fixture
def all_heard(monkeypatch):
    """``internals.hear_all`` for a test; returns how Streamlit itself takes what a browser asks for."""
    from streamlit.runtime.app_session import AppSession
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

    for kind, name in ((AppSession, "request_rerun"), (ScriptRunner, "_run_script")):
        own = getattr(kind, name)  # another test may have served the app here
        monkeypatch.setattr(kind, name, getattr(own, "__wrapped__", own))  # put back afterwards
    alone = AppSession.request_rerun
    for _ in range(2):  # asked for twice, it is done once
        internals.hear_all()
    return alone


def test_a_click_before_the_page_is_there_again_is_heard(all_heard) -> None:
    """A browser finds its server again: the page is shown as it was, the new session knows none of its parts."""
    from streamlit.proto.ClientState_pb2 import ClientState
    from streamlit.runtime.app_session import AppSession

    begun = []
    session = SimpleNamespace(
        _state=None, _scriptrunner=None, has_fragment=lambda part: part == "known", _create_scriptrunner=begun.append
    )
    session._client_state = ClientState()
    all_heard(session, ClientState(fragment_id="lost"))
    assert not begun, "Streamlit answers it by itself: internals.hear_all can go"
    AppSession.request_rerun(session, ClientState(fragment_id="lost", is_auto_rerun=True))
    assert not begun, "a timer's part that is gone needs nothing"
    for part in ("lost", "known", ""):
        AppSession.request_rerun(session, ClientState(fragment_id=part, query_string="model=gru"))
    AppSession.request_rerun(session, None)
    assert [data.fragment_id for data in begun] == [None, "known", None, None]
    assert [data.query_string for data in begun] == ["model=gru"] * 3 + [""]


def test_plotly_is_served_to_everybody_and_no_sessions_end_takes_it_away(monkeypatch) -> None:
    storage = MemoryMediaFileStorage("/media")
    manager = MediaFileManager(storage)
    monkeypatch.setattr("streamlit.runtime.exists", lambda: True)
    monkeypatch.setattr("streamlit.runtime.get_instance", lambda: SimpleNamespace(media_file_mgr=manager))
    address = internals.serve_for_good(b"let x = 1;", "text/javascript")
    assert address and address.startswith("/media/")
    manager.clear_session_refs("somebody's")
    manager.remove_orphaned_files()
    assert storage.get_file(address.removeprefix("/media/")).content == b"let x = 1;"


def test_without_a_server_nothing_is_served_and_nothing_said(caplog) -> None:
    assert internals.serve_for_good(b"", "text/javascript") is None and not caplog.records


def test_a_store_of_another_make_is_said_in_the_log(monkeypatch, caplog) -> None:
    monkeypatch.setattr("streamlit.runtime.exists", lambda: True)
    monkeypatch.setattr("streamlit.runtime.get_instance", lambda: SimpleNamespace(media_file_mgr=object()))
    assert internals.serve_for_good(b"", "text/javascript") is None
    assert "zoom" in caplog.text


def test_uploads_that_were_read_are_gone_from_memory(monkeypatch) -> None:
    uploads = MemoryUploadedFileManager("/upload")
    for name in ("cat", "dog"):
        uploads.add_file("a session", UploadedFileRec(name, f"{name}.jpg", "image/jpeg", b"pixels"))
    context = SimpleNamespace(session_id="a session", uploaded_file_mgr=uploads)
    monkeypatch.setattr("streamlit.runtime.scriptrunner.get_script_run_ctx", lambda: context)
    internals.forget_uploads([SimpleNamespace(file_id="cat")])
    assert [file.file_id for file in uploads.get_files("a session", ["cat", "dog"])] == ["dog"]


def test_a_pages_context_still_knows_its_session_and_its_uploads() -> None:
    from streamlit.elements.widgets.file_uploader import UploadedFile
    from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

    assert {"session_id", "uploaded_file_mgr"} <= ScriptRunContext.__dataclass_fields__.keys()
    record = UploadedFileRec("an id", "cat.jpg", "image/jpeg", b"")
    assert UploadedFile(record, SimpleNamespace()).file_id == "an id"


def test_a_part_that_has_moved_is_said_in_the_log_and_stops_no_page(monkeypatch, caplog) -> None:
    context = SimpleNamespace(session_id="a session")
    monkeypatch.setattr("streamlit.runtime.scriptrunner.get_script_run_ctx", lambda: context)
    internals.forget_uploads([SimpleNamespace(file_id="cat")])
    assert "uploads stay in memory" in caplog.text
    assert not internals.unheard() and "a click may be lost" in caplog.text


@pytest.fixture(scope="module")
def scripts() -> str:
    """All that Streamlit runs in the browser."""
    return "\n".join(path.read_text() for path in Path(streamlit.__file__).parent.glob("static/static/js/*.js"))


@pytest.mark.parametrize("style", [internals.STYLE, internals.PROJECTOR], ids=lambda path: path.name)
def test_every_element_that_our_styles_name_is_still_called_that(style, scripts) -> None:
    names = set(re.findall(r'data-testid="(\w+)', style.read_text() + internals.WIDGET_LABEL))
    assert len(names) >= 3
    assert [name for name in sorted(names) if name not in scripts] == []


def clicked_beside_a_timer():
    """A page with a timer that draws it anew, and a button below."""
    import streamlit as st

    from explorer.ui import live

    seen = st.session_state

    @st.fragment(run_every=600, key="timer")
    def timer() -> None:
        if seen.get("over"):
            seen.over -= 1
            (live.redraw if seen.kept else st.rerun)()

    @st.fragment(key="buttons")
    def buttons() -> None:
        if st.button("Train"):
            seen.trained = True

    timer()
    buttons()


@pytest.mark.parametrize("of_a_timer", [False, True])
def test_a_click_on_a_part_that_the_run_before_left_out_is_heard(monkeypatch, all_heard, of_a_timer) -> None:
    """Clicks wait for the run that is at work; what it has not drawn is gone when it ends."""
    at = AppTest.from_function(clicked_beside_a_timer).run()
    asked = partial(RerunData, fragment_id_queue=["gone"], is_auto_rerun=of_a_timer)
    monkeypatch.setattr(local_script_runner, "RerunData", asked)
    at.session_state.over = 0
    at.button[0].click().run()
    assert ("trained" in at.session_state) != of_a_timer, "a browser repeats a click whose request a timer's overtook"


@pytest.mark.parametrize("kept", [True, False])
def test_a_click_that_is_answered_in_one_run_with_a_timer_is_heard(monkeypatch, kept) -> None:
    """On a busy server what has gathered is one run: the timer's fragment first, which draws the page anew."""
    at = AppTest.from_function(clicked_beside_a_timer).run()
    queue = list(at._fragment_storage._fragments)
    monkeypatch.setattr(local_script_runner, "RerunData", partial(RerunData, fragment_id_queue=queue))
    at.session_state.over, at.session_state.kept = 1, kept
    at.button[0].click().run()
    if not kept:
        assert "trained" not in at.session_state, "Streamlit keeps it by itself: internals.unheard can go"
        return
    assert at.session_state.trained and at.session_state.over == 0
    at.session_state.over = 1
    at.run()
    assert at.session_state.over == 0
