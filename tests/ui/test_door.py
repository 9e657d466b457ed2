"""What the web server does around Streamlit: cookies, headers, an orderly end."""

import asyncio
import re

import pytest

from explorer.store.store import Store
from explorer.ui import identity
from explorer.ui.door import Door
from tests.load.viewer import Viewer
from tests.serving import run_apart, serve

SMALL = "model=gru&hidden=16&n_fac=8&epochs=100&schedule=constant"


async def _page(scope, receive, send) -> None:
    kind = b"text/javascript" if scope["path"].endswith(".js") else b"text/html"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": b"a page"})


def ask(accept: str = "text/html,*/*", cookie: str = "", scheme: str = "http", path: str = "/") -> dict[str, str]:
    """The headers of an answer; those that come twice, once a line."""
    sent = []

    async def send(message) -> None:
        sent.append(message)

    headers = [(b"accept", accept.encode())] + ([(b"cookie", cookie.encode("latin-1"))] if cookie else [])
    scope = {
        "type": "http",
        "scheme": scheme,
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": headers,
        "server": ("school", 80),
    }
    run_apart(Door(_page)(scope, None, send))
    assert sent[1]["body"] == b"a page"
    found: dict[str, str] = {}
    for name, value in sent[0]["headers"]:
        found[name.decode()] = f"{found[name.decode()]}\n{value.decode()}" if name.decode() in found else value.decode()
    return found


def token_of(answer: dict[str, str]) -> str:
    return re.match(rf"{identity.COOKIE}=([^;]+);", answer["set-cookie"]).group(1)


def test_a_browser_that_opens_a_page_gets_a_token_that_scripts_and_other_sites_cannot_use():
    answer = ask()
    assert identity.is_token(token_of(answer)) and token_of(answer) != token_of(ask())
    for word in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"):
        assert word in answer["set-cookie"]
    assert "Secure" not in answer["set-cookie"] and "; Secure" in ask(scheme="https")["set-cookie"]
    assert answer["cache-control"].startswith("private")


def test_it_keeps_its_token_for_as_long_as_it_comes_back():
    token = identity.new_token()
    answer = ask(cookie=f'of another app={{"a": [1, 2]}}; b; {identity.COOKIE}={token}; _streamlit_xsrf=2|a|b|3')
    assert token_of(answer) == token and "Max-Age" in answer["set-cookie"]


@pytest.mark.parametrize("value", ["", "short", "x" * 44, "=;=;", '"', "ä"])
def test_a_cookie_that_is_no_token_is_replaced(value):
    assert identity.is_token(token_of(ask(cookie=f"{identity.COOKIE}={value}")))


def test_only_pages_set_cookies():
    assert "set-cookie" not in ask(accept="*/*") and "set-cookie" not in ask(accept="image/png")


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_every_answer_has_the_headers_that_keep_other_sites_out(accept):
    answer = ask(accept)
    assert answer["x-content-type-options"] == "nosniff" and answer["x-frame-options"] == "SAMEORIGIN"
    assert answer["referrer-policy"] == "same-origin" and "img-src 'self'" in answer["content-security-policy"]


def test_the_script_that_draws_charts_may_be_kept_and_what_is_a_visitors_own_may_not():
    """A picture among the media may be a visitor's photo, of which the page says that it is not kept."""
    kept = ask("*/*", path="/media/0123abcd.js")["cache-control"]
    assert "immutable" in kept and int(re.search(r"max-age=(\d+)", kept)[1]) > 30 * 24 * 3600
    assert "cache-control" not in ask("*/*", path="/media/0123abcd.png")
    assert "cache-control" not in ask("*/*", path="/other.js")


def test_a_server_that_is_asked_to_end_stops_and_saves_what_runs(tmp_path):
    async def train(url: str) -> None:
        async with Viewer(url, "char_rnn", SMALL) as viewer:
            await viewer.open()
            await viewer.press("Train")
            store = Store(tmp_path / "runs")
            while not (store.runs() and len(store.history(store.runs()[0].id))):
                await asyncio.sleep(0.1)

    with serve(tmp_path) as server:
        run_apart(asyncio.wait_for(train(server.url), 120))
    store = Store(tmp_path / "runs")
    (run,) = store.runs()
    assert (run.state, run.message) == ("stopped", "")
    assert store.weights(run.id).exists()
