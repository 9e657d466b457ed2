"""What the web server does around Streamlit: each browser's cookie, safe headers, an orderly end.

``streamlit run`` serves a script that holds an ``st.App`` through that app, with this middleware around every answer.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.ui import identity, internals

SETTLED = 60.0  # seconds after the start until the first tidying: visitors go first
KEPT = 400 * 24 * 3600  # seconds a browser may keep a cookie at most; begins anew at each visit
# What draws charts is among Streamlit's media, which say nothing about that: without it each reload fetches 4.7 MB
# again, and a browser keeps nothing of what it made of them. Its name is a hash of what is in it.
FOR_GOOD = "public, immutable, max-age=31536000"
# Nothing is guessed from a file's content; no other site puts a page into a frame of its own, learns the address of
# a run, or is asked for a picture that somebody's words name.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "img-src 'self' data: blob:; frame-ancestors 'self'",
}

internals.declare_navigation()
internals.look_up_one_by_one()
internals.send_together()
internals.hear_all()


class Door:
    """Gives a browser that opens a page its token, for good, and every answer its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; add to the beginning of what is answered to HTTP."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Request(scope)
        cookie = _cookie(asked) if "text/html" in asked.headers.get("accept", "") else ""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if "/media/" in asked.url.path and headers.get("Content-Type", "").startswith("text/javascript"):
                    headers.setdefault("Cache-Control", FOR_GOOD)
                if cookie:
                    headers.append("Set-Cookie", cookie)
                    headers["Cache-Control"] = "private, no-cache"
            await send(message)

        await self.app(scope, receive, answer)


def _cookie(asked: Request) -> str:
    """The cookie to set: the browser's own token again, else a new one. Scripts cannot read it."""
    known = asked.cookies.get(identity.COOKIE)
    token = known if identity.is_token(known) else identity.new_token()
    secure = "; Secure" if asked.url.scheme == "https" else ""
    return f"{identity.COOKIE}={token}; Path=/; Max-Age={KEPT}; HttpOnly; SameSite=Lax{secure}"


MIDDLEWARE = [Middleware(Door)]


def _make_home() -> None:
    """What the first page is made of, before anybody is answered.

    Beside the first answers it would hold up each of the hundred files that a browser fetches of Streamlit first.
    """
    import explorer.ui.home.server  # noqa: F401
    from explorer.ui.home import map, views

    map.map_html(views.PATHS)


def _start_workers() -> None:
    """Workers outside this process take seconds to start, in which pages that show no run are there already."""
    from explorer.jobs import engine, queue

    if engine.chosen() != engine.THREADS:
        threading.Thread(target=queue.registry, name="start-workers", daemon=True).start()


@contextlib.asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """While the server is up; when it is asked to end, runs are stopped and saved before the process goes."""
    _make_home()
    _start_workers()
    tidying = asyncio.create_task(_tidy_now_and_then())
    yield
    tidying.cancel()
    from explorer.jobs import queue

    await asyncio.to_thread(queue.close)


async def _tidy_now_and_then() -> None:
    """Old runs and texts make room, soon after the start and then every hour."""
    await asyncio.sleep(SETTLED)
    from explorer.store import tidy
    from explorer.store.store import Store

    while True:
        await asyncio.to_thread(tidy.keep_tidy, Store())
        await asyncio.sleep(tidy.EVERY)
