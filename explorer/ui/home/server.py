"""This server: what trains on it now, and which data and weights are here."""

import importlib
from dataclasses import dataclass

import streamlit as st

from explorer import ladders, paths
from explorer.jobs import engine, queue
from explorer.ui import app, download, parts, state


def now() -> None:
    """What trains on this server at the moment, and on which device; looked at again every two seconds."""

    @st.fragment(run_every=2.0, key="server-now")
    def watch() -> None:
        made, running = app.engine(), list(queue.running())
        device = made.place if made.ready.is_set() else "torch is still loading"
        if why := engine.problem():
            st.caption(f":material/warning: {parts.escape(why)}")
        if made.problem:
            st.caption(f":material/error: torch cannot be loaded: {parts.escape(made.problem)}")
        elif not running:
            st.caption(f":material/memory: {parts.escape(device)} · nothing is running now")
        else:
            shown = ", ".join(f"{parts.escape(job.title)} {job.progress:.0%}" for job in running[:4])
            more = f" and {len(running) - 4} more" if len(running) > 4 else ""
            st.caption(f":material/play_circle: {parts.escape(device)} · now: {shown}{more}")

    watch()


@dataclass(frozen=True)
class _DataSet:
    """Something that can be here or fetched."""

    name: str
    files: tuple[str, ...]
    without: str  #: what happens while it is missing
    module: str  #: in explorer.data, with ``fetch(progress)``
    size: str
    bytes: float


_DATA = (
    _DataSet(
        "CIFAR-10",
        ("cifar10.tgz", "cifar10"),
        "A sampler ships: 400 training and 200 validation pictures a class stand in for it.",
        "cifar10",
        "135 MB",
        135e6,
    ),
    _DataSet(
        "Dogs vs cats, photos",
        ("dogscats.tgz", "dogscats"),
        "Four photos ship, and your own can be used.",
        "dogscats",
        "the course's archive",
        850e6,
    ),
)


def data_and_weights() -> None:
    """What is here and what is missing, with the button that gets it."""
    text, *others = st.columns(3)
    with text, st.container(border=True, height="stretch", key="data.text"):
        st.markdown("**Nietzsche, the lecture's text**")
        st.badge("ships", icon=":material/check:", color="green")
        st.caption("*Beyond Good and Evil* and the beginning of *Human, All Too Human*; in the public domain.")
    for column, data in zip(others, _DATA, strict=True):
        with column, st.container(border=True, height="stretch", key=state.key("data", data.module)):
            st.markdown(f"**{data.name}**")
            here = any(paths.find_data(file) for file in data.files)
            if here:
                st.badge("here", icon=":material/check:", color="green")
            else:
                st.badge("a part ships", icon=":material/incomplete_circle:", color="blue")
                st.caption(data.without)
                if st.button(
                    f"Download ({data.size})", icon=":material/download:", key=state.key("fetch", data.module)
                ):
                    _fetch(data)
    models = [rung for ladder in ladders.LADDERS.values() for rung in ladder if rung.key != "builder"]
    there = {rung.key: (paths.WEIGHTS / f"{rung.key}.safetensors").exists() for rung in models}
    with st.container(border=True, key="weights"):
        st.markdown(f"**Trained weights** · {sum(there.values())} of {len(there)} rungs ship with this program")
        with st.container(horizontal=True):
            for rung in models:
                if there[rung.key]:
                    st.badge(rung.title, icon=":material/check:", color="green")
                else:
                    st.badge(rung.title, icon=":material/remove:", color="gray", help="Not yet; train it.")
        if not all(there.values()):
            st.caption("A grey rung has no weights yet: its page trains it from scratch.")


def _fetch(data: _DataSet) -> None:
    download.with_bar(importlib.import_module(f"explorer.data.{data.module}").fetch, data.bytes)
