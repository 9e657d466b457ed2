"""How far back in time a gradient reaches, how that grows with training, and when it explodes."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.figures import style
from explorer.figures.through_time import exploding_norms, reach_curves
from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.lecture import inside
from explorer.probes import gradients
from explorer.probes.gradients import ReachCurve
from explorer.runs import outcome
from explorer.runs.through_time import Exploded, Explosion, Reached, explode, watch_reach
from explorer.store.words import Kind, State
from explorer.ui import app, behind, links, live, parts, plot, runbar, state
from explorer.ui.batchnorm.language import MODELS, Stamp, fresh_instead, model, stamp, usable

PAGE = "batchnorm.time"
GROW, EXPLOSION = f"{PAGE}.grow", f"{PAGE}.explode"
LAGS, SAMPLES = 200, 16
STEPS = (0, 100, 300)  # when the reach of a model in training is measured
VARY = {"bptt": "bptt", "hidden": "Hidden units", "clip": "Clipping"}
VALUES = {"bptt": (4, 16, 64), "hidden": (32, 128, 256), "clip": (0.0, 0.25)}
WEIGHTS = ("Trained", "Fresh", "Both")
CLIPS = (0.1, 0.25, 0.5, 1.0, 5.0)
RECORDED = ("gru", "bptt")  # what of the growing reach ships
EXPLODE = {"bptt": ("Longer bptt", (8, 32, 64)), "lr": ("Higher rates", (1e-3, 1e-2, 1e-1))}


@st.cache_resource(max_entries=24, show_spinner=False)
def reach(key: str, trained: bool, stamp: Stamp, samples: int = SAMPLES) -> ReachCurve:
    """One model's reach on the validation text."""
    network, tokens, *_ = model(key, trained, stamp)
    return gradients.reach(network, tokens, LAGS, samples)


def show() -> None:
    """The whole section; what is set in one of its parts draws no other anew."""
    st.fragment(_reach)()
    for column, draw in zip(st.columns(2, gap="large"), (_while_training, _exploding), strict=True):
        with column:
            st.fragment(draw)()
    behind.how(PAGE, _how)


def _how() -> None:
    st.latex(
        r"\left\| \frac{\partial \ell_t}{\partial h_{t-k}} \right\| = \left\| \frac{\partial \ell_t}"
        r"{\partial h_t} \prod_{i=t-k+1}^{t} \frac{\partial h_i}{\partial h_{i-1}} \right\|"
    )
    st.caption(
        "A product of k matrices: like a power of k it shrinks or grows. Adding to the old state, not replacing it, as "
        "a GRU's and an LSTM's gates allow, puts numbers near one on its diagonal."
    )
    parts.code(gradients.reach)


def _reach() -> None:
    here = state.place(PAGE)
    st.subheader("How much does character 1 matter to the output?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.pills(
            "Models",
            list(MODELS),
            selection_mode="multi",
            format_func=MODELS.__getitem__,
            key=links.bound("models", here.key("models"), links.some_of(MODELS), list(MODELS)),
            persist_state="session",
        )
        weights = st.segmented_control(
            "Weights",
            WEIGHTS,
            required=True,
            key=links.bound("weights", here.key("weights"), links.one_of(WEIGHTS, str.lower), WEIGHTS[0]),
            persist_state="session",
        )
        relative = st.toggle(
            "Relative",
            key=links.bound("relative", here.key("relative"), links.SWITCH, False),
            persist_state="session",
            help="Divide each curve by its largest value.",
        )
    if not chosen:
        st.caption("Choose at least one model.")
        return
    curves, looks, sentences, source, fallen = {}, {}, [], None, {}
    asked = {"Trained": (True,), "Fresh": (False,), "Both": (True, False)}[weights or "Trained"]
    for wanted, key in itertools.product(asked, chosen):
        try:
            trained, why = usable(key, wanted)
            if why:
                fallen[MODELS[key]] = why
            name = f"{MODELS[key]}{'' if trained else ', fresh'}"
            if name in curves:
                continue
            with st.spinner(f"Back-propagating through {LAGS} characters of text: {MODELS[key]} …"):
                curve = reach(key, trained, stamp(key))
                *_, experiment, source = model(key, trained, stamp(key))
        except ExplorerError as error:
            parts.refused(error)
            continue
        size = f"{experiment.hidden} units" + (f" × {experiment.layers}" if experiment.layers > 1 else "")
        curves[name], looks[name] = curve, (style.MODELS[key], "solid" if trained else "dot")
        sentences.append(_said(f"{name} ({size}, bptt {experiment.bptt})", curve))
    fresh_instead(next(iter(fallen.values()), ""), fallen)
    if not curves:
        return
    with st.container(border=True):
        wide, narrow = st.columns([5, 3], gap="medium", vertical_alignment="center")
        with wide:
            plot.chart(
                PAGE,
                "reach",
                ("reach", *curves, relative, *(stamp(key) for key in chosen)),
                lambda: reach_curves(curves, looks, relative=relative, key="reach"),
                "Gradient of the loss with respect to the state k characters back, against k, log scale.",
                f"Measured here at {SAMPLES} places of the validation text; bands: the middle 80 %. Log scale.",
            )
        with narrow:
            st.markdown("\n".join(f"- {sentence}" for sentence in sentences))
            st.caption(
                "The state flows on; what fades is how much training can learn of it. The three differ in size too: "
                "*Watch the reach grow* trains them alike."
            )
    parts.source_note(source)


def _said(name: str, curve: ReachCurve) -> str:
    reached = curve.hidden if curve.cell is None else curve.cell
    last = reached[-1] / reached.max() if reached.max() > 0 else 0.0
    rest = "nothing that float32 could hold" if last < 1e-30 else f"{last:.0e} of it"
    which = "" if curve.cell is None else " (of its cell state)"
    return (
        f"**{parts.escape(name)}**: the gradient{which} falls below 1 % after **{curve.horizon()} characters**; "
        f"after {len(curve.lags) - 1}, {parts.escape(rest)} is left."
    )


# -- while it learns -----------------------------------------------------------------------------------
def _while_training() -> None:
    here = state.place(GROW)
    st.subheader("Watch the reach grow", anchor=False)
    st.caption(f"Trains from fresh weights at each value and measures the reach after {STEPS[1]} and {STEPS[2]} steps.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = links.bound("grow", here.key("model"), links.one_of(MODELS), "gru")
        key = st.selectbox(
            "Model", MODELS, format_func=MODELS.__getitem__, key=name, persist_state="session", width=110
        )
        varied = links.bound("vary", here.key("vary"), links.one_of(VARY), "bptt")
        vary = st.selectbox("Vary", VARY, format_func=VARY.__getitem__, key=varied, persist_state="session", width=160)
        job, phase = _buttons(here, lambda: submit_reach(key, vary))
    if job is not None:
        live.panel(GROW, job, _draw_growth, phase)
    elif (kept := inside.recorded()) is not None and (key, vary) == RECORDED:
        parts.recorded(kept.device, "Run", "on the lecture's text")
        _growth(kept.reached, f"{MODELS[key]}, {VARY[vary]}", "recorded")


def submit_reach(key: str, vary: str, steps: tuple[int, ...] = STEPS, lags: int = LAGS) -> Job[Reached]:
    """Train at each value of ``vary`` and measure the reach on the way."""
    base = Experiment.of(key, hidden=128, layers=1) if key == "lstm" else Experiment.of(key, hidden=128)
    wanted = {_named(vary, value): base.replace(**{vary: value}) for value in VALUES[vary]}
    work = call(watch_reach, wanted, steps, lags, samples=16)
    job: Job[Reached] = Job(Kind.REACH, f"{MODELS[key]}, {VARY[vary]}", work, app.owner())
    asked = {name: outcome.settings_of(experiment) for name, experiment in wanted.items()}
    return queue.registry().submit(outcome.recorded(job, app.store(), outcome.of_reach, [key], asked))


def _named(vary: str, value: float) -> str:
    if vary == "clip":
        return f"clipped at {value:g}" if value else "not clipped"
    return f"{'bptt' if vary == 'bptt' else 'hidden'} {value:g}"


def _draw_growth(job: Job[Reached]) -> None:
    version = job.stamp
    runbar.status(job)
    parts.problem(job)
    if job.result:
        _growth(job.result, job.title, job.id, *version)


def _growth(reached: Reached, title: str, key: str, *version: int) -> None:
    curves = {
        f"{one.name}, {step} steps" if step else f"{one.name}, fresh": curve
        for one in reached.models
        for step, curve in one.curves.items()
        if step in (0, max(one.curves))
    }
    if curves:
        plot.chart(
            GROW,
            "growth",
            (key, *version),
            lambda: reach_curves(_largest(curves), key=key, height=340),
            "Reach of each model in training.",
            f"{title}, 128 units where not said otherwise, on the validation text.",
        )


def _largest(curves: Mapping[str, ReachCurve]) -> dict[str, ReachCurve]:
    """The trained curves where there are any, and one untrained to compare with."""
    fresh = [name for name in curves if name.endswith(", fresh")]
    kept = [name for name in curves if name not in fresh[1:]]
    return {name: curves[name] for name in kept}


# -- exploding -----------------------------------------------------------------------------------------
def _exploding() -> None:
    here = state.place(EXPLOSION)
    st.subheader("Make gradients explode", anchor=False)
    st.caption(
        "Short runs of the plain RNN, without and with clipping, at ever longer bptt (and a hundred times the "
        "lecture's rate) or ever higher rates."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        setting = st.selectbox(
            "With",
            list(EXPLODE),
            format_func=lambda s: EXPLODE[s][0],
            key=links.bound("explode", here.key("what"), links.one_of(EXPLODE), "bptt"),
            persist_state="session",
            width=160,
        )
        clipped = links.bound("clip", here.key("clip"), links.one_of(CLIPS, "{:g}".format), 1.0)
        clip = st.select_slider("Clip at", CLIPS, key=clipped, persist_state="session", width=180)
        job, phase = _buttons(here, lambda: submit_explosion(setting, clip))
    if job is not None:
        live.panel(EXPLOSION, job, _draw_explosion, phase)
    elif (kept := inside.recorded()) is not None and (setting, clip) == ("bptt", 1.0):
        parts.recorded(kept.device, "Run", "on the lecture's text")
        _norms(kept.exploded, "recorded")
        _told(kept.exploded)


def submit_explosion(setting: str, clip: float, steps: int = 75) -> Job[Exploded]:
    """Short runs at each value, without and with clipping."""
    base = Experiment.of("stateful", hidden=128, bptt=32, lr=0.1)
    work = call(explode, base, setting, EXPLODE[setting][1], clip, steps)
    job: Job[Exploded] = Job(Kind.EXPLODE, EXPLODE[setting][0], work, app.owner())
    asked = {"base": outcome.settings_of(base), "varied": setting, "clip": clip, "steps": steps}
    return queue.registry().submit(outcome.recorded(job, app.store(), outcome.of_explosions, [base.model], asked))


def _draw_explosion(job: Job[Exploded]) -> None:
    version = job.stamp
    runbar.status(job)
    parts.problem(job)
    if job.result and job.result.runs:
        _norms(job.result, job.id, *version)
        if job.state == State.DONE:
            _told(job.result)


def _norms(exploded: Exploded, key: str, *version: int) -> None:
    plot.chart(
        EXPLOSION,
        "norms",
        (key, *version),
        lambda: exploding_norms(exploded.runs, key=key, height=340),
        "Gradient norm at each step, with and without clipping.",
        "Before clipping, log scale; dotted: the run whose gradients were clipped. A curve that ends broke.",
    )


def _told(exploded: Exploded) -> None:
    columns = {
        "largest gradient norm": st.column_config.NumberColumn(format="%.1f"),
        "last loss": st.column_config.NumberColumn(format="%.2f", help="Nats."),
    }
    st.dataframe([_worst(run) for run in exploded.runs], hide_index=True, column_config=columns)


def _worst(run: Explosion) -> dict[str, str | float]:
    finite = run.grad_norm[run.grad_norm == run.grad_norm]
    return {
        "run": f"{run.setting} {run.value:g}" + (f", clipped at {run.clip:g}" if run.clip else ""),
        "largest gradient norm": float(finite.max()) if len(finite) else float("nan"),
        "last loss": float(run.loss[-1]),
    }


def _buttons(here: state.Place, submit: Callable[[], Job[Any]]) -> tuple[Job[Any] | None, live.Phase]:
    """Start, or stop, one of the section's jobs; the job, if any, and the phase the buttons were drawn for."""
    return live.start_stop(here.name, "Run", lambda _: submit(), again="", stop_greyed=False)
