"""A class that arrives together, on a server that has just been started."""

import asyncio

import pytest

from tests.load.viewer import Viewer
from tests.serving import Server, run_apart, serve

# Read by Python before anything else: on a busy machine pandas takes long to import, and half of it is there while
# other visitors' pages, who waited for torch, draw their charts.
SLOW_PANDAS = """
import importlib.abc, importlib.machinery, sys, time

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "pandas.core.api":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def slowly(module):
            end = time.monotonic() + 25
            while not hasattr(sys.modules.get("torch"), "compile") and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(5)
            load(module)

        spec.loader.exec_module = slowly
        return spec

sys.meta_path.insert(0, Slow())
"""


async def arrive(server: Server, pages: list[str]) -> list[str]:
    """Open all pages at once; what went wrong on them."""

    async def visit(page: str) -> list[str]:
        async with Viewer(server.url, page) as viewer:
            await viewer.open()
            return [f"{page}: {error}" for error in viewer.errors]

    return [error for errors in await asyncio.gather(*map(visit, pages)) for error in errors]


@pytest.mark.data
def test_pages_opened_at_once_on_a_fresh_server_all_appear(tmp_path, monkeypatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_PANDAS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serve(tmp_path) as server:
        pages = ["runs", "lr_finder", "char_rnn", "lr_finder"]
        assert run_apart(arrive(server, pages)) == []
