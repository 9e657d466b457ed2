"""Controls made from the table of settings, over the chart and in the sidebar; the link in the address bar follows."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from explorer import ladders, limits
from explorer.data import cifar10, sampler
from explorer.errors import SettingsError
from explorer.experiment import SETTINGS, Experiment, settings_of
from explorer.ladders import Ladder
from explorer.settings import Scale, Setting
from explorer.ui import app, internals, links, live, parts, state

GROUPS = {
    "rate": ("Learning rate", ":material/speed:"),
    "data": ("Data", ":material/dataset:"),
    "model": ("Model", ":material/account_tree:"),
    "training": ("Training", ":material/fitness_center:"),
}
DEMO = {  # what one moves in front of a class, by rung or ladder: those that mean something for the rung
    Ladder.LANGUAGE: ("lr", "bptt", "hidden", "layers", "window", "epochs"),
    Ladder.VISION: ("lr", "norm", "images", "epochs", "batch_size"),
    "builder": ("lr", "depth", "widths", "norm", "skip"),
}
ACROSS = 4  # of them in the row
_NOT_WIDGETS = {"data"}  # chosen elsewhere on the page


def current(page: str, default_model: str) -> Experiment:
    """The page's experiment: what the visitor has set, else what the address opens.

    A link that is followed later goes before what was set till then; the bare address of the page does not.
    """
    here, asked = state.training(page), links.of_experiment()
    followed = asked and asked != here.address
    if here.experiment is None or followed:
        experiment, notices = _opened(asked, default_model)
        links.tell(notices)
        if experiment != here.experiment:
            here.put(experiment)
        if asked.get("run", here.job) != here.job:
            here.job = None
    else:
        experiment = here.experiment
    here.address, here.default = asked, default_model
    return experiment


def _opened(asked: Mapping[str, str], default_model: str) -> tuple[Experiment, list[str]]:
    """What an address opens, and a sentence for each thing in it that cannot be used.

    A bare one opens the default rung as it opens here; one that says something means that, and the lecture's settings
    where it says nothing.
    """
    if not asked:
        return fresh(default_model, limits.now().preset), []
    return links.experiment(asked, default_model, app.owner())


def fresh(model: str, preset: str, seed: int = 0) -> Experiment:
    """What a rung opens with: the class's ``preset``, where it has one of that name, else the lecture's settings."""
    return Experiment.of(model, preset if preset in ladders.rung(model).presets else "lecture", seed=seed)


def rung_picker(page: str, experiment: Experiment) -> None:
    """The experiment's ladder as a row of pills; choosing a rung loads what it opens with and keeps the seed."""
    here = state.training(page)
    rungs = {rung.key: rung for rung in ladders.LADDERS[experiment.rung.ladder]}
    key = here.key("rung", here.generation)

    def choose() -> None:
        chosen = state.widget(key, experiment.model)
        if chosen != experiment.model:
            here.put(fresh(chosen, limits.now().preset, experiment.seed))
            live.leave(page)

    st.pills(
        "Model",
        list(rungs),
        default=experiment.model,
        required=True,
        format_func=lambda name: rungs[name].title,
        key=key,
        on_change=choose,
        label_visibility="collapsed",
        width="stretch",
    )


def demo(rung: ladders.Rung) -> list[Setting]:
    """The settings that stand over the chart, in one row."""
    meant = {setting.name: setting for setting in settings_of(rung)}
    names = DEMO.get(rung.key) or [name for name in DEMO[rung.ladder] if name in meant][:ACROSS]
    return [meant[name] for name in names]


def show(page: str, bar: AbstractContextManager[Any]) -> Experiment:
    """Every setting of the page's rung, each once: the demo's in the ``bar``, the others in the sidebar.
    Returns the experiment they describe.
    """
    experiment = state.training(page).experiment
    assert experiment is not None, "the page asks for its current one first"
    hidden = {*links.hide().split(","), *_NOT_WIDGETS}
    row = [setting for setting in demo(experiment.rung) if setting.name not in hidden]
    values: dict[str, Any] = {}
    with bar:
        st.html(_bolts(page))
        if row:
            with st.container(key=state.key(page, "demo")):
                for column, setting in zip(st.columns(len(row)), row, strict=True):
                    with column:
                        values |= _widgets(page, experiment, [setting], values)
    with st.sidebar:
        for group, (title, icon) in GROUPS.items():
            settings = [s for s in settings_of(experiment.rung) if s.group == group and s.name not in hidden]
            settings = [s for s in settings if s not in row]
            if settings:
                with st.expander(title, icon=icon, expanded=group in ("rate", "data")):
                    values |= _widgets(page, experiment, settings, values)
    with contextlib.suppress(SettingsError):  # said beside the widget
        experiment = experiment.replace(**values)
    state.training(page).experiment = experiment
    return experiment


@functools.cache
def _bolts(page: str) -> parts.Ready:
    """The style that draws a bolt beside each live setting: a sign in the label would be read out as it is typed."""
    places = (f'[class*="st-key-{page}-{name}-"]' for name, setting in SETTINGS.items() if setting.live)
    labels = ", ".join(f"{place} {internals.WIDGET_LABEL} p::after" for place in places)
    look = 'content: "bolt"; font-family: "Material Symbols Rounded"; vertical-align: bottom; padding-left: 0.25em;'
    return parts.Ready(f"<style>{labels} {{ {look} }}</style>")


def _widgets(
    page: str, experiment: Experiment, settings: Iterable[Setting], chosen: Mapping[str, Any]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    here = state.training(page)
    for setting in settings:
        if setting.when and {**chosen, **values}.get(setting.when[0]) not in setting.when[1]:
            continue
        key = here.key(setting.name, experiment.model, here.generation)
        values[setting.name] = _widget(setting, getattr(experiment, setting.name), key)
    return values


def _widget(setting: Setting, value: Any, key: str) -> Any:
    label = setting.label
    note = "Takes effect at the next step." if setting.live else "A change restarts the run."
    shared: dict[str, Any] = {"key": key, "help": f"{setting.help} *{note}*"}
    if setting.kind is bool:
        return st.toggle(label, value=value, **shared)
    if setting.options:
        return st.selectbox(label, setting.options, index=setting.options.index(value), **shared)
    if setting.kind is str:
        return _text(setting, label, value, shared)
    if setting.stops:
        stops = sorted({*setting.stops, value})
        return st.select_slider(label, stops, value=value, format_func=_words_of(setting), **shared)
    if setting.scale == Scale.TYPED:
        return st.number_input(label, int(setting.low), int(setting.high), int(value), **shared)
    low, high, start, step = map(setting.kind, (setting.low, setting.high, value, setting.step or 1))
    return st.slider(label, low, high, start, step, **shared)


def _text(setting: Setting, label: str, value: Any, shared: dict[str, Any]) -> Any:
    typed = st.text_input(label, value, max_chars=80, **shared)
    try:
        return setting.check(typed)
    except SettingsError as error:
        st.caption(f":red[{error}]")
        return value


def _words_of(setting: Setting) -> Callable[[Any], str]:
    """How a stop of a slider reads; of pictures, how many are here where that is fewer."""
    if setting.name != "images" or cifar10.find() or not sampler.here():
        return _short
    most = sampler.EACH["train"] * len(cifar10.CLASSES)
    return lambda images: _short(images) if images <= most else f"{images:,} ({most:,} here)"


def _short(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}"


def write_link(page: str, experiment: Experiment, run: str | None = None) -> None:
    """Let the address say what is on the page; one that says it already stays as it is."""
    here, asked = state.training(page), links.of_experiment()
    said, _ = _opened(asked, here.default)
    if (said, asked.get("run")) != (experiment, run):
        wanted = experiment.to_query() | ({"run": run} if run else {})
        beside = {word: text for word, text in st.query_params.items() if word not in links.EXPERIMENT}
        st.query_params.from_dict(wanted | beside)
        here.address = wanted
