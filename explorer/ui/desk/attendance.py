"""Who is here: the sessions that have a page open, by a name that tells browsers apart and says nothing else."""

import threading
import time
from dataclasses import dataclass

from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

REMEMBERED = 2000  # sessions


@dataclass(frozen=True)
class Seen:
    """A session, when it last asked for a page."""

    owner: str
    page: str
    since: float  #: time.time() of its first page
    last: float  #: of its last

    @property
    def name(self) -> str:
        """What the teacher calls it."""
        return short(self.owner)


def short(owner: str) -> str:
    """The first digits of an owner: enough to tell thirty apart."""
    return owner[:6] or "terminal"


_seen: dict[str, Seen] = {}
_lock = threading.Lock()


def note(owner: str, page: str) -> None:
    """A session draws a page. Called once for each run of the script."""
    context = get_script_run_ctx()
    if context is None:
        return
    with _lock:
        before = _seen.pop(context.session_id, None)
        _seen[context.session_id] = Seen(owner, page, before.since if before else time.time(), time.time())
        while len(_seen) > REMEMBERED:
            del _seen[next(iter(_seen))]


def present() -> list[Seen]:
    """The sessions that are connected now, the newest first; what has gone is forgotten."""
    with _lock:
        if exists():
            runtime = get_instance()
            for session in [session for session in _seen if not runtime.is_active_session(session)]:
                del _seen[session]
        return sorted(_seen.values(), key=lambda seen: -seen.since)
