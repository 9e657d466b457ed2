"""A real server on a free port, a cluster, the flags of a real Chromium: for browser tests, benchmarks, load test."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from explorer import paths
from tests import lent
from tests.warm import Child

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
T = TypeVar("T")
Begin = Callable[..., Child]
READY = """() => { const app = document.querySelector('[data-testid="stApp"]');
    return app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
        && !document.querySelector('[data-testid="stSkeleton"]')  // of an element whose script is yet to come
        && !(window.asked > window.answered); }"""  # where tests/browser listens to what the page asks the server


class NotStarted(RuntimeError):
    """The server did not come up; the message ends with its log."""


@dataclass(frozen=True)
class Server:
    """An app, served."""

    url: str
    home: Path  #: its EXPLORER_HOME
    pid: int


def chromium() -> str | None:
    """The system's Chromium, or None; without a window's frame it takes a third less of the processor."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serve(
    home: Path,
    script: Path | None = None,
    seconds: float = 30,
    threads: str | None = "1",
    folder: Path = paths.REPOSITORY,
    begin: Begin | None = None,
    **settings: str,
) -> Iterator[Server]:
    """A fresh server, ended afterwards.

    Args:
        home: an empty folder: the server's EXPLORER_HOME, and where its log goes.
        script: what to serve instead of this app.
        seconds: how long it may take until it answers.
        threads: its OMP_NUM_THREADS; None leaves it unset.
        folder: where the app lies, if it is another copy.
        begin: that of a parent who has imported what it needs (``tests/warm.py``); else it is a Python of its own.
        settings: more of its environment, by name.

    Raises:
        NotStarted: it did not answer in time.
    """
    environment = os.environ | {"EXPLORER_HOME": str(home)} | settings
    lent.pictures(home, environment.get("EXPLORER_DATA", ""))
    environment.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = threads
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", home / "server.log"
    words = ("-m", "streamlit", "run", str(script or "streamlit_app.py"))
    words += ("--server.port", str(port), "--server.address", "127.0.0.1")
    with log.open("wb") as out:
        process: Child | subprocess.Popen[bytes] = (
            begin(*words, cwd=folder, env=environment, log=out.fileno())
            if begin is not None
            else subprocess.Popen(
                [sys.executable, *words], cwd=folder, stdout=out, stderr=subprocess.STDOUT, env=environment
            )
        )
    with process:
        try:
            wait_for(url, seconds, log)
            yield Server(url, home, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def ray_head(folder: Path, cpus: int = 1) -> Iterator[dict[str, str]]:
    """A cluster of this machine alone, begun as the README says; what a server's environment needs to join it.

    Args:
        folder: an empty one, with a short path: sockets lie in it.

    Raises:
        NotStarted: it ended, or did not come up in time.
    """
    port, token = free_port(), {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
    command += [f"--num-cpus={cpus}", f"--temp-dir={folder}", "--object-store-memory=100000000"]
    command += ["--include-dashboard=false", "--include-log-monitor=false", "--disable-usage-stats"]
    command += ["--dashboard-agent-listen-port=0"]
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=os.environ | token, start_new_session=True
        )
    try:
        end = time.monotonic() + 60
        while not list(folder.glob("session_*/sockets/raylet")):
            if process.poll() is not None or time.monotonic() > end:
                raise NotStarted("Ray did not start:\n" + log.read_text()[-2000:])
            time.sleep(0.05)
        yield {"EXPLORER_ENGINE": f"127.0.0.1:{port}", **token}
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its orderly end waits half a minute for workers that stay
        process.wait()


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine run in a thread of its own: Playwright keeps an event loop in the tests' thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def wait_for(url: str, seconds: float, log: Path) -> None:
    """Until the app answers there.

    Raises:
        NotStarted: it did not in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).read()
            return
        except OSError:
            time.sleep(0.05)
    raise NotStarted("The server did not start:\n" + log.read_text()[-2000:])
