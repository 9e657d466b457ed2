"""The teacher's page opens with a token that whoever runs the server has set, and is not there without one."""

import functools
import hmac
import logging
import os
import threading
import time

import streamlit as st

from explorer.ui import state

log = logging.getLogger(__name__)

VARIABLE = "EXPLORER_TEACHER_TOKEN"
SHORTEST = 16  # characters: a shorter one can be guessed
PAUSE = 1.0  # seconds between two wrong tries of one browser; what keeps a token from being guessed is its length


def token() -> str:
    """The token, where one is set; "" closes the page."""
    return _usable(os.environ.get(VARIABLE, "").strip())


@functools.lru_cache(maxsize=1)  # the warning once, not at each visitor's every click
def _usable(found: str) -> str:
    if found and len(found) < SHORTEST:
        log.warning("%s is shorter than %d characters: there is no teacher's page", VARIABLE, SHORTEST)
        return ""
    return found


class Attempts:
    """Wrong tries, which keep the next ones of the same browser waiting, and nobody else's."""

    def __init__(self) -> None:
        self._again: dict[str, float] = {}  # when whoever was wrong in the last second may try again
        self._lock = threading.Lock()

    def right(self, word: str, owner: str) -> bool | None:
        """Whether that is the token, compared in constant time; None if it is too soon after ``owner``'s wrong one."""
        now = time.monotonic()
        with self._lock:
            self._again = {one: at for one, at in self._again.items() if at > now}
            if owner in self._again:
                return None
            wanted = token()
            right = bool(wanted) and hmac.compare_digest(word.encode(), wanted.encode())
            if not right:
                self._again[owner] = now + PAUSE
            return right


ATTEMPTS = Attempts()


def opened() -> bool:
    """Whether this session has shown the token; else the question for it. It is kept nowhere but in the session."""
    here = state.desk()
    if not token():
        st.error("There is no teacher's page on this server.", icon=":material/lock:")
        return False
    if here.opened:
        return True
    with st.form(here.key("entry"), width=420):
        word = st.text_input("The teacher's token", type="password", max_chars=200, autocomplete="off")
        st.caption(f"Whoever runs this server has set it as `{VARIABLE}`.")
        asked = st.form_submit_button("Open", type="primary", icon=":material/lock_open:")
    if asked:
        right = ATTEMPTS.right(word, state.session().owner)
        if right:
            here.opened = True
            st.rerun()
        st.error("One try a second: wait a moment." if right is None else "That is not the token.")
    return False
