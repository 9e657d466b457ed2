"""The race on a page: choose a claim or networks of one's own, start, watch, and read what came out."""

import html
from collections.abc import Mapping

import streamlit as st

from explorer.errors import ExplorerError, SettingsError
from explorer.experiment import SETTINGS, Experiment
from explorer.figures.layers import short
from explorer.figures.race import across_depth, looks
from explorer.lecture import races
from explorer.lecture.races import BY_KEY, PRESETS, Preset
from explorer.models import batchnorm, vision
from explorer.probes import activations
from explorer.runs import jobs, queue, race
from explorer.runs.race import Raced, RaceView
from explorer.ui import app, links, live, parts, plot, state, steps
from explorer.ui.batchnorm import layers

PAGE = "batchnorm.race"
OWN = "own"
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
PUSHES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
NORMS = {"none": "none", "running": "BatchNorm", "lecture": "the lecture's BnLayer", "torch": "nn.BatchNorm2d"}
QUICK = 10_000  # with at most so many pictures, one validation picture in four is enough


def show() -> None:
    """The whole section."""
    chosen = _choose()
    options = _sidebar(chosen)
    try:
        experiments = _own(options) if chosen == OWN else _claim(BY_KEY[chosen], options)
        _check(experiments)
    except SettingsError as error:
        st.error(parts.escape(str(error)), icon=":material/error:")
        experiments = {}
    job = live.find(PAGE)
    if _asked_to_start(job) and experiments:
        with parts.refusals():
            job = _start(chosen, experiments, options)
    phase = live.phase(job)
    _transport(job, phase, chosen, experiments, options)
    if job is not None:
        live.panel(PAGE, job, _draw, phase)
    elif experiments:
        _before(experiments, options["where"])
    _behind()


def _asked_to_start(job: jobs.Job | None) -> bool:
    """Whether another page or the link wants the race started; true only once."""
    by_page = st.session_state.pop("batchnorm.start", False)
    by_link = st.query_params.pop("start", "") == "1"
    return bool(by_page) or (by_link and (job is None or job.ended))


# -- choosing ------------------------------------------------------------------------------------------
def _choose() -> str:
    """Which claim, by key; or a race of one's own."""
    titles = {preset.key: preset.title for preset in PRESETS} | {OWN: "Your own"}
    key = f"{PAGE}.preset"
    words, notices = links.picked(st.query_params, "race", titles)
    links.tell(notices)
    asked = words[0] if words else None
    if asked and st.session_state.get(f"{PAGE}.asked") != asked:
        st.session_state[key] = st.session_state[f"{PAGE}.asked"] = asked
    st.session_state.setdefault(key, PRESETS[0].key)
    return st.pills(
        "What shall race?",
        list(titles),
        required=True,
        format_func=titles.get,
        key=key,
        on_change=_forget_link,
        persist_state="session",
    )


def _forget_link() -> None:
    """Another claim is chosen: the link's own is over."""
    st.query_params.pop("race", None)
    st.session_state.pop(f"{PAGE}.asked", None)


def _sidebar(chosen: str) -> dict:
    """What all networks share."""
    first = next(iter(BY_KEY[chosen].experiments.values())) if chosen in BY_KEY else None
    sizes = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000]
    asked, notices = links.picked(st.query_params, "images", map(str, sizes))
    links.tell(notices)
    images = int(asked[0]) if asked else first.images if first else 5_000
    with st.sidebar:
        st.markdown("**The race**")
        found = {
            "images": st.select_slider(
                "Training pictures",
                sizes,
                images,
                format_func="{:,}".format,
                key=f"{PAGE}.images.{chosen}",
                help="Fewer is quicker, and says less.",
            ),
            "seed": st.number_input(
                "Seed",
                0,
                10**6,
                0,
                key=f"{PAGE}.seed",
                help="Initial weights and the order of the batches. One seed is one draw.",
            ),
            "where": st.radio(
                "Look at each layer",
                list(activations.PLACES),
                index=1,
                key=f"{PAGE}.where",
                captions=list(activations.PLACES.values()),
            ),
        }
        st.caption(f"Statistics are taken at one step in {activations.EVERY}. A change takes effect at the next start.")
    return found


def _claim(preset: Preset, options: Mapping) -> dict[str, Experiment]:
    """A claim's networks, and the claim in words."""
    experiments = preset.race(images=options["images"], seed=options["seed"])
    with st.container(border=True):
        st.markdown(f"**{preset.claim}**")
        st.caption(f"The lecture's words: “{parts.escape(preset.words)}”")
        _legend(experiments)
        took = f" Takes about {parts.seconds(preset.seconds)} on two CPU cores." if _whole(preset, options) else ""
        st.caption(f"{preset.note}{took}")
    return experiments


def _whole(preset: Preset, options: Mapping) -> bool:
    return all(e.images == options["images"] for e in preset.experiments.values())


def _own(options: Mapping) -> dict[str, Experiment]:
    """Two to four networks put together by the visitor.

    Raises:
        SettingsError: a setting is out of range.
    """
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            count = st.segmented_control("Networks", [2, 3, 4], default=2, required=True, key=f"{PAGE}.count")
            widths = st.text_input(
                "Widths", "16,32,64,128", key=f"{PAGE}.widths", help=SETTINGS["widths"].help, width=180
            )
            epochs = st.number_input("Epochs", 1, 20, 2, key=f"{PAGE}.epochs", width=120)
            batch = st.selectbox("Batch size", [16, 32, 64, 128, 256], index=2, key=f"{PAGE}.batch", width=120)
        rows = [_network(number, column) for number, column in enumerate(st.columns(count))]
    shared = dict(
        widths=widths,
        stem=0,
        augment=False,
        batch_size=batch,
        schedule="constant",
        epochs=int(epochs),
        images=options["images"],
        seed=int(options["seed"]),
    )
    found = {}
    for number, row in enumerate(rows, 1):
        words = [f"{row['depth'] * (widths.count(',') + 1)} layers", f"{row['lr']:g}"]
        words += ["BatchNorm"] * (row["norm"] != "none") + ["skips"] * row["skip"]
        found[f"{number}: {', '.join(words)}"] = Experiment.of("builder", **shared, **row)
    return found


def _network(number: int, column: object) -> dict:
    with column, st.container(border=True):
        st.markdown(f"**Network {number + 1}**")
        norm = st.selectbox(
            "Normalisation", list(NORMS), index=number % 2, format_func=NORMS.get, key=f"{PAGE}.norm.{number}"
        )
        depth = st.slider("Layers per stage", 1, 6, 2, key=f"{PAGE}.depth.{number}")
        rate = st.select_slider("Learning rate", RATES, 0.03, format_func="{:g}".format, key=f"{PAGE}.lr.{number}")
        skip = st.toggle("Skip connections", key=f"{PAGE}.skip.{number}")
    return {"norm": norm, "depth": depth, "lr": rate, "skip": skip}


def _check(experiments: Mapping[str, Experiment]) -> None:
    """Everything that can be said against a race before it starts.

    Raises:
        SettingsError: with the sentence.
    """
    race.check(experiments)
    for experiment in experiments.values():
        vision.check(experiment)


def _legend(experiments: Mapping[str, Experiment]) -> None:
    """The networks' names in their colours."""
    chips = "".join(
        f'<span style="white-space:nowrap;margin-right:1.4rem"><span style="display:inline-block;width:1.6rem;'
        f'border-top:3px {_CSS_DASH[dash]} {colour};vertical-align:middle;margin-right:.45rem"></span>'
        f"{html.escape(name)}</span>"
        for name, (colour, dash) in looks(experiments).items()
    )
    st.html(f"<div>{chips}</div>")


_CSS_DASH = {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "double"}


# -- running -------------------------------------------------------------------------------------------
def _start(
    chosen: str, experiments: dict[str, Experiment], options: Mapping, instead_of: jobs.Job | None = None
) -> jobs.Job:
    share = 1 if chosen in ("notes", "fair") else 4 if options["images"] <= QUICK else 2
    where = options["where"]
    asked = Raced(experiments, chosen)
    title = BY_KEY[chosen].title if chosen in BY_KEY else "Your own race"
    job = queue.registry().submit(
        jobs.Job(
            jobs.Kind.RACE,
            title,
            lambda job: race.work(job, asked, where=where, valid_share=share),
            app.owner(),
            result=asked,
        ),
        instead_of,
    )
    state.place(PAGE).job = job.id
    st.query_params["run"] = job.id
    steps.did("batchnorm", "raced")
    return job


def _transport(
    job: jobs.Job | None, phase: str, chosen: str, experiments: dict[str, Experiment], options: Mapping
) -> None:
    going = phase in live.AT_WORK and job.owner == app.owner()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if st.button(
            "Start again" if going else "Start the race",
            type="primary",
            icon=":material/play_arrow:",
            key=f"{PAGE}.start",
            disabled=not experiments,
            shortcut="t",
        ):
            with parts.refusals():
                _start(chosen, experiments, options, instead_of=job)
                st.rerun()
        held = going and phase == "paused"
        if st.button(
            "Resume" if held else "Pause",
            icon=":material/pause:",
            key=f"{PAGE}.pause",
            disabled=not going,
            shortcut="p",
        ):
            (job.resume if held else job.pause)()
            st.rerun()
        if st.button("Stop", icon=":material/stop:", key=f"{PAGE}.stop", disabled=not going, shortcut="s"):
            job.stop()
            st.rerun()
        if going:
            st.select_slider(
                "Push all rates",
                PUSHES,
                1.0,
                format_func="× {:g}".format,
                width=340,
                key=f"{PAGE}.push.{job.id}",
                on_change=_push,
                args=(job,),
                help="Multiplies every network's rate from the next step on. Push until one of them breaks.",
            )


def _push(job: jobs.Job[Raced]) -> None:
    first = next(iter(job.result.experiments.values()))
    job.change("lr", first.lr * st.session_state[f"{PAGE}.push.{job.id}"])


def _draw(job: jobs.Job[Raced]) -> None:
    stamp = job.stamp
    live.progress(job)
    parts.problem(job)
    view = job.result.view
    if view is None:
        return
    experiments = job.result.experiments
    st.markdown(f"**{parts.escape(job.title)}**")
    _lanes(view, experiments)
    _verdict(job, view)
    layers.show(PAGE, job, view, stamp)
    parts.source_note(view.source)


def _lanes(view: RaceView, experiments: Mapping[str, Experiment]) -> None:
    look = looks(experiments)
    for lane, column in zip(view.lanes, st.columns(len(view.lanes)), strict=True):
        colour, _ = look[lane.name]
        last = lane.history.epochs[-1] if lane.history.epochs else None
        accuracy = f"{last.accuracy:.1%} of validation right, epoch {last.epoch}" if last else "not validated yet"
        value = "broke" if lane.broke else f"{lane.final_loss:.2f}" if len(lane.history) else "–"
        with column, st.container(border=True, height="stretch"):
            st.html(f'<div style="border-top:4px solid {colour};margin:-.3rem 0 .3rem"></div>')
            st.metric(
                lane.name,
                value,
                accuracy,
                delta_color="off",
                delta_arrow="off",
                help=f"Mean training loss of the last 20 steps, in nats; guessing costs 2.30. {lane.parameters:,} "
                f"parameters, rate {lane.experiment.lr:g}.",
            )
            if lane.broke:
                steps.did("batchnorm", "broke")
                layer = f" in {short(lane.broke.layer)}" if lane.broke.layer else ""
                st.badge(
                    f"step {lane.broke.step}{layer}", icon=":material/trending_up:", color="red", help=lane.broke.why
                )


def _verdict(job: jobs.Job[Raced], view: RaceView) -> None:
    """What came out, in words, also where it contradicts the lecture."""
    preset = BY_KEY.get(job.result.claim)
    pushed = any(mark.text.startswith("lr ") for lane in view.lanes for mark in lane.history.marks)
    rates = " The rates were pushed on the way, so they are not those in the names." if pushed else ""
    if not view.finished:
        if job.ended:
            st.caption("Stopped before the end: nothing is decided.")
        return
    if preset is None:
        st.info(f"**Measured here.** {_ranked(view)}{rates}", icon=":material/flag:")
        return
    found = preset.verdict(view)
    show = {True: st.success, False: st.warning, None: st.info}[found.agrees]
    icon = {True: ":material/check:", False: ":material/balance:", None: ":material/flag:"}[found.agrees]
    smaller = (
        ""
        if _whole(preset, {"images": view.lanes[0].experiment.images})
        else (" With fewer pictures than this claim's own race, so take it with care.")
    )
    show(f"**Measured here.** {parts.escape(found.text)}{smaller}{rates}", icon=icon)


def _ranked(view: RaceView) -> str:
    order = sorted(view.lanes, key=lambda lane: (lane.final_loss != lane.final_loss, lane.final_loss))
    words = [
        f"{lane.name}: broke at step {lane.broke.step}" if lane.broke else f"{lane.name}: {lane.final_loss:.2f}"
        for lane in order
    ]
    return parts.escape("Training loss at the end, in nats, best first. " + "; ".join(words) + ".")


# -- before anything ran ---------------------------------------------------------------------------------
@st.cache_resource(max_entries=24, show_spinner="Sending one batch through the untrained networks …")
def _first_step(experiments: dict[str, Experiment], where: str) -> RaceView:
    """One step of a race: what the untrained networks do with their first batch."""
    small = {name: e.replace(images=min(e.images, 500), epochs=1) for name, e in experiments.items()}
    raced = race.Race(small, where=where, valid_share=50)
    rounds = raced.run()
    next(rounds)
    rounds.close()
    raced.drain()
    return raced.view()


def _before(experiments: dict[str, Experiment], where: str) -> None:
    """The first batch through the untrained networks: something real before any click."""
    try:
        view = _first_step(experiments, where)
    except ExplorerError as error:
        st.error(parts.escape(str(error)), icon=":material/error:")
        return
    stamp = ("first", *experiments.values(), where)
    with st.container(border=True):
        wide, narrow = st.columns([5, 3], gap="medium", vertical_alignment="center")
        with wide:
            plot.chart(
                PAGE,
                "first",
                (str(hash(stamp)), *stamp),
                lambda: across_depth(view, "std"),
                "Standard deviation of each layer's activations for one batch, before training, a line a network.",
                f"Measured here: one batch of {view.lanes[0].experiment.batch_size} pictures through the untrained "
                f"networks, {where}. Log scale.",
            )
        with narrow:
            st.markdown("**Before the first step**")
            st.markdown("\n".join(f"- {parts.escape(_shrinks(lane))}" for lane in view.lanes))
            st.caption(
                "A layer that passes on a tenth of the spread hands the next one almost a constant. BatchNorm sets "
                "each channel's spread to one, so depth costs none."
            )
    parts.source_note(view.source)


def _shrinks(lane: race.LaneView) -> str:
    """How the spread changes from the first to the last hidden layer, in words."""
    spread = lane.record.std[0]
    hidden = spread[:-1] if len(spread) > 2 else spread
    return f"{lane.name}: the spread goes from {hidden[0]:.2g} in the first layer to {hidden[-1]:.2g} in the last."


def _behind() -> None:
    with st.expander("How it works", icon=":material/code:"):
        names = ["BatchNorm by hand", "The probe", "The race", "What counts as broken", "The claims"]
        tabs = st.tabs(names)
        shown = (batchnorm.LectureBnLayer, activations.ActivationProbe, race.Race, race.find_break, races.Preset)
        notes = (
            "The lecture's `BnLayer`: convolution, ReLU, then each channel to mean 0 and deviation 1, times m, plus a.",
            "Hooks that look at one step in four. The numbers wait on the device; nothing in a step waits for them.",
            "All networks take a step on a batch before the next batch is drawn.",
            "",
            "",
        )
        for tab, thing, note in zip(tabs, shown, notes, strict=True):
            with tab:
                parts.code(thing, note)
