"""The LR finder: raise the rate every step and see where the loss falls, and where it breaks."""

from typing import TYPE_CHECKING

import streamlit as st

from explorer.ui import app

app.enter()

from explorer import ladders
from explorer.experiment import SETTINGS, Experiment
from explorer.figures import curves
from explorer.lecture import recorded
from explorer.runs import jobs, queue
from explorer.ui import controls, links, live, parts, plot, steps
from explorer.ui.home import claims

if TYPE_CHECKING:
    from explorer.training.lr_finder import Sweep

PAGE, LR = "lr_finder", SETTINGS["lr"]
MODELS = 5  # sweeps over each other that one can still tell apart
if page := st.session_state.pop(f"{PAGE}.go", None):  # a suggestion was taken
    st.switch_page(f"pages/{page}.py")
parts.title(
    "LR finder",
    "speed",
    "Start at a rate far too small and multiply it at every step. Where the loss falls fastest "
    "is a good rate; where it shoots up is one too many. The model is put back exactly as it was.",
)

rungs = {rung.key: rung for ladder in ladders.LADDERS.values() for rung in ladder}
if f"{PAGE}.models" not in st.session_state:
    st.session_state[f"{PAGE}.models"], notices = links.picked(st.query_params, "models", rungs, most=MODELS)
    links.tell(notices)
with st.sidebar:
    models = st.multiselect(
        "Models",
        list(rungs),
        default=st.session_state[f"{PAGE}.models"] or ["convnet"],
        max_selections=MODELS,
        format_func=lambda key: rungs[key].title,
        help="Sweeps are laid over each other.",
    )
    powers = [f"1e{p}" for p in range(-7, 4)]
    low, high = st.select_slider(
        "From … to",
        powers,
        value=(powers[2], powers[8]),
        help="The lecture's default is 1e-5 to 10; for the convolutions it went up to 100.",
    )
    batches = st.slider("Steps", 20, 400, 100, 10, help="One mini-batch each.")
    beta = st.slider("Smoothing", 0.0, 0.99, 0.9, 0.01, help="Weight of the past in the smoothed loss, bias-corrected.")
    depths = st.slider(
        "Depths of your own network", 1, 6, (1, 1), help="For Your own: one sweep for each number of layers per stage."
    )
st.session_state[f"{PAGE}.models"] = models


def experiments() -> dict[str, Experiment]:
    """What to sweep, by the name in the legend; the builder once for each depth."""
    wanted = {}
    for key in models:
        kept = st.session_state.get(f"{'char_rnn' if rungs[key].ladder == 'language' else 'cifar10'}.experiment")
        base = kept if kept is not None and kept.model == key else Experiment.of(key)
        if key == "builder":
            for depth in range(depths[0], depths[1] + 1):
                wanted[f"yours, {depth} per stage"] = base.replace(depth=depth)
        else:
            wanted[rungs[key].title] = base
    return wanted


job = queue.registry().find(st.session_state.get(f"{PAGE}.job", ""))
phase = live.phase(job)
with st.container(horizontal=True):
    if st.button("Sweep", type="primary", icon=":material/play_arrow:", disabled=not models, shortcut="t"):
        app.engine().wait()
        from explorer.runs import sweep

        wanted = experiments()
        span = (float(low), float(high), batches, beta)
        with parts.refusals():
            job = queue.registry().submit(
                jobs.Job(jobs.Kind.LR_FIND, ", ".join(wanted), lambda job: sweep.work(job, wanted, *span), app.owner()),
                instead_of=job,
            )
            st.session_state[f"{PAGE}.job"] = job.id
            st.session_state[f"{PAGE}.swept"] = wanted
            st.rerun()
    if st.button("Stop", icon=":material/stop:", disabled=phase not in live.AT_WORK, shortcut="s"):
        job.stop()
        st.rerun()


def use(rate: float, experiment: Experiment) -> None:
    """Put a rate into the training page's controls and go there."""
    steps.did(PAGE, "used rate")
    page = "char_rnn" if experiment.rung.ladder == "language" else "cifar10"
    controls.put(page, experiment.replace(lr=rate, lead_lr=rate))
    st.session_state.pop(f"{page}.job", None)
    st.session_state[f"{PAGE}.go"] = page


def curves_and_rates(
    found: dict[str, "Sweep"], swept: dict[str, Experiment], key: str, stamp: tuple, ended: bool
) -> None:
    """The curves over each other, and a button for every rate they suggest."""
    from explorer.training import lr_finder

    first = next(iter(found))
    suggestions = lr_finder.suggest(found[first])
    with st.container(border=True):
        plot.chart(
            PAGE,
            "sweep",
            (key, *stamp),
            lambda: curves.sweep_curves(found, suggestions, key=key),
            "Loss against learning rate.",
            f"Pale: each step. Bold: smoothed. The marks are suggestions for {first}: no single rule is always right, "
            "so look where they agree. It stops when the loss is four times its best.",
        )
    for name, sweep in found.items():
        usable = {what: float(f"{rate:.2g}") for what, rate in lr_finder.suggest(sweep).items() if rate == rate}
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{name}**")
            for what, rate in usable.items():
                taken = LR.low <= rate <= LR.high
                words = f"The {what} suggestion." + ("" if taken else " The training page takes none so far out.")
                st.button(
                    f"Use {rate:.2g}",
                    icon=":material/check:",
                    key=f"{key}.{name}.{what}",
                    help=words,
                    on_click=use,
                    args=(rate, swept.get(name)),
                    disabled=name not in swept or not taken,
                )
            if ended and not usable:
                st.caption("This curve never falls far enough to suggest a rate. Take more steps or a wider range.")
            if sweep.diverged:
                st.badge(f"diverged at {sweep.lr[-1]:.2g}", icon=":material/trending_up:", color="red")


def draw(job: jobs.Job) -> None:
    """The visitor's own sweep, as far as it is."""
    stamp = job.stamp
    live.progress(job)
    parts.problem(job)
    parts.source_note(job.results.get("source"))
    found = job.results.get("sweeps")
    if not found:
        return
    steps.did(PAGE, "swept")
    if len(found) > 1:
        steps.did(PAGE, "compared")
    curves_and_rates(found, st.session_state.get(f"{PAGE}.swept", {}), job.id, stamp, job.ended)
    if f"{PAGE}.go" in st.session_state:
        st.rerun()  # the buttons above run only this fragment; leaving the page takes the whole script


def recorded_sweeps() -> None:
    """What ships, until the visitor sweeps: the same models with the lecture's settings."""
    shipped = {rungs[key].title: recorded.sweeps()[key] for key in models if key in recorded.sweeps()}
    if not shipped:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.state_badge("recorded")
        st.caption(
            "1e-5 to 10 in 100 steps, with the lecture's settings, on the real data. Press **Sweep** for your own."
        )
    curves_and_rates(shipped, experiments(), "recorded", tuple(shipped), ended=True)


if job is None:
    recorded_sweeps()
    st.caption(
        "In the lecture the sweep of the fully connected net suggested 1e-2, that of the convolutions 1e-1: the curve "
        "was still falling there, and rose soon after."
    )
else:
    live.panel(PAGE, job, draw, phase)

with st.expander("How it works", icon=":material/code:"):
    from explorer.training import lr_finder

    st.latex(
        r"\eta_i = \eta_0 \left(\eta_n / \eta_0\right)^{i/n}, \qquad "
        r"\bar\ell_i = \frac{\sum_{j\le i} \beta^{i-j}(1-\beta)\,\ell_j}{1-\beta^{i}}"
    )
    parts.code(lr_finder.sweep)
    parts.code(lr_finder.suggest)
steps.try_this(PAGE)
cards.did_you_notice(PAGE)
st.caption(f"{LR.help} Leslie Smith, *Cyclical learning rates for training neural networks*, 2015.")
