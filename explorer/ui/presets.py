"""The presets of a rung in a menu: its name is the one that is set, and each says how long it takes here."""

import contextlib

import streamlit as st

from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.ladders import Rung
from explorer.runs import estimate
from explorer.ui import app, parts, state

OWN = "Own settings"  #: the menu's name where no preset is set


def name_of(rung: Rung, preset: str) -> str:
    """A preset as a visitor reads it."""
    if preset == "lecture":
        return "As in the lecture" if rung.key != "builder" else "A residual net"
    return preset[0].upper() + preset[1:]


def menu(page: str, experiment: Experiment) -> None:
    """The menu; choosing a preset sets every control and keeps the seed."""
    here, rung = state.training(page), experiment.rung
    made = {name: Experiment.of(rung.key, name, seed=experiment.seed) for name in rung.presets}
    key = here.key("preset", rung.key)

    def fill() -> None:
        if chosen := state.widget(key, ""):
            here.put(made[chosen])

    set_now = next((name for name, preset in made.items() if preset == experiment), None)
    state.set_widget(key, set_now)
    with st.popover(
        name_of(rung, set_now) if set_now else OWN, icon=":material/tune:", key=here.key("presets"), help="Presets"
    ):
        times = _times(made)
        st.pills(
            "Presets",
            list(made),
            key=key,
            on_change=fill,
            format_func=lambda name: " · ".join([name_of(rung, name), *times.get(name, [])]),
            help="Each sets every control. How long one takes is reckoned from what was trained on this machine.",
        )


def _times(made: dict[str, Experiment]) -> dict[str, list[str]]:
    """How long each would take here, in words, where that is known."""
    found: dict[str, list[str]] = {}
    with contextlib.suppress(ExplorerError):  # a record that cannot be read is no reason to offer no presets
        for name, experiment in made.items():
            takes = estimate.seconds(experiment, _measured(experiment.model, str(app.store().folder)))
            if takes is not None:
                found[name] = [f"about {parts.seconds(max(1.0, takes))}"]
    return found


@st.cache_data(ttl=20, max_entries=64, show_spinner=False)
def _measured(model: str, folder: str) -> list[estimate.Measured]:
    return estimate.measured(app.store(), model)
