"""A page whose script breaks down: a sentence and a number on it, the trace under that number in the log."""

import re

import pytest

import streamlit_app
from explorer import paths
from explorer.ui import trouble
from tests.load.viewer import Viewer
from tests.serving import run_apart, serve

APP = """
import streamlit as st

from explorer.errors import DataError
from explorer.ui import trouble


def main():
    where = st.query_params.get("where")
    st.title("A page")

    @st.fragment(run_every=60)
    def ticking():
        if st.button("Tick"):
            raise KeyError("secret of the tick")
        if where == "fragment":
            raise ValueError("secret of the fragment")

    def pressed():
        raise RuntimeError("secret of the press")

    ticking()
    st.button("Press", on_click=pressed)
    if where == "script":
        raise ZeroDivisionError("secret of the script")
    if where == "sentence":
        raise DataError("There is no such *text*. Bring another.")
    st.text("to its end")


if __name__ == "__main__":
    main()
else:
    app = st.App(__file__, on_script_error=trouble.tell)
"""


class Reader(Viewer):
    """A visitor who also reads what is said in boxes."""

    def _drawn(self, element) -> None:
        super()._drawn(element)
        if element.WhichOneof("type") == "alert":
            self.said.append(element.alert.body)


async def read(url: str, query: str, press: str = "") -> tuple[list[str], list[str]]:
    async with Reader(url, "", query) as reader:
        reader.said = []
        await reader.open()
        if press:
            await reader.press(press)
        return reader.said, reader.errors


@pytest.fixture(scope="module")
def broken(tmp_path_factory, programs):
    folder = tmp_path_factory.mktemp("broken")
    (folder / "app.py").write_text(APP)
    with serve(folder, folder / "app.py", begin=programs.begin, PYTHONPATH=str(paths.REPOSITORY)) as server:
        yield server


@pytest.mark.parametrize(
    ("query", "press", "kind"),
    [
        ("where=script", "", "ZeroDivisionError"),
        ("where=fragment", "", "ValueError"),
        ("", "Press", "RuntimeError"),
        ("", "Tick", "KeyError"),
    ],
)
def test_the_page_has_a_number_and_the_log_the_trace_under_it(broken, query, press, kind) -> None:
    said, errors = run_apart(read(broken.url, query, press))
    assert len(said) == 1 and not errors, (said, errors)
    assert kind in said[0] and "secret" not in said[0] and "line" not in said[0]
    number = re.search(r"\b[0-9a-f]{6}\b", said[0]).group()
    log = (broken.home / "server.log").read_text()
    told = log[log.index(f"error {number}") :]
    assert "Traceback" in told and "app.py" in told and "secret of the" in told


def test_a_sentence_is_shown_as_it_is_and_not_as_markdown(broken) -> None:
    assert run_apart(read(broken.url, "where=sentence")) == (["There is no such \\*text\\*\\. Bring another\\."], [])


def test_the_app_is_served_with_it() -> None:
    assert streamlit_app.app._on_script_error is trouble.tell
