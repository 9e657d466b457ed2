"""A new sweep: a model, one to three settings with some values each, seeds; how long it takes before it begins."""

import streamlit as st

from explorer import ladders, limits
from explorer.errors import ExplorerError, SettingsError, log_detail
from explorer.experiment import SETTINGS, Experiment
from explorer.runs.sweeps import Plan
from explorer.ui import behind, parts, presets, state, sweeping
from explorer.ui.runs.asked import MODELS, PAGE

AXES = 3  # of a sweep: more than a picture shows
SEEDS = 5
OFFERED = (
    "bptt=8,16,32,64",
    "hidden=64,128,256,512",
    "layers=1,2,3",
    "batch_size=32,64,128,256",
    "depth=1,2,3,4",
    "norm=none,running",
    "skip=on,off",
    "optimiser=sgd,adam",
    "schedule=constant,cosine,one-cycle",
    "dropout=0,0.2,0.5",
    "weight_decay=1e-5:1e-2:log:4",
    "augment=on,off",
)


def show() -> None:
    """The form, in a fold."""
    behind.fold(PAGE, "sweep", "New sweep", ":material/grid_on:", _form)


def _form() -> None:
    here = state.runs()
    st.caption(
        "One model at every combination of some settings' values, each cell a run of its own, in turn with others'."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox("Model", list(MODELS), format_func=MODELS.__getitem__, key=here.key("of"), width=220)
        rung = ladders.rung(model)
        names = list(rung.presets)
        wanted = limits.now().preset
        preset = st.selectbox(
            "Settings",
            names,
            index=names.index(wanted) if wanted in names else 0,
            format_func=lambda name: presets.name_of(rung, name),
            key=here.key("preset", model),
            width=180,
        )
        given = Experiment.of(model, preset)
        low, high = (int(bound) for bound in (SETTINGS["epochs"].low, SETTINGS["epochs"].high))
        epochs = st.number_input(
            "Epochs a cell", low, high, given.epochs, key=here.key("epochs", model, preset), width=130
        )
        seeds = st.number_input("Seeds", 1, SEEDS, key=here.key("seeds"), width=110)
    base = given.replace(epochs=int(epochs))
    over = st.multiselect(
        "Over",
        offers(base),
        key=here.key("over", model, preset),
        accept_new_options=True,
        max_selections=AXES,
        placeholder="Choose, or type: lr=1e-4:1e-1:log:8, bptt=8,16,32",
        help="A setting and its values, name=a,b,c; or evenly spread, name=low:high:log:count (lin for even steps).",
    )
    with parts.refusals():
        plan = Plan.of(base, over, int(seeds)) if over or seeds > 1 else None
        if plan is not None:
            sweeping.announce(plan)
        st.button(
            "Start the sweep",
            type="primary",
            icon=":material/play_arrow:",
            disabled=plan is None,
            key=here.key("begin"),
            on_click=_begin,
            args=(plan,),
        )
    if why := here.value("refused", ""):
        st.error(parts.escape(why), icon=":material/error:")
        here.set("refused", "")


def _begin(plan: Plan) -> None:
    """Callback: begin it and show it in place of the form, or say why not."""
    here = state.runs()
    try:
        here.chosen, here.sweep = (sweeping.begin(plan),), ""
        here.set("fold.sweep", False)
    except ExplorerError as error:
        log_detail(error)
        here.set("refused", str(error))


def offers(base: Experiment) -> list[str]:
    """Axes that make sense for a model: a factor of thirty about its rate, and what of the others it has."""
    low, high = (max(SETTINGS["lr"].low, min(SETTINGS["lr"].high, base.lr * by)) for by in (1 / 30, 30))
    words = [f"lr={low:.1g}:{high:.1g}:log:7"]
    for word in OFFERED:
        try:
            Plan.of(base, [word])
        except SettingsError:
            continue  # it is none of this model's
        words.append(word)
    return words
