"""What every page needs before it draws: the owner of its runs, the store, torch loaded behind the first page."""

import functools
import gc
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import streamlit as st

from explorer import paths
from explorer.jobs.engine import far
from explorer.store.store import Store
from explorer.ui import identity, internals, links, parts, share, state
from explorer.ui.desk import attendance

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from explorer.store.history import Snapshot

P = ParamSpec("P")
T = TypeVar("T")

SETTLE = 1.0  # seconds the first page gets before torch's import competes with it for the interpreter


@dataclass
class Engine:
    """Torch and its company, imported behind the first page so that it does not wait for them."""

    ready: threading.Event = field(default_factory=threading.Event)
    device: str = ""
    problem: str = ""
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _freezing: threading.Lock = field(default_factory=threading.Lock)
    _frozen: int = 0  #: modules there were when the garbage collector was last told to leave everything alone

    @property
    def place(self) -> str:
        """Where models train, in words."""
        return "a cluster" if far() else self.device

    def wait(self) -> None:
        """Return when torch is here; who needs it now does not wait for the first page to settle."""
        with self._loading:
            if not self.ready.is_set():
                self._load()

    def _load(self) -> None:
        """Import what training needs."""
        try:
            import explorer.figures.curves
            import explorer.runs.train  # noqa: F401
            from explorer import devices

            self.device = devices.describe()
        except Exception as error:  # shown in the sidebar: without torch nothing trains
            self.problem = str(error)
        self.freeze()
        self.ready.set()

    def freeze(self) -> None:
        """Take what has been imported since the last time out of the garbage collector's way.

        Streamlit collects garbage after every run of a script: with torch's objects among it that takes 175 ms, with
        those that torchvision, imported later by one page, brings along another 110, on every page, for everybody.
        What visitors had on their pages the last time is in its way again: some of them have gone since.
        """
        with self._freezing:
            if len(sys.modules) > self._frozen:
                self._frozen = len(sys.modules)
                gc.unfreeze()
                gc.collect()
                gc.freeze()


def once(make: Callable[P, T]) -> Callable[P, T]:
    """Have something made once for each argument, also for visitors who ask for it in the same moment.

    A page asks for what the whole server shares a dozen times in a run; Streamlit's own cache would read the maker's
    arguments and look through its own books each time.
    """
    lock, made = threading.Lock(), functools.cache(make)

    @functools.wraps(make)
    def get(*args: P.args, **kwargs: P.kwargs) -> T:
        with lock:
            return made(*args, **kwargs)  # type: ignore[arg-type]  # what they are asked with can be a key

    return get


@once
def engine() -> Engine:
    """The one engine of this process, loading or loaded."""
    made = Engine()
    later = threading.Timer(SETTLE, made.wait)
    later.daemon = True
    later.start()
    return made


def store() -> Store:
    """The runs on this server's disk."""
    return _store(str(paths.home()))


@once
def _store(home: str) -> Store:
    return Store(Path(home) / "runs")


@st.cache_data(max_entries=64, show_spinner=False)
def history(run: str, updated: float) -> "Snapshot":
    """A run's history as it is on the disk; read again only after something was written to it."""
    return store().history(run)


def owner() -> str:
    """Whose this session's runs are: the same in every tab of a browser, after reloads and restarts of the server.

    A browser that keeps no cookies is another one in every session, which its pages say.
    """
    here = state.session()
    if not here.owner:
        token = st.context.cookies.get(identity.COOKIE)
        if token is None or not identity.is_token(token):
            here.forgotten, token = True, identity.new_token()
        here.owner = identity.owner_of(token)
    return here.owner


_LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="190" height="32" viewBox="0 0 190 32">
<g fill="none" stroke="#3D7DC8" stroke-width="2"><path d="M6 8 18 16 6 24M18 16H30"/></g>
<g fill="#3D7DC8"><circle cx="6" cy="8" r="3.4"/><circle cx="6" cy="24" r="3.4"/></g>
<circle cx="18" cy="16" r="3.8" fill="#C9690F"/><circle cx="31" cy="16" r="3.4" fill="#16877A"/>
<text x="44" y="22" font-family="Georgia,serif" font-size="18" fill="#3D7DC8">Lesson 7, explored</text>
</svg>"""

_CARDS = Path(__file__).with_name("cards.css")
_FORGOTTEN = "This browser keeps no cookies: what you train is yours only until you reload or close this page."

# Streamlit makes an entry of the browser's history of every change to the address, so that Back would go through all
# the sliders that were moved; a page is one entry.
_ADDRESS = """<script>
if (!history.pushState.pages) {
  const push = history.pushState;
  history.pushState = function (state, title, url) {
    const here = new URL(url ?? "", location.href).pathname === location.pathname;
    return (here ? history.replaceState : push).call(history, state, title, url);
  };
  history.pushState.pages = true;
}
</script>"""


@functools.cache
def _dress(*styles: Path) -> parts.Ready:
    """All that a page wears, as one element, which hides itself."""
    text = "".join(f"<style>{' '.join(path.read_text().split())}</style>" for path in styles)
    return parts.Ready(f'<i class="x-dress"></i>{text}{_ADDRESS}')


def enter() -> None:
    """First line of every page but the home page, which draws no chart: what charts need is there, whole.

    Plotly looks whether pandas has been imported, and a table in another visitor's page may be importing it just then:
    half of it breaks the chart.
    """
    import pandas  # noqa: F401


def begin(page: str) -> "DeltaGenerator":
    """Before a page: load torch behind it, dress it, and put the teacher switch into the sidebar.

    Args:
        page: its address on this server.

    Returns:
        The switch's row, where :func:`end` puts the button that shares the page's link, and the device.
    """
    engine()
    newcomer = not state.session().owner
    attendance.note(owner(), page)
    if newcomer and state.session().forgotten:
        st.toast(_FORGOTTEN, icon=":material/cookie_off:", duration="infinite")
    styles = (internals.STYLE, _CARDS, internals.PROJECTOR) if state.teacher() else (internals.STYLE, _CARDS)
    st.html(_dress(*styles), unsafe_allow_javascript=True)
    links.begin(page)
    with st.sidebar:
        row = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    row.toggle(
        "Teacher view",
        key=links.bound("teacher", "teacher", links.SWITCH, False),
        persist_state="session",
        help="For a projector: larger type, the chart as high as the screen, no sidebar (its arrow brings it "
        "back), no panels with code and notes.",
    )
    return row


def end(row: "DeltaGenerator") -> None:
    """After the page: its link, the device, the logo (Streamlit imports NumPy and Pillow for it); what it imported."""
    links.end()
    share.button(row)
    made = engine()
    if made.problem:
        row.badge("torch cannot be loaded", icon=":material/error:", color="red", help=made.problem)
    elif made.ready.is_set():
        row.badge(made.place, icon=":material/memory:", color="gray", help="Where models train on this server.")
    st.logo(_LOGO, size="large")
    if made.ready.is_set():
        made.freeze()
