"""A setting that is moved: little is drawn anew, and then the page is what it would be if it were drawn as a whole."""

import asyncio
import time
from collections import Counter

import pytest
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.load.viewer import Viewer
from tests.serving import Server, run_apart

pytestmark = pytest.mark.data

PAGES = {  # by a page and its query: the charts that may be drawn anew
    "char_rnn": 0,
    "char_rnn?model=stateful&show=code": 1,  # that of the unit in the cell
    "cifar10": 0,
    "cifar10?model=builder&depth=2&show=network": 3,  # the plan, and the network twice
    "lr_finder?models=gru,builder": 0,
}
TORCH = b"Where models train on this server"  # what is said of it when it is there
ALL = 8  # sliders of a page that are moved


class Watcher(Viewer):
    """A visitor who remembers what is on screen, and how often things of each kind were drawn by the last run."""

    def __init__(self, *args: str) -> None:
        super().__init__(*args)
        self.screen: dict[tuple[int, ...], tuple[str, bytes]] = {}  # where → the fragment, and what it drew
        self.drawn: Counter[str] = Counter()
        self._new: set[tuple[int, ...]] = set()

    def _heard(self, message: ForwardMsg) -> bool:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.drawn.clear()
            self._new.clear()
            if not message.metadata.run.fragment_ids:
                self.screen.clear()
        elif kind == "delta":
            self._draw(message)
        over = super()._heard(message)
        if over:  # what a fragment has not drawn again is gone
            again = {self.screen[place][0] for place in self._new} - {""}
            self.screen = {
                place: (fragment, what)
                for place, (fragment, what) in self.screen.items()
                if place in self._new or fragment not in again
            }
        return over

    def _draw(self, message: ForwardMsg) -> None:
        place, delta = tuple(message.metadata.delta_path), Delta.FromString(message.delta.SerializeToString())
        what = delta.new_element if delta.WhichOneof("type") == "new_element" else delta.add_block
        self.drawn[what.WhichOneof("type") or "block"] += 1
        if what.WhichOneof("type") == "slider":
            what.slider.ClearField("default")  # where one would begin that was not moved yet
        self.screen[place] = delta.fragment_id, what.SerializeToString()
        self._new.add(place)

    def seen(self) -> dict[tuple[int, ...], bytes]:
        """What is on screen, by where it stands."""
        return {place: what for place, (_, what) in self.screen.items()}


async def come_to_rest(viewer: Watcher) -> None:
    """Look until the page stays as it is: torch comes later, and a network is asked about some pictures at a time."""
    before, end = {}, time.monotonic() + 60
    while (now := viewer.seen()) != before or not any(TORCH in what for what in now.values()):
        assert time.monotonic() < end, "the page does not come to rest"
        before = now
        await asyncio.sleep(0.2)
        await viewer.look()


async def moved(server: Server, address: str) -> None:
    page, _, query = address.partition("?")
    async with Watcher(server.url, page, query) as viewer:
        await viewer.open()
        await come_to_rest(viewer)
        whole = viewer.drawn.total()
        names = [*viewer.sliders, *viewer.stops][:: max(1, (len(viewer.sliders) + len(viewer.stops)) // ALL)]
        for name in names:
            if name in viewer.sliders:
                await viewer.move(name)
            else:
                stops = viewer.stops[name]
                await viewer.choose(name, stops[len(stops) // 3])
            assert viewer.drawn["bidi_component"] <= PAGES[address], (name, viewer.drawn)
            assert viewer.drawn.total() < 0.8 * whole, (name, viewer.drawn.total(), whole)
            seen, query = viewer.seen(), viewer.query
            await viewer.look()
            assert viewer.seen() == seen, name
            assert viewer.query == query, name
        assert len(names) >= 2 and not viewer.errors


@pytest.mark.parametrize("address", PAGES)
def test_a_moved_slider_draws_what_depends_on_it_and_no_more(server: Server, address: str) -> None:
    run_apart(moved(server, address))
