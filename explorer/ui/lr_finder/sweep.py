"""Sweeps of the learning rate: which to make, and their curves over each other; the rates stand in ``rates.py``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import ladders
from explorer.data import text
from explorer.experiment import Experiment
from explorer.figures.sweep import sweep_curves
from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.ladders import Page
from explorer.lecture import recorded
from explorer.store.words import Kind
from explorer.ui import app, behind, links, live, parts, plot, runbar, state, steps
from explorer.ui.lr_finder import rates
from explorer.ui.runbar import Number

if TYPE_CHECKING:
    from explorer.runs.sweep import Sweeps
    from explorer.training.lr_finder import Sweep

PAGE = Page.LR_FINDER
MOST_MODELS = 5  # sweeps over each other that one can still tell apart
POWERS = [f"1e{p}" for p in range(-7, 4)]
MODEL, WHOLE, STEPS, SMOOTHING, DEPTH = ["convnet"], (POWERS[2], POWERS[8]), 100, 0.9, (1, 1)  # what is set at first
SPAN, DEPTHS = links.span_of(POWERS), links.span_of(range(1, 7))
RUNGS = {rung.key: rung for ladder in ladders.LADDERS.values() for rung in ladder}


@dataclass(frozen=True)
class Asked:
    """What the controls ask for."""

    models: list[str]  #: the rungs' keys
    low: float
    high: float
    batches: int
    beta: float  #: weight of the past in the smoothed loss, [0, 1)
    depths: tuple[int, int]  #: from … to, of the visitor's own network

    def experiments(self) -> dict[str, Experiment]:
        """What to sweep, by the name in the legend; the builder once for each depth."""
        wanted = {}
        for key in self.models:
            kept = state.training(RUNGS[key].page).experiment
            base = kept if kept is not None and kept.model == key else Experiment.of(key)
            if key == "builder":
                for depth in range(self.depths[0], self.depths[1] + 1):
                    wanted[f"yours, {depth} per stage"] = base.replace(depth=depth)
            else:
                wanted[RUNGS[key].title] = base
        return wanted


def follow() -> None:
    """Go where a rate that was taken leads: a button of the panel cannot, as it runs only the panel."""
    here = state.lr_finder()
    if page := here.go:
        here.go = None
        state.open(page)


def asked() -> Asked:
    """What the controls ask for by now."""
    here = state.lr_finder()
    models, span = here.value("models", MODEL), here.value("rates", WHOLE)
    depths = here.value("depths", DEPTH) if "builder" in models else DEPTH
    return Asked(
        models, float(span[0]), float(span[1]), here.value("steps", STEPS), here.value("beta", SMOOTHING), depths
    )


def controls() -> None:
    """The models and the range, side by side; in the sidebar what one changes less often."""
    here = state.lr_finder()
    if here.wanted:
        here.set("models", here.wanted)
        here.wanted = []
    with st.container(key=state.key(PAGE, "demo")):
        left, right = st.columns(2, gap="medium")
    models = left.multiselect(
        "Models",
        list(RUNGS),
        max_selections=MOST_MODELS,
        format_func=lambda key: RUNGS[key].title,
        key=links.bound("models", here.key("models"), links.some_of(RUNGS, MOST_MODELS), MODEL),
        persist_state="session",
        help="Their sweeps are laid over each other.",
    )
    with right:
        _rates()
    with st.sidebar:
        _settings("builder" in models)


@st.fragment
def _rates() -> None:
    """Asked for by the next sweep, as what :func:`_settings` sets: nothing else on the page shows it."""
    st.select_slider(
        "Rates, from … to",
        POWERS,
        value=WHOLE,  # says that it has two handles
        key=links.bound("rates", state.lr_finder().key("rates"), SPAN, WHOLE),
        persist_state="session",
        help="The lecture's default is 1e-5 to 10; for the convolutions it went up to 100.",
    )


@st.fragment
def _settings(builder: bool) -> None:
    here = state.lr_finder()
    st.slider(
        "Steps",
        20,
        400,
        step=10,
        key=links.bound("steps", here.key("steps"), links.number(20, 400, int), STEPS),
        persist_state="session",
        help="One mini-batch each.",
    )
    st.slider(
        "Smoothing",
        0.0,
        0.99,
        step=0.01,
        key=links.bound("smoothing", here.key("beta"), links.number(0, 0.99), SMOOTHING),
        persist_state="session",
        help="Weight of the past in the smoothed loss, bias-corrected.",
    )
    if builder:
        st.slider(
            "Depths of your own network",
            1,
            6,
            value=DEPTH,  # says that it has two handles
            key=links.bound("depths", here.key("depths"), DEPTHS, DEPTH),
            persist_state="session",
            help="One sweep for each number of layers per stage.",
        )


def show() -> None:
    """The controls and buttons, and the visitor's own sweep; until there is one, what ships."""
    here = state.lr_finder()
    bar = runbar.bar(PAGE, live.phase(queue.registry().find(here.job or "")))
    with bar:
        controls()
        with st.container(horizontal=True):
            job, phase = live.start_stop(
                PAGE,
                "Sweep",
                lambda earlier: _submit(asked(), earlier),
                again="Sweep again",
                disabled=not asked().models,
                holds=True,
                shortcuts=True,
            )
        if job is not None:
            live.panel(PAGE, job, _status, phase, part="status")
    if job is not None:
        live.panel(PAGE, job, _draw, phase)
    else:
        _recorded(asked())


def _submit(wants: Asked, earlier: Job[Any] | None) -> Job[Any]:
    app.engine().wait()
    from explorer.runs import outcome, sweep

    wanted = wants.experiments()
    work = call(sweep.work, wanted, wants.low, wants.high, wants.batches, wants.beta)
    job: Job[Any] = Job(Kind.LR_FIND, ", ".join(wanted), work, app.owner())
    models = list(dict.fromkeys(experiment.model for experiment in wanted.values()))
    words = {name: outcome.settings_of(experiment) for name, experiment in wanted.items()}
    told = {"from": wants.low, "to": wants.high, "batches": wants.batches, **words}
    private = next((experiment for experiment in wanted.values() if text.is_own(experiment.data)), None)
    made = outcome.recorded(job, app.store(), outcome.of_sweeps, models, told, private)  # by which others do not see it
    taken = queue.registry().submit(made, instead_of=earlier)
    rates.forget()
    return taken


def _status(job: Job[Any]) -> None:
    """How far each sweep is: the rate that it tries, and its loss there."""
    found: dict[str, Sweep] = job.result.curves if job.result else {}
    numbers = [Number(name, f"{s.smooth[-1]:.2f}", f"at {s.lr[-1]:.2g}") for name, s in found.items() if len(s.lr)]
    runbar.status(job, numbers)


def _draw(job: Job[Any]) -> None:
    """The visitor's own sweep, as far as it is."""
    here = state.lr_finder()
    parts.problem(job)
    result: Sweeps | None = job.result
    if result is not None and result.curves:
        steps.did(PAGE, "swept")
        if len(result.curves) > 1:
            steps.did(PAGE, "compared")
        _curves(result.curves, result.wanted, (job.id, *job.stamp), None if job.ended else result.span)
    parts.source_note(job.source)
    if here.go:
        st.rerun()  # the buttons above run only this fragment; leaving the page takes the whole script


def _recorded(wants: Asked) -> None:
    """What ships, until the visitor sweeps: the same models with the lecture's settings."""
    sweeps = recorded.sweeps()
    shipped = {RUNGS[key].title: sweeps[key] for key in wants.models if key in sweeps}
    if not shipped:
        return
    st.caption("**Recorded** with the lecture's settings, on its data. Press **Sweep** for your own.")
    _curves(shipped, wants.experiments(), ("recorded", *shipped))


def _curves(
    found: "Mapping[str, Sweep]",
    swept: Mapping[str, Experiment],
    stamp: state.Stamp,
    span: tuple[float, float] | None = None,
) -> None:
    """The curves over each other, and below them the rates they suggest; ``span`` while they are still growing."""
    offered = {name: rates.offer(name, sweep) for name, sweep in found.items()}
    few = len(found) <= 2
    marks = {name: offer.all if few else offer.best for name, offer in offered.items()}
    plot.chart(
        PAGE,
        "sweep",
        (*stamp, state.lr_finder().picked),
        lambda: sweep_curves(dict(found), marks, {n: o.first for n, o in offered.items()}, span, key=str(stamp[0])),
        "Loss against learning rate, with the suggested rates on each curve.",
        "Bold: smoothed loss. Pale: each step. A sweep ends where the loss is four times its best. "
        "**Click a curve** to take the rate there.",
        main=True,
        picked=rates.pick,
    )
    for name, sweep in found.items():
        rates.show(name, sweep, offered[name], swept.get(name), str(stamp[0]), span is None)


def how_it_works() -> None:
    """The two formulas and the code."""
    behind.how(PAGE, _how)


def _how() -> None:
    from explorer.training import lr_finder

    st.latex(
        r"\eta_i = \eta_0 \left(\eta_n / \eta_0\right)^{i/n}, \qquad "
        r"\bar\ell_i = \frac{\sum_{j\le i} \beta^{i-j}(1-\beta)\,\ell_j}{1-\beta^{i}}"
    )
    parts.code(lr_finder.sweep)
    parts.code(lr_finder.suggest)
    parts.code(lr_finder.advise, "Which of them comes first.")
    st.caption("Leslie Smith, *Cyclical learning rates for training neural networks*, 2015.")
