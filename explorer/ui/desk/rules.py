"""The class's limits and its default preset, for every server with this home."""

import dataclasses

import streamlit as st

from explorer import ladders, limits
from explorer.errors import StorageError
from explorer.limits import TABLE
from explorer.ui import parts, state


def show() -> None:
    """A form with every limit; what is saved holds at once and after a restart."""
    here, now, environment = state.desk(), limits.now(), limits.from_environment()
    names = sorted({name for rungs in ladders.LADDERS.values() for rung in rungs for name in rung.presets})
    with st.form(here.key("rules", hash(now)), border=True):
        values: dict[str, int | str] = {}
        columns = st.columns(3)
        for number, (name, limit) in enumerate(TABLE.items()):
            values[name] = int(
                columns[number % 3].number_input(
                    limit["label"], limit["low"], limit["high"], getattr(now, name), help=limit["help"]
                )
            )
        preset = st.selectbox(
            "A page opens with the preset",
            ["", *names],
            index=["", *names].index(now.preset) if now.preset in names else 0,
            format_func=lambda name: name or "as in the lecture",
            help="Where its rung has one of that name and the link names no model, run or setting.",
            width=320,
        )
        with st.container(horizontal=True):
            save = st.form_submit_button("Save", type="primary", icon=":material/save:")
            reset = st.form_submit_button(
                "As the server was started", icon=":material/undo:", disabled=now == environment
            )
    if save or reset:
        with parts.refusals():
            try:
                limits.reset() if reset else limits.change(**_changed(values | {"preset": preset}))
            except OSError as error:
                raise StorageError("The limits could not be written into this server's home.", str(error)) from error
            st.rerun()


def _changed(values: dict[str, int | str]) -> dict[str, int | str]:
    """Only what differs from what holds: what nobody touched goes on following the environment."""
    now = dataclasses.asdict(limits.now())
    return {name: value for name, value in values.items() if value != now[name]}
