"""What the app uses of Streamlit although Streamlit promises none of it, each thing with its reason.

Seen in Streamlit 1.67. ``tests/ui/test_internals.py`` says plainly which of these a new version breaks. Where it
breaks on a server, visitors lose what each function says, and the log has a warning.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlit.runtime.state.safe_session_state import SafeSessionState
    from streamlit.runtime.uploaded_file_manager import UploadedFile

log = logging.getLogger(__name__)

STYLE = Path(__file__).with_name("style.css")  # hangs on Streamlit's data-testids; loses looks only
PROJECTOR = Path(__file__).with_name("projector.css")
WIDGET_LABEL = '[data-testid="stWidgetLabel"]'  # the words beside a control
MOVED = (AttributeError, ImportError, TypeError)  # how a part shows that is not where, or what, it was


def declare_navigation() -> None:
    """Say, before anybody visits, that the app declares its pages itself.

    A folder called pages/ makes Streamlit show a menu of file names, and run a page without its app, until the app has
    declared its navigation. There is no setting that says it will. Without this a deep link to a server that has just
    started shows that menu.
    """
    try:
        from streamlit.runtime.pages_manager import PagesManager

        PagesManager.uses_pages_directory = False
    except MOVED:
        log.warning("a deep link to a fresh server may show a menu of file names", exc_info=True)


class OneByOne(Mapping[str, Any]):
    """What a session remembers, looked up when asked for."""

    def __init__(self, session: "SafeSessionState") -> None:
        self._session = session

    def __getitem__(self, key: str) -> Any:
        with self._session._lock:
            return self._session._state[key]

    def __iter__(self) -> Iterator[str]:
        with self._session._lock:
            return iter(self._session._state.filtered_state)

    def __len__(self) -> int:
        with self._session._lock:
            return len(self._session._state.filtered_state)


def look_up_one_by_one() -> None:
    """Have each widget look up its own state alone.

    Sliders, lists, numbers and texts copy everything that their session remembers to see whether they themselves are
    set to nothing. That grows with what was ever drawn; without this a page with many of them takes a quarter longer.
    """
    try:
        from streamlit.runtime.state.safe_session_state import SafeSessionState

        if not isinstance(SafeSessionState.filtered_state, property):
            raise AttributeError("filtered_state")
        SafeSessionState.filtered_state = property(OneByOne)
    except MOVED:
        log.warning("pages with many controls are slower", exc_info=True)


class Together:
    """Callbacks for an event loop's thread, handed to it from others: it is woken once for all that wait."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def add(self, callback: Callable[[], None], wake: Callable[[Callable[[], None]], None]) -> None:
        """Put one behind the others; ``wake`` has the loop call something soon."""
        with self._lock:
            self._waiting.append(callback)
            first = len(self._waiting) == 1
        if first:
            wake(self._call)

    def _call(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for callback in waiting:
            try:
                callback()
            except Exception:  # as a loop does with each of its own
                log.exception("what a session had to tell its browser failed")


def send_together() -> None:
    """Have a session hand the elements that its script draws to the server's loop together.

    Each by itself wakes the loop's thread twice, which takes the interpreter from the script: without this a page costs
    a third more, and pages hold each other up sooner.
    """
    try:
        from streamlit.runtime.app_session import AppSession
        from streamlit.runtime.runtime import Runtime

        hand_over, wake = AppSession._call_soon_on_event_loop, Runtime._enqueued_some_message
        if hand_over.__module__ == __name__:
            return  # done: a second time, what is handed over would wait behind itself

        def together(self: AppSession, callback: Callable[[], None]) -> None:
            own = self.__dict__  # of this session, whose callbacks keep their order
            waiting = own.get("_explorer_together") or own.setdefault("_explorer_together", Together())
            waiting.add(callback, lambda call: hand_over(self, call))

        def once(self: Runtime) -> None:
            if not self._get_async_objs().need_send_data.is_set():  # else everything that waits is about to be sent
                wake(self)

        AppSession._call_soon_on_event_loop, Runtime._enqueued_some_message = together, once  # type: ignore[method-assign]
    except MOVED:
        log.warning("pages are slower", exc_info=True)


def hear_all() -> None:
    """Have the whole page answer what was clicked or moved in a part of it that is not there, or not yet.

    A browser that has found a server again shows the page as it was and takes clicks, while the page is begun anew in a
    session that knows none of its parts; and a page drawn anew may leave a part out, or put it elsewhere, under another
    name. Streamlit ignores what is asked of a part that it does not know. Without this those clicks are lost.
    """
    try:
        from streamlit.proto.ClientState_pb2 import ClientState
        from streamlit.runtime.app_session import AppSession
        from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
        from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

        ask, run = AppSession.request_rerun, ScriptRunner._run_script
        if ask.__globals__ is globals():  # done; what Streamlit itself may wrap is not
            return

        @wraps(ask)
        def asked(self: AppSession, client_state: ClientState | None) -> None:
            part = client_state.fragment_id if client_state and not client_state.is_auto_rerun else ""
            if client_state and part and not self.has_fragment(part):
                client_state.ClearField("fragment_id")
            ask(self, client_state)

        @wraps(run)
        def ran(self: ScriptRunner, rerun_data: RerunData) -> None:
            there = all(map(self._fragment_storage.contains, rerun_data.fragment_id_queue))
            if not there and not rerun_data.is_auto_rerun:  # what a timer asks, a click's own request asks again
                rerun_data = replace(rerun_data, fragment_id_queue=[])
            run(self, rerun_data)

        AppSession.request_rerun, ScriptRunner._run_script = asked, ran  # type: ignore[method-assign]
    except MOVED:
        log.warning("a click may be lost while a page is drawn anew", exc_info=True)


def serve_for_good(data: bytes, mimetype: str) -> str | None:
    """The address under which this server offers some bytes to every visitor until it ends.

    What Streamlit's media store is given in the public ways belongs to a session and goes with it. Without this a
    chart is drawn by ``st.plotly_chart``, which forgets its zoom whenever the data change.

    Returns:
        None where no server runs, as in tests, or where Streamlit keeps files in another way by now.
    """
    from streamlit.runtime import exists, get_instance

    if not exists():
        return None
    try:
        from streamlit.runtime.media_file_storage import MediaFileKind

        storage = get_instance().media_file_mgr._storage
        return storage.get_url(storage.load_and_get_id(data, mimetype, MediaFileKind.MEDIA))
    except MOVED:
        log.warning("charts forget their zoom while they are updated", exc_info=True)
        return None


def forget_uploads(files: "Iterable[UploadedFile]") -> None:
    """Free the bytes of uploads that have been read.

    Streamlit keeps them until the session ends, which for a class that brings photos is a gigabyte; visitors are told
    that their photos are not kept.
    """
    try:
        from streamlit.runtime.scriptrunner import get_script_run_ctx

        context = get_script_run_ctx()
        for file in files if context else ():
            # the protocol lacks what its only implementation has
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)  # type: ignore[union-attr]
    except MOVED:
        log.warning("uploads stay in memory until their sessions end", exc_info=True)


def unheard() -> bool:
    """Whether this run is for a click, too, and has not come to what was clicked.

    Streamlit answers what has gathered in one run, a timer's fragment perhaps before the one with the button, and takes
    clicks for answered when ``st.rerun()`` breaks a run off. Without this a page that draws itself anew loses them.
    """
    try:
        from streamlit.runtime.scriptrunner import get_script_run_ctx
        from streamlit.runtime.scriptrunner_utils.script_requests import _TRIGGER_PROTO_FIELDS
        from streamlit.runtime.state.session_state_proxy import get_session_state

        context = get_script_run_ctx()
        if context is None:
            return False
        heard = context.shared.widget_ids_this_run.snapshot()
        session = get_session_state()
        with session._lock:
            widgets = session._state._new_widget_state
            kinds = widgets.widget_metadata.items()
            clicks = [name for name, known in kinds if known.value_type in _TRIGGER_PROTO_FIELDS]
            return any(widgets.get(name) for name in clicks if name not in heard)
    except MOVED:
        log.warning("a click may be lost where a page draws itself anew", exc_info=True)
        return False
