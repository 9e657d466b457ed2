"""Two servers behind nginx and a cluster, as `explorer/deploy` has it.

A browser stays at one of them; one's end moves only its own, with the runs that they look at.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from explorer import paths
from explorer.data.photos import to_bytes
from explorer.store.store import Store
from explorer.store.words import State
from explorer.ui import identity
from tests.browser.conftest import Visitor
from tests.serving import Server, free_port, ray_head, serve, wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.cluster,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not here (Debian: apt-get install nginx)"),
]
DEPLOY = paths.REPOSITORY / "explorer" / "deploy"
CLASS = 30


class Two(NamedTuple):
    """Where browsers go, and what stands behind."""

    before: Server
    behind: dict[str, Server]  #: by the address nginx knows it under


def configuration(port: int, addresses: list[str], folder: Path) -> str:
    """The shipped files, with these ports and without TLS; every answer says which server it is from."""
    several = (DEPLOY / "nginx-several.conf").read_text()
    for shipped, address in zip(("127.0.0.1:8501", "127.0.0.1:8502"), addresses, strict=True):
        assert shipped in several
        several = several.replace(shipped, address)
    one = (DEPLOY / "nginx.conf").read_text().replace("http://127.0.0.1:8501", "http://explorer")
    one = one[: one.index("server {\n    listen 80;")]
    one = re.sub(r"    (server_name|ssl_certificate\w*) .*\n", "", one).replace("listen 443 ssl", f"listen {port}")
    said = "        add_header X-Served-By $upstream_addr always;\n        proxy_pass"
    paths_of = "".join(f"    {what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi"))
    paths_of += "".join(f"    {what}_temp_path {folder}/{what};\n" for what in ("uwsgi", "scgi"))
    return (
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nevents {{}}\nhttp {{\n"
        f"    access_log off;\n{paths_of}{several}{one.replace('        proxy_pass', said)}}}\n"
    )


def step(visitor: Visitor) -> int:
    """The step that the page's run has reached, as its row of numbers says."""
    found = re.search(r"\bstep ([\d,]+)", visitor.page.get_by_test_id("stMain").inner_text())
    return int(found[1].replace(",", "")) if found else 0


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    shared = {"EXPLORER_HOME": str(tmp_path / "home"), "STREAMLIT_SERVER_COOKIE_SECRET": "one for both"}
    for name in ("home", "a", "b", "nginx"):
        (tmp_path / name).mkdir()
    with contextlib.ExitStack() as ending:
        shared |= ending.enter_context(ray_head(Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="ray")))))
        a, b = (ending.enter_context(serve(tmp_path / name, **shared)) for name in ("a", "b"))
        port, folder = free_port(), tmp_path / "nginx"
        behind = {server.url.removeprefix("http://"): server for server in (a, b)}
        (folder / "nginx.conf").write_text(configuration(port, list(behind), folder))
        nginx = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
        ending.callback(nginx.wait, 20)
        ending.callback(nginx.terminate)
        wait_for(f"http://127.0.0.1:{port}", 20, folder / "error.log")
        yield Two(Server(f"http://127.0.0.1:{port}", tmp_path / "home", nginx.pid), behind)


def served_by(two: Two, token: str, path: str = "_stcore/health") -> str:
    """The address of who answers a browser with this cookie."""
    asked = urllib.request.Request(f"{two.before.url}/{path}", headers={"Cookie": f"{identity.COOKIE}={token}"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.headers["x-served-by"]


def test_browsers_keep_their_server_uploads_arrive_and_a_servers_end_moves_its_own(two, browser, tmp_path) -> None:
    tokens = [f"{number:043d}" for number in range(CLASS)]
    at = {token: served_by(two, token) for token in tokens}
    assert set(at.values()) == set(two.behind), "both have visitors"
    assert at == {token: served_by(two, token, "cam") for token in tokens}

    # A newcomer, and one browser at each server.
    visitors: dict[str, Visitor] = {}
    for token in ("", *(next(one for one in tokens if at[one] == address) for address in two.behind)):
        context = browser.new_context()
        if token:
            context.add_cookies([{"name": identity.COOKIE, "value": token, "url": two.before.url}])
        visitor = Visitor(context.new_page(), two.before)
        page = visitor.open("cam").page
        photo = tmp_path / f"shape-{len(visitors)}.png"
        photo.write_bytes(to_bytes(np.full((60, 60, 3), 20 * len(visitors), np.uint8), "PNG"))
        page.locator("input[type=file]").first.set_input_files(photo)
        page.get_by_alt_text(re.compile(photo.stem)).first.wait_for()  # the uploader names it before it is here
        (cookie,) = (one["value"] for one in context.cookies() if one["name"] == identity.COOKIE)
        assert cookie == (token or cookie)
        visitors[cookie] = visitor
        at[cookie] = page.request.get(f"{two.before.url}/cam").headers["x-served-by"]
        assert page.request.get(f"{two.before.url}/_stcore/health").headers["x-served-by"] == at[cookie]

    token, moved = list(visitors.items())[-1]
    gone = at[token]
    moved.go("char_rnn?model=gru&hidden=16&n_fac=8&epochs=100&schedule=constant")
    moved.idle()
    moved.press("Train")
    moved.page.wait_for_url(re.compile(r"run=\w+"))
    run = re.search(r"run=(\w+)", moved.page.url).group(1)
    moved.until(moved.page.get_by_role("button", name="Stop").first.is_enabled)
    moved.until(lambda: step(moved) > 2)
    os.kill(two.behind[gone].pid, signal.SIGKILL)
    began, known = time.monotonic(), step(moved)
    moved.until(lambda: step(moved) > known, 120)  # of the same run: it was never away
    print(f"back after {time.monotonic() - began:.1f} s")
    main = moved.page.get_by_test_id("stMain")
    assert run in moved.page.url and "hidden=16" in moved.page.url
    assert main.get_by_text("somebody else's run").count() == 0 and "running" in main.inner_text()
    moved.press("Stop")
    main.get_by_text("stopped", exact=True).first.wait_for()
    for known_as, address in at.items():  # those of the other are where they were, with what they had
        assert served_by(two, known_as) != gone and (address == gone or served_by(two, known_as) == address)
    (stayed,) = (visitor for cookie, visitor in list(visitors.items())[1:] if at[cookie] != gone)
    assert stayed.page.get_by_alt_text(re.compile("shape-")).first.is_visible()
    record = Store(two.before.home / "runs")
    moved.until(lambda: record.run(run).state == State.STOPPED)
    steps = record.history(run)["step"]
    assert steps.tolist() == list(range(1, len(steps) + 1)), "one run, from its first step to its last"
    for visitor in visitors.values():
        visitor.page.context.close()
