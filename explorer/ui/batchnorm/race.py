"""The race on a page: choose a claim or networks of one's own, start, watch, and read what came out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.figures.layers import short
from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.ladders import Page
from explorer.lecture import races, recorded
from explorer.lecture.races import BY_KEY
from explorer.models import batchnorm
from explorer.probes import plain
from explorer.runs import outcome, race
from explorer.runs.race import LaneView, Raced, RaceView
from explorer.store.words import Kind
from explorer.training import memory
from explorer.ui import app, behind, claim, live, parts, runbar, state, steps
from explorer.ui.batchnorm import first_batch, layers, networks
from explorer.ui.runbar import Number, Tone

PAGE = state.RACE
PUSHES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
QUICK = 10_000  # with at most so many pictures, one validation picture in four is enough


def show() -> None:
    """The whole section."""
    chosen = networks.choose()
    job = live.find(PAGE)
    bar = runbar.bar(PAGE, live.phase(job))
    with bar, st.container(key=state.key(PAGE, "row"), horizontal=True, vertical_alignment="bottom", gap="small"):
        buttons = st.container(horizontal=True, gap="small", width="content")
        with st.container(key=state.key(PAGE, "demo")):
            left, right = st.columns(2)
        with left:
            options = networks.options(chosen)
        push = right
    mixer = st.container()
    try:
        with mixer:
            experiments = networks.experiments(chosen, options)
        networks.check(experiments)
    except SettingsError as error:
        mixer.error(parts.escape(str(error)), icon=":material/error:")
        experiments = {}
    if _asked_to_start(job) and experiments:
        with parts.refusals():
            job = _start(chosen, experiments, options)
    phase = live.phase(job)
    with buttons:
        _transport(job, phase, chosen, experiments, options)
    with push:
        _push(live.to_stop(job, phase))
    if job is not None:
        with bar:
            live.panel(PAGE, job, _status, phase, part="status")
        live.panel(PAGE, job, _draw, phase)
    elif experiments and (kept := _recorded(chosen, experiments, options.where)) is not None:
        with bar:
            runbar.row("recorded", "", map(_number, kept.view.lanes))
        _draw_recorded(kept)
    elif experiments:
        first_batch.show(experiments, options.where)
    if chosen in BY_KEY:
        networks.about(BY_KEY[chosen], options)
    behind.how(PAGE, _how)


def _asked_to_start(job: Job[Any] | None) -> bool:
    """Whether another page or the link wants the race started; true only once."""
    here = state.race()
    by_page, here.start = here.start, False
    by_link = st.query_params.pop("start", "") == "1"
    return by_page or (by_link and (job is None or job.ended))


def _start(
    chosen: str, experiments: dict[str, Experiment], options: networks.Options, instead_of: Job[Any] | None = None
) -> Job[Raced]:
    memory.ask(*experiments.values())
    share = 1 if chosen in ("notes", "fair") else 4 if options.images <= QUICK else 2
    where = options.where
    asked = Raced(experiments, chosen)
    title = BY_KEY[chosen].title if chosen in BY_KEY else "Your own race"
    work = call(race.work, asked, where=where, valid_share=share)
    made: Job[Raced] = Job(Kind.RACE, title, work, app.owner(), result=asked)
    models = list(dict.fromkeys(experiment.model for experiment in experiments.values()))
    settings = {name: outcome.settings_of(experiment) for name, experiment in experiments.items()}
    job = queue.registry().submit(outcome.recorded(made, app.store(), outcome.of_race, models, settings), instead_of)
    state.race().job = job.id
    st.query_params["run"] = job.id
    steps.did(Page.BATCHNORM, "raced")
    return job


def _transport(
    job: Job[Any] | None, phase: live.Phase, chosen: str, experiments: dict[str, Experiment], options: networks.Options
) -> None:
    """Start or hold, and stop; the coloured button is the one that is wanted next."""
    here, going = state.race(), live.to_stop(job, phase)
    if going:
        live.hold(here, going, phase)
    if st.button(
        "Start again" if going else "Start the race",
        type="secondary" if going else "primary",
        icon=":material/restart_alt:" if going else ":material/play_arrow:",
        key=here.key("start"),
        disabled=not experiments,
        shortcut="t",
    ):
        with parts.refusals():
            _start(chosen, experiments, options, instead_of=job)
            st.rerun()
    live.stop(here, going)


def _push(going: Job[Any] | None) -> None:
    """The slider that multiplies every network's rate while they race."""
    if going is None:
        return
    key = state.race().key("push", going.id)

    def push() -> None:
        if going.result is not None:
            first = next(iter(going.result.experiments.values()))
            going.change("lr", first.lr * state.widget(key, 1.0))

    st.select_slider(
        "Push all rates",
        PUSHES,
        1.0,
        format_func="× {:g}".format,
        key=key,
        on_change=push,
        help="While they race: multiplies every network's rate from the next step on. Push until one breaks.",
    )


def _status(job: Job[Raced]) -> None:
    """How the race stands, a number a network."""
    view = job.result.view if job.result else None
    runbar.status(job, [_number(lane) for lane in view.lanes] if view else ())


def _number(lane: LaneView) -> Number:
    last = lane.history.epochs[-1] if lane.history.epochs else None
    note = f"{last.accuracy:.1%} right" if last else ""
    value = f"{lane.final_loss:.2f}" if len(lane.history) else "–"
    if lane.broke:
        where = f" in {short(lane.broke.layer)}" if lane.broke.layer else ""
        value, note = "broke", f"at step {lane.broke.step}{where}"
    return Number(
        lane.name,
        value,
        note,
        Tone.WORSE if lane.broke else Tone.PLAIN,
        f"Mean training loss of the last 20 steps, in nats; guessing costs 2.30. {lane.parameters:,} parameters, rate "
        f"{lane.experiment.lr:g}." + (f" {lane.broke.why}" if lane.broke else ""),
    )


def _draw(job: Job[Raced]) -> None:
    stamp = job.stamp
    parts.problem(job)
    raced = job.result
    if raced is None or raced.view is None:
        return
    view = raced.view
    if any(lane.broke for lane in view.lanes):
        steps.did(Page.BATCHNORM, "broke")
    layers.curves(PAGE, job, view, stamp)
    if not view.finished and job.ended:
        st.caption("Stopped before the end: nothing is decided.")
    elif view.finished and not claim.shows(Page.BATCHNORM, raced.claim):
        _verdict(view, raced.claim, "Measured here.")
    layers.show(PAGE, job, view, stamp)
    parts.source_note(view.source)


@dataclass(frozen=True)
class _Recorded:
    """A claim's race as it was recorded."""

    claim: str
    view: RaceView
    device: str
    ended = True

    @property
    def id(self) -> str:
        return f"recorded.{self.claim}"


def _recorded(chosen: str, experiments: Mapping[str, Experiment], where: str) -> _Recorded | None:
    """The recorded race of exactly these networks, looked at in the same place, if there is one."""
    found = recorded.race(chosen) if chosen in BY_KEY else None
    if found is None or {lane.name: lane.experiment for lane in found[0].lanes} != dict(experiments):
        return None
    return _Recorded(chosen, *found) if found[0].lanes[0].record.where == where else None


@st.fragment
def _draw_recorded(kept: _Recorded) -> None:
    """The recorded race. Its controls, the step looked at above all, draw nothing else anew."""
    layers.curves(PAGE, kept, kept.view, (0, 0))
    _verdict(kept.view, kept.claim, "Recorded.")
    parts.recorded(kept.device, "Start the race")
    layers.show(PAGE, kept, kept.view, (0, 0))


def _verdict(view: RaceView, claim: str, source: str) -> None:
    """What came out, in words, also where it contradicts the lecture."""
    preset = BY_KEY.get(claim)
    pushed = any(mark.text.startswith("lr ") for lane in view.lanes for mark in lane.history.marks)
    rates = " The rates were pushed on the way, so they are not those in the names." if pushed else ""
    if preset is None:
        st.info(f"**{source}** {_ranked(view)}{rates}", icon=":material/flag:")
        return
    found = preset.verdict(view, numbers=False)  # they stand over the curves
    show = {True: st.success, False: st.warning, None: st.info}[found.agrees]
    icon = {True: ":material/check:", False: ":material/balance:", None: ":material/flag:"}[found.agrees]
    smaller = (
        ""
        if networks.whole(preset, view.lanes[0].experiment.images)
        else (" With fewer pictures than this claim's own race, so take it with care.")
    )
    show(f"**{source}** {parts.escape(found.text)}{smaller}{rates}", icon=icon)


def _ranked(view: RaceView) -> str:
    order = sorted(view.lanes, key=lambda lane: (lane.final_loss != lane.final_loss, lane.final_loss))
    words = [
        f"{lane.name}: broke at step {lane.broke.step}" if lane.broke else f"{lane.name}: {lane.final_loss:.2f}"
        for lane in order
    ]
    return parts.escape("Training loss at the end, in nats, best first. " + "; ".join(words) + ".")


def _how() -> None:
    names = ["BatchNorm by hand", "The probe", "The race", "What counts as broken", "The claims"]
    tabs = st.tabs(names)
    shown = (batchnorm.LectureBnLayer, plain.PlainProbe, race.Race, race.find_break, races.Preset)
    notes = (
        "The lecture's `BnLayer`: convolution, ReLU, then each channel to mean 0 and deviation 1, times m, plus a.",
        "The same numbers the plain way. What runs here looks at one step in four and fetches its numbers from the "
        "device only now and then, so that no step waits: `ActivationProbe` in `explorer/probes/activations.py`.",
        "All networks take a step on a batch before the next batch is drawn.",
        "",
        "",
    )
    for tab, thing, note in zip(tabs, shown, notes, strict=True):
        with tab:
            parts.code(thing, note)
