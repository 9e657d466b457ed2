"""The presets of a rung in a menu: its name is the one that is set, and each says how long it takes here."""

import contextlib
import functools
from collections.abc import Mapping
from types import MappingProxyType

import streamlit as st

from explorer import ladders
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
    made = _made(rung.key, experiment.seed)
    set_now = next((name for name, preset in made.items() if preset == experiment), None)
    # Another widget whenever another preset is set: a browser goes on telling what was chosen in a menu that is closed.
    key = here.key("preset", rung.key, here.generation, set_now)

    def fill() -> None:
        if chosen := state.widget(key, ""):
            here.put(made[chosen])

    state.set_widget(key, set_now)
    with st.popover(
        name_of(rung, set_now) if set_now else OWN, icon=":material/tune:", key=here.key("presets"), help="Presets"
    ):
        times = _times(rung.key, experiment.seed, str(app.store().folder))
        st.pills(
            "Presets",
            list(made),
            key=key,
            on_change=fill,
            format_func=lambda name: " · ".join([name_of(rung, name), *times.get(name, [])]),
            help="Each sets every control. How long one takes is reckoned from what was trained on this machine.",
        )


@functools.lru_cache(maxsize=64)
def _made(model: str, seed: int) -> Mapping[str, Experiment]:
    names = ladders.rung(model).presets
    return MappingProxyType({name: Experiment.of(model, name, seed=seed) for name in names})


@st.cache_resource(ttl=20, max_entries=64, show_spinner=False)
def _times(model: str, seed: int, folder: str) -> Mapping[str, list[str]]:
    """How long each preset would take here, in words, where that is known."""
    found: dict[str, list[str]] = {}
    with contextlib.suppress(ExplorerError):  # a record that cannot be read is no reason to offer no presets
        measured = estimate.measured(app.store(), model)
        for name, experiment in _made(model, seed).items():
            takes = estimate.seconds(experiment, measured)
            if takes is not None:
                found[name] = [f"about {parts.seconds(max(1.0, takes))}"]
    return found
