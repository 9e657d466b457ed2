"""The race on a page: choose a claim or networks of one's own, start, watch, and read what came out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.figures.layers import short
from explorer.figures.race import looks
from explorer.ladders import Page
from explorer.lecture import races, recorded
from explorer.lecture.races import BY_KEY
from explorer.models import batchnorm
from explorer.probes import plain
from explorer.runs import jobs, queue, race
from explorer.runs.race import Raced, RaceView
from explorer.runs.words import Kind
from explorer.ui import app, live, parts, runbar, state, steps
from explorer.ui.batchnorm import first_batch, layers, networks

PAGE = state.RACE
PUSHES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
QUICK = 10_000  # with at most so many pictures, one validation picture in four is enough


def show() -> None:
    """The whole section."""
    chosen = networks.choose()
    options = networks.sidebar(chosen)
    try:
        own = chosen == networks.OWN
        experiments = networks.of_ones_own(options) if own else networks.of_claim(BY_KEY[chosen], options)
        networks.check(experiments)
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
    elif experiments and (kept := _recorded(chosen, experiments, options.where)) is not None:
        _draw_recorded(kept)
    elif experiments:
        first_batch.show(experiments, options.where)
    _behind()


def _asked_to_start(job: jobs.Job[Any] | None) -> bool:
    """Whether another page or the link wants the race started; true only once."""
    here = state.race()
    by_page, here.start = here.start, False
    by_link = st.query_params.pop("start", "") == "1"
    return by_page or (by_link and (job is None or job.ended))


def _start(
    chosen: str, experiments: dict[str, Experiment], options: networks.Options, instead_of: jobs.Job[Any] | None = None
) -> jobs.Job[Raced]:
    share = 1 if chosen in ("notes", "fair") else 4 if options.images <= QUICK else 2
    where = options.where
    asked = Raced(experiments, chosen)
    title = BY_KEY[chosen].title if chosen in BY_KEY else "Your own race"
    job = queue.registry().submit(
        jobs.Job(
            Kind.RACE,
            title,
            lambda job: race.work(job, asked, where=where, valid_share=share),
            app.owner(),
            result=asked,
        ),
        instead_of,
    )
    state.race().job = job.id
    st.query_params["run"] = job.id
    steps.did(Page.BATCHNORM, "raced")
    return job


def _transport(
    job: jobs.Job[Any] | None,
    phase: live.Phase,
    chosen: str,
    experiments: dict[str, Experiment],
    options: networks.Options,
) -> None:
    here, going = state.race(), live.to_stop(job, phase)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if st.button(
            "Start again" if going else "Start the race",
            type="primary",
            icon=":material/play_arrow:",
            key=here.key("start"),
            disabled=not experiments,
            shortcut="t",
        ):
            with parts.refusals():
                _start(chosen, experiments, options, instead_of=job)
                st.rerun()
        held = phase == live.Phase.PAUSED and going is not None
        if (
            st.button(
                "Resume" if held else "Pause",
                icon=":material/pause:",
                key=here.key("pause"),
                disabled=going is None,
                shortcut="p",
            )
            and going
        ):
            (going.resume if held else going.pause)()
            st.rerun()
        live.stop(here, going)
        if going:
            st.select_slider(
                "Push all rates",
                PUSHES,
                1.0,
                format_func="× {:g}".format,
                width=340,
                key=here.key("push", going.id),
                on_change=_push,
                args=(going,),
                help="Multiplies every network's rate from the next step on. Push until one of them breaks.",
            )


def _push(job: jobs.Job[Raced]) -> None:
    if job.result is None:
        return
    first = next(iter(job.result.experiments.values()))
    job.change("lr", first.lr * state.race().value(state.key("push", job.id), 1.0))


def _draw(job: jobs.Job[Raced]) -> None:
    stamp = job.stamp
    runbar.status(job)
    parts.problem(job)
    raced = job.result
    if raced is None or raced.view is None:
        return
    view, experiments = raced.view, raced.experiments
    st.markdown(f"**{parts.escape(job.title)}**")
    _lanes(view, experiments)
    if any(lane.broke for lane in view.lanes):
        steps.did(Page.BATCHNORM, "broke")
    if view.finished:
        _verdict(view, raced.claim, "Measured here.")
    elif job.ended:
        st.caption("Stopped before the end: nothing is decided.")
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


def _draw_recorded(kept: _Recorded) -> None:
    parts.recorded(kept.device, "Start the race")
    _lanes(kept.view, {lane.name: lane.experiment for lane in kept.view.lanes})
    _verdict(kept.view, kept.claim, "Recorded.")
    layers.show(PAGE, kept, kept.view, (0, 0))


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
                layer = f" in {short(lane.broke.layer)}" if lane.broke.layer else ""
                st.badge(
                    f"step {lane.broke.step}{layer}", icon=":material/trending_up:", color="red", help=lane.broke.why
                )


def _verdict(view: RaceView, claim: str, source: str) -> None:
    """What came out, in words, also where it contradicts the lecture."""
    preset = BY_KEY.get(claim)
    pushed = any(mark.text.startswith("lr ") for lane in view.lanes for mark in lane.history.marks)
    rates = " The rates were pushed on the way, so they are not those in the names." if pushed else ""
    if preset is None:
        st.info(f"**{source}** {_ranked(view)}{rates}", icon=":material/flag:")
        return
    found = preset.verdict(view)
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


def _behind() -> None:
    with st.expander("How it works", icon=":material/code:"):
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
