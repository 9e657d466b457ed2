"""Sweeps of the learning rate: which to make, their curves over each other, and the rates they suggest."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import ladders
from explorer.experiment import SETTINGS, Experiment
from explorer.figures import curves
from explorer.ladders import Page
from explorer.lecture import recorded
from explorer.runs import queue
from explorer.runs.jobs import Job
from explorer.runs.words import Kind
from explorer.ui import app, links, live, parts, plot, runbar, state, steps

if TYPE_CHECKING:
    from explorer.training.lr_finder import Sweep

PAGE, LR = Page.LR_FINDER, SETTINGS["lr"]
MODELS = 5  # sweeps over each other that one can still tell apart
POWERS = [f"1e{p}" for p in range(-7, 4)]
RUNGS = {rung.key: rung for ladder in ladders.LADDERS.values() for rung in ladder}


@dataclass(frozen=True)
class Asked:
    """What the sidebar asks for."""

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
    """Go where a suggestion that was taken leads: a button of the panel cannot, as it runs only the panel."""
    here = state.lr_finder()
    if page := here.go:
        here.go = None
        state.open(page)


def sidebar() -> Asked:
    """The models and the sweep's settings; what a link asks for the first time."""
    here = state.lr_finder()
    if here.models is None:
        here.models, notices = links.picked(st.query_params, "models", RUNGS, most=MODELS)
        links.tell(notices)
    with st.sidebar:
        here.models = st.multiselect(
            "Models",
            list(RUNGS),
            default=here.models or ["convnet"],
            max_selections=MODELS,
            format_func=lambda key: RUNGS[key].title,
            help="Sweeps are laid over each other.",
        )
        low, high = st.select_slider(
            "From … to",
            POWERS,
            value=(POWERS[2], POWERS[8]),
            help="The lecture's default is 1e-5 to 10; for the convolutions it went up to 100.",
        )
        batches = st.slider("Steps", 20, 400, 100, 10, help="One mini-batch each.")
        beta = st.slider(
            "Smoothing", 0.0, 0.99, 0.9, 0.01, help="Weight of the past in the smoothed loss, bias-corrected."
        )
        depths = st.slider(
            "Depths of your own network",
            1,
            6,
            (1, 1),
            help="For Your own: one sweep for each number of layers per stage.",
        )
    return Asked(here.models, float(low), float(high), batches, beta, depths)


def show(asked: Asked) -> None:
    """The buttons, and the visitor's own sweep; until there is one, what ships."""
    with st.container(horizontal=True):
        job, phase = live.start_stop(
            PAGE, "Sweep", lambda earlier: _submit(asked, earlier), disabled=not asked.models, shortcuts=True
        )
    if job is not None:
        live.panel(PAGE, job, _draw, phase)
        return
    _recorded(asked)
    st.caption(
        "In the lecture the sweep of the fully connected net suggested 1e-2, that of the convolutions 1e-1: the curve "
        "was still falling there, and rose soon after."
    )


def _submit(asked: Asked, earlier: Job[Any] | None) -> Job[Any]:
    app.engine().wait()
    from explorer.runs import sweep

    wanted = asked.experiments()
    span = (asked.low, asked.high, asked.batches, asked.beta)
    job: Job[Any] = Job(Kind.LR_FIND, ", ".join(wanted), lambda job: sweep.work(job, wanted, *span), app.owner())
    queue.registry().submit(job, instead_of=earlier)
    state.lr_finder().swept = wanted
    return job


def _draw(job: Job[Any]) -> None:
    """The visitor's own sweep, as far as it is."""
    stamp, here = (job.id, *job.stamp), state.lr_finder()
    runbar.status(job)
    parts.problem(job)
    parts.source_note(job.source)
    found = job.result.curves if job.result else {}
    if not found:
        return
    steps.did(PAGE, "swept")
    if len(found) > 1:
        steps.did(PAGE, "compared")
    _curves_and_rates(found, here.swept, stamp, job.ended)
    if here.go:
        st.rerun()  # the buttons above run only this fragment; leaving the page takes the whole script


def _recorded(asked: Asked) -> None:
    """What ships, until the visitor sweeps: the same models with the lecture's settings."""
    sweeps = recorded.sweeps()
    shipped = {RUNGS[key].title: sweeps[key] for key in asked.models if key in sweeps}
    if not shipped:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.state_badge("recorded")
        st.caption(
            "1e-5 to 10 in 100 steps, with the lecture's settings, on the real data. Press **Sweep** for your own."
        )
    _curves_and_rates(shipped, asked.experiments(), ("recorded", *shipped), ended=True)


def _curves_and_rates(found: "dict[str, Sweep]", swept: dict[str, Experiment], stamp: state.Stamp, ended: bool) -> None:
    """The curves over each other, and a button for every rate they suggest."""
    from explorer.training import lr_finder

    first = next(iter(found))
    suggestions = lr_finder.suggest(found[first])
    with st.container(border=True):
        plot.chart(
            PAGE,
            "sweep",
            stamp,
            lambda: curves.sweep_curves(found, suggestions, key=str(stamp[0])),
            "Loss against learning rate.",
            f"Pale: each step. Bold: smoothed. The marks are suggestions for {first}: no single rule is always right, "
            "so look where they agree. It stops when the loss is four times its best.",
        )
    for name, sweep in found.items():
        usable = {what: float(f"{rate:.2g}") for what, rate in lr_finder.suggest(sweep).items() if rate == rate}
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{name}**")
            for what, rate in usable.items():
                _offer(rate, what, swept.get(name), state.key(stamp[0], name, what))
            if ended and not usable:
                st.caption("This curve never falls far enough to suggest a rate. Take more steps or a wider range.")
            if sweep.diverged:
                st.badge(f"diverged at {sweep.lr[-1]:.2g}", icon=":material/trending_up:", color="red")


def _offer(rate: float, what: str, experiment: Experiment | None, key: str) -> None:
    """The button that takes a rate to its training page."""
    taken = LR.low <= rate <= LR.high
    st.button(
        f"Use {rate:.2g}",
        icon=":material/check:",
        key=key,
        help=f"The {what} suggestion." + ("" if taken else " The training page takes none so far out."),
        on_click=_use,
        args=(rate, experiment),
        disabled=experiment is None or not taken,
    )


def _use(rate: float, experiment: Experiment) -> None:
    """Put a rate into the training page's controls, and go there when the page is next drawn."""
    steps.did(PAGE, "used rate")
    here = state.lr_finder()
    here.go = experiment.rung.page
    state.show(here.go, experiment.replace(lr=rate, lead_lr=rate))


def how_it_works() -> None:
    """The two formulas and the code."""
    with st.expander("How it works", icon=":material/code:"):
        from explorer.training import lr_finder

        st.latex(
            r"\eta_i = \eta_0 \left(\eta_n / \eta_0\right)^{i/n}, \qquad "
            r"\bar\ell_i = \frac{\sum_{j\le i} \beta^{i-j}(1-\beta)\,\ell_j}{1-\beta^{i}}"
        )
        parts.code(lr_finder.sweep)
        parts.code(lr_finder.suggest)
