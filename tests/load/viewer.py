"""One simulated visitor: Streamlit's own protocol over its websocket, without a browser."""

import asyncio
import time
import urllib.request
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import XSRF_COOKIE_NAME
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from explorer.ui import identity

PATIENCE = 60.0  # seconds until a run that does not end counts as lost
WENT_WELL = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


class Lost(Exception):
    """The server closed the connection or never answered."""


@dataclass
class Viewer:
    """A session on one page: what it has on screen, and how long each of its requests took."""

    url: str
    page: str  #: "" for the home page
    query: str = ""
    token: str = ""  #: of its browser; without one it keeps no cookies
    seconds: list[float] = field(default_factory=list)  #: of each slider moved
    fragments: list[float] = field(default_factory=list)  #: of each run of a timer's fragment
    opened: float = float("nan")  #: seconds until the page was there
    errors: list[str] = field(default_factory=list)
    sliders: dict[str, tuple[float, float, float]] = field(default_factory=dict)  #: id → low, high, value
    stops: dict[str, list[str]] = field(default_factory=dict)  #: id of a slider with stops → its stops, as they read
    fragment_of: dict[str, str] = field(default_factory=dict)  #: slider's id → what a browser asks for
    buttons: dict[str, str] = field(default_factory=dict)  #: label → id
    uploaders: dict[str, str] = field(default_factory=dict)  #: label → id
    timers: dict[str, float] = field(default_factory=dict)  #: fragment id → seconds between its runs
    _session: str = ""
    _script: str = ""  #: the page's hash, as the server calls it
    _fragment: str = ""  #: the one asked for, in this request
    _moved: dict[str, float | str] = field(default_factory=dict)
    _socket: ClientConnection | None = None

    async def __aenter__(self) -> "Viewer":
        address = self.url.replace("http", "ws") + "/_stcore/stream"
        cookie = {"Cookie": f"{identity.COOKIE}={self.token}"} if self.token else None
        self._socket = await connect(
            address, subprotocols=["streamlit"], max_size=None, open_timeout=PATIENCE, additional_headers=cookie
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def open(self) -> None:
        """Arrive at the page."""
        self.opened = await self._run(page=self.page)

    async def slide(self, share: float) -> None:
        """Move one of the page's sliders, or just look again where there is none; ``share`` in [0, 1) chooses."""
        names = sorted(self.sliders)
        self.seconds.append(await (self.move(names[int(share * len(names))]) if names else self.look()))

    async def move(self, name: str) -> float:
        """Move a slider to one of its ends; the seconds it took."""
        low, high, value = self.sliders[name]
        self._moved[name] = low if value != low else high
        self.sliders[name] = (low, high, self._moved[name])
        return await self._run(fragment=self.fragment_of.get(name, ""))

    async def choose(self, name: str, stop: str) -> float:
        """Move a slider with stops to one of them; the seconds it took."""
        self._moved[name] = stop
        return await self._run(fragment=self.fragment_of.get(name, ""))

    async def look(self) -> float:
        """Have the page drawn again; the seconds it took."""
        return await self._run()

    async def press(self, label: str) -> None:
        """Click a button."""
        await self._run(pressed=self.buttons[label])

    async def tick(self) -> None:
        """What the browser does by itself: run each fragment that has a timer."""
        for fragment in list(self.timers):
            self.fragments.append(await self._run(fragment=fragment))

    async def watch(self, seconds: float = 0.25) -> None:
        """Stay until no fragment has a timer any more: what ran has ended."""
        while self.timers:
            await asyncio.sleep(seconds)
            await self.tick()

    async def upload(self, label: str, name: str, data: bytes) -> None:
        """Drop a file into an uploader."""
        request = BackMsg()
        request.file_urls_request.request_id, request.file_urls_request.session_id = "one", self._session
        request.file_urls_request.file_names.append(name)
        await self._socket.send(request.SerializeToString())
        while (heard := ForwardMsg.FromString(await self._socket.recv())).WhichOneof("type") != "file_urls_response":
            pass
        (urls,) = heard.file_urls_response.file_urls
        await asyncio.to_thread(_put, self.url + urls.upload_url, name, data)
        state = WidgetState(id=self.uploaders[label])
        state.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(data), file_id=urls.file_id, file_urls=urls
        )
        await self._run(dropped=state)

    async def _run(
        self, *, page: str = "", pressed: str = "", fragment: str = "", dropped: WidgetState | None = None
    ) -> float:
        """Ask for a run of the script and wait for its end; the seconds it took."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash, state.page_name = self.query, self._script, page
        state.fragment_id = self._fragment = fragment
        for name, value in self._moved.items():
            state.widget_states.widgets.append(_slider(name, value))
        if pressed:
            state.widget_states.widgets.append(WidgetState(id=pressed, trigger_value=True))
        if dropped:
            state.widget_states.widgets.append(dropped)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._socket.send(message.SerializeToString())
                while not self._heard(ForwardMsg.FromString(await self._socket.recv())):
                    pass
        except (ConnectionClosed, TimeoutError) as error:
            self.errors.append(f"lost: {error!r}")
            raise Lost(self.page) from error
        return time.perf_counter() - started

    def _heard(self, message: ForwardMsg) -> bool:
        """Take note of what the server says; whether the run has ended."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._script = message.new_session.page_script_hash
            self._session = message.new_session.initialize.session_id
            if not self._fragment:
                self.sliders, self.stops, self.buttons, self.uploaders, self.timers = {}, {}, {}, {}, {}
        elif kind == "navigation":
            self._script = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self.timers[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "delta":
            self._drawn(message.delta.new_element)
            if slider := message.delta.new_element.slider.id:
                self.fragment_of[slider] = message.delta.fragment_id
        elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._fragment = ""  # what follows is a run of the whole page
        elif kind == "script_finished":
            if message.script_finished not in WENT_WELL:
                self.errors.append("the script did not compile")
            return True
        return False

    def _drawn(self, element: object) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.errors.append(f"{element.exception.type}: {element.exception.message}")
        elif kind == "button":
            self.buttons[element.button.label] = element.button.id
        elif kind == "file_uploader":
            self.uploaders[element.file_uploader.label] = element.file_uploader.id
        elif kind == "slider" and len(element.slider.default) == 1 and not element.slider.options:
            slider = element.slider
            value = self._moved.get(slider.id, slider.default[0])
            self.sliders[slider.id] = (slider.min, slider.max, value)
        elif kind == "slider" and len(element.slider.default) == 1:
            self.stops[element.slider.id] = list(element.slider.options)


def _put(url: str, name: str, data: bytes) -> None:
    """Send a file as a browser does."""
    token, line = generate_xsrf_token_string(), "explorer-endurance"
    head = f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    request = urllib.request.Request(
        url,
        head.encode() + data + f"\r\n--{line}--\r\n".encode(),
        {
            "Content-Type": f"multipart/form-data; boundary={line}",
            "X-Xsrftoken": token,
            "Cookie": f"{XSRF_COOKIE_NAME}={token}",
        },
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=PATIENCE).read()


def _slider(name: str, value: float | str) -> WidgetState:
    state = WidgetState(id=name)
    (state.string_array_value if isinstance(value, str) else state.double_array_value).data.append(value)
    return state
