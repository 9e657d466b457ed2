"""How cards are drawn: the lecture's stations, its claims and its quirks."""

import functools
import html
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import streamlit as st

from explorer import ladders, paths
from explorer.errors import ExplorerError
from explorer.figures import diagrams, style
from explorer.lecture import claims, quirks
from explorer.lecture.recorded import recording
from explorer.runs import jobs, queue
from explorer.series import smooth, spread
from explorer.ui import app, clickable, controls, live, parts

if TYPE_CHECKING:
    from explorer.ladders import Figure, Rung
    from explorer.lecture.claims import Claim
    from explorer.runs.jobs import Job

Thing = TypeVar("Thing")
PAGES = {
    "char_rnn": "Character RNN",
    "cifar10": "CIFAR-10",
    "batchnorm": "Inside the network",
    "cam": "Class activation maps",
    "lr_finder": "LR finder",
    "runs": "Runs",
}

STYLE = """<style>
.x-stations { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.explorer-clickable a.x-station { display: flex; flex-direction: column; gap: .45rem; padding: 1rem; color: inherit;
  text-decoration: none; border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  transition: border-color .15s; }
.explorer-clickable a.x-station:hover, .explorer-clickable a.x-station:focus-visible { border-color: currentColor; }
.x-track { display: flex; align-items: center; gap: .6rem; }
.x-track b, .x-path h2 { font-family: var(--st-heading-font); }
.x-track b { font-size: 1.16rem; font-weight: 600; line-height: 1.2; }
.x-dot { flex: none; width: 1.65rem; height: 1.65rem; border-radius: 50%; border: 2.5px solid var(--x); display: grid;
  place-items: center; font-size: .82rem; font-weight: 650; }
.x-line { flex: 1; height: 0; border-top: 2.5px solid var(--x); opacity: .55; min-width: .6rem; }
.x-idea { margin: 0; line-height: 1.45; min-height: 4.3em; }
.x-mini { min-height: 62px; display: flex; align-items: center; }
.x-mini svg { display: block; }
.x-mini q { font-family: "Source Serif", Georgia, serif; font-style: italic; font-size: .95rem; line-height: 1.45;
  overflow-wrap: anywhere; }
.x-nums { display: flex; gap: 1.6rem; margin: 0; padding: 0; }
.x-nums div { display: flex; flex-direction: column; }
.x-nums dt { font-size: .8rem; opacity: .8; }
.x-nums dd { margin: 0; font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.x-nums small { font-size: .78rem; font-weight: 400; opacity: .8; }
.x-path { display: flex; align-items: baseline; gap: .8rem; flex-wrap: wrap; border-left: 4px solid var(--x);
  padding-left: .8rem; margin: 1.2rem 0 .9rem; }
.x-path h2 { padding: 0; margin: 0; }
.x-path p { margin: 0; opacity: .85; }
.x-quote { margin: 0; padding-left: .8rem; border-left: 3px solid currentColor; border-color: rgba(128,128,128,.45);
  font-family: "Source Serif", Georgia, serif; font-style: italic; line-height: 1.5; }
.x-quote cite { font-family: inherit; font-style: normal; font-size: .82rem; opacity: .8; white-space: nowrap; }
.st-key-home-start button { font-size: 1.3rem; padding: .75rem 2.6rem; }
.st-key-home-start button p { font-size: 1.3rem; font-weight: 600; }
@media (max-width: 640px) { .x-idea, .x-mini { min-height: 0; } }
</style>"""


def _html(body: str, colour: str = style.TRAIN) -> None:
    # As Markdown, because st.html drops drawings; nothing in here comes from a user.
    st.markdown(f'<div style="--x:{colour}">{body}</div>', unsafe_allow_html=True)


# -- stations ------------------------------------------------------------------------------------------


_OPEN = "home.open"


def the_map(paths: Sequence[tuple[str, str, str, Sequence[tuple[str, str]]]]) -> None:
    """The lecture's paths, each a (title, idea, colour, stations); a station is a rung's key and a shorter title.

    A card shows its rung's idea, a miniature of its recorded run, the best number here and the lecture's, and is a
    link to its page.
    """
    if (query := st.session_state.pop(_OPEN, None)) is not None:
        page, _, model = query.partition("?model=")
        st.switch_page(f"pages/{page}.py", query_params={"model": model} if model else {})
    clickable.show(map_html(paths), "home.map", lambda query: st.session_state.update({_OPEN: query}))


def map_html(paths: Sequence[tuple[str, str, str, Sequence[tuple[str, str]]]]) -> str:
    """The whole map as HTML."""
    return "".join(
        f'<div class="x-path" style="--x:{colour}"><h2>{html.escape(title)}</h2><p>{html.escape(words)}</p></div>'
        f'<div class="x-stations">{"".join(_station(number, *one) for number, one in enumerate(stations, 1))}</div>'
        for title, words, colour, stations in paths
    )


@functools.lru_cache(maxsize=64)
def _station(number: int, key: str, title: str) -> str:
    if key == "cam":
        return _link("cam", style.VALID, _map_card(number))
    rung = ladders.rung(key)
    page = "char_rnn" if rung.ladder == "language" else "cifar10"
    card = _card(number, title or rung.title, rung.idea, _miniature(rung), _numbers(rung))
    return _link(f"{page}?model={key}", style.MODELS[key], card)


def _link(query: str, colour: str, card: str) -> str:
    return f'<a class="x-station" style="--x:{colour}" href="{query}" data-at="{query}">{card}</a>'


@functools.lru_cache(maxsize=4)
def _map_card(number: int) -> str:
    run = _photo_run()
    mini = diagrams.heat(diagrams.LECTURE_MAP, "The heat map the lecture printed for its cat, 7 by 7.", 9)
    numbers = _figure("here, recorded", f"{run:.1%}" if run else "–", "accuracy") + _figure(
        "lecture", "–", "not printed"
    )
    return _card(
        number,
        "Heat maps",
        "Ask the last layer which parts of the photo made it say cat: the map before the average.",
        f'<div style="width:66px">{mini}</div><span style="margin-left:.8rem;opacity:.85">the lecture’s cat</span>',
        numbers,
    )


def _photo_run() -> float | None:
    """Validation accuracy of the shipped cats-and-dogs head, from its record; it is no rung of a ladder."""
    path = paths.WEIGHTS / "dogscats.json"
    if not path.exists():
        return None
    rows = json.loads(path.read_text()).get("epochs", [])
    return max((row["accuracy"] for row in rows), default=None)


def _card(number: int, title: str, idea: str, miniature: str, numbers: str) -> str:
    return (
        f'<div class="x-track"><span class="x-dot">{number}</span><b>{html.escape(title)}</b>'
        f'<span class="x-line"></span></div><p class="x-idea">{html.escape(idea)}</p>'
        f'<div class="x-mini">{miniature}</div><dl class="x-nums">{numbers}</dl>'
    )


def _figure(label: str, value: str, note: str) -> str:
    return f"<div><dt>{html.escape(label)}</dt><dd>{value} <small>{html.escape(note)}</small></dd></div>"


def _shown(metric: str, value: float) -> str:
    return f"{value:.3f}" if metric == "val_loss" else f"{value:.1%}"


def lecture_figure(rung: "Rung") -> "Figure | None":
    """The notes' figure, else the notebook's."""
    return min(rung.figures, key=lambda figure: figure.source != "lecture notes", default=None)


def _numbers(rung: "Rung") -> str:
    unit, run, figure = ("nats" if rung.metric == "val_loss" else "right"), recording(rung.key), lecture_figure(rung)
    here, there = _figure("here, recorded", "–", "no run yet"), _figure("lecture", "–", "not printed")
    if run is not None:
        best = run.history.best_val_loss if unit == "nats" else run.history.best_accuracy
        here = _figure("here, recorded", _shown(rung.metric, best), f"{unit}, {len(run.history.epochs)} epochs")
    if figure is not None:
        whose = "lecture" if figure.source == "lecture notes" else "its notebook"
        there = _figure(whose, _shown(figure.metric, figure.value), f"{figure.epochs} epochs")
    return here + there


def _miniature(rung: "Rung") -> str:
    run = recording(rung.key)
    if run is None:
        return '<span style="opacity:.85">No recorded run ships yet. Open it and train.</span>'
    sample = run.history.epochs[-1].sample if run.history.epochs else ""
    if rung.key in ("stateful", "lstm") and sample:
        return f"<q>{html.escape(sample[:96].strip())} …</q>"
    total = run.history.epochs[-1].epoch
    column = "val_loss" if rung.metric == "val_loss" else "accuracy"
    dots = [(row.epoch / total, getattr(row, column)) for row in run.history.epochs]
    figure = lecture_figure(rung)
    curve = figure.curve if figure else ()
    reference = [((figure.epochs - len(curve) + 1 + i) / total, value) for i, value in enumerate(curve)]
    reference = [(x, y) for x, y in reference if x <= 1]
    losses = _settled(run.history["loss"]) if column == "val_loss" else []
    what = "Loss" if column == "val_loss" else "Accuracy"
    return diagrams.sparkline(
        losses,
        dots,
        reference,
        colour=style.MODELS[rung.key],
        title=f"{what} of the recorded run over {total} epochs, ending at {_shown(rung.metric, dots[-1][1])}"
        + ("; dashed: the lecture's." if reference else "."),
    )


def _settled(losses: np.ndarray) -> list[float]:
    """A recorded loss, smoothed and without its first fall, which would flatten the rest."""
    calm = smooth(losses, 0.9)
    return calm[spread(len(calm), 90)][4:].tolist()


# -- claims --------------------------------------------------------------------------------------------


def make_it_happen(claim: "Claim") -> None:
    """Open the claim's page with the settings set and the run started."""
    if claim.experiment is not None:
        job = live.submit(claim.page, claim.experiment)
        controls.put(claim.page, claim.experiment)
        query = {**claim.experiment.to_query(), "run": job.id}
    elif claim.race:
        st.session_state["batchnorm.start"] = True
        query = {"race": claim.race}
    else:
        query = {}
    st.switch_page(f"pages/{claim.page}.py", query_params=query)


def claim_card(claim: "Claim") -> None:
    """A claim: the quote, what came out, and the buttons that make it happen or measure it on the spot."""
    with st.container(border=True, height="stretch", key=f"claim-{claim.id}"):
        st.subheader(claim.title, anchor=False)
        where = f"notes, line {claim.line}" if claim.line else "notes"
        st.html(f'<p class="x-quote">“{html.escape(claim.quote)}” <cite>— {where}</cite></p>')
        st.markdown(f":material/visibility: **Look at:** {claim.look}")
        _outcome(claim)
        if claim.caution:
            st.caption(f":material/info: {claim.caution}")
        with st.container(horizontal=True):
            if st.button(
                "Make it happen",
                type="primary",
                icon=":material/play_arrow:",
                key=f"happen.{claim.id}",
                help=f"Opens {PAGES[claim.page]} with the settings set and the run started.",
            ):
                with parts.refusals(), st.spinner("Starting …"):
                    make_it_happen(claim)
            if st.button(
                f"Measure now, about {claim.seconds} s",
                icon=":material/straighten:",
                key=f"measure.{claim.id}",
                help="A small version, on this server and its data, without leaving the page.",
            ):
                with parts.refusals():
                    _submit_measure(claim)
                    st.rerun()


def _submit_measure(claim: "Claim") -> None:
    app.engine().wait()

    def work(job: "Job") -> None:
        _, verdict = claims.measure(claim, job.between_steps)
        job.publish(verdict=verdict)

    earlier = queue.registry().find(st.session_state.get(f"claim.{claim.id}", ""))
    job = queue.registry().submit(jobs.Job(jobs.Kind.CLAIM, claim.title, work, app.owner()), earlier)
    st.session_state[f"claim.{claim.id}"] = job.id


def _outcome(claim: "Claim") -> None:
    recorded = claims.recorded_verdict(claim.id)
    if recorded:
        _verdict(recorded, "recorded here")
    job = queue.registry().find(st.session_state.get(f"claim.{claim.id}", ""))
    if job is None:
        return

    every = None if job.ended else 0.5

    @st.fragment(run_every=every, key=f"claim-live-{claim.id}")
    def watch() -> None:
        job.touch()
        if found := job.results.get("verdict"):
            _verdict(found, "measured just now")
        elif job.state == jobs.State.FAILED:
            st.error(parts.escape(job.message), icon=":material/error:")
        elif job.ended:
            st.caption(parts.escape(job.message) or "Stopped.")
        else:
            words = parts.escape(job.waits_for()) if job.state == jobs.State.QUEUED else "Measuring …"
            st.progress(min(1.0, job.progress), words)
        if job.ended and every is not None:
            st.rerun()  # re-declares the fragment without its timer

    watch()


def _verdict(verdict: claims.Verdict, source: str) -> None:
    look = {
        True: ("agrees", "check_circle", "green"),
        False: ("does not agree", "cancel", "orange"),
        None: ("it depends", "help", "gray"),
    }[verdict.agrees]
    with st.container(gap="xxsmall"):
        st.badge(f"{look[0]} · {source}", icon=f":material/{look[1]}:", color=look[2])
        st.markdown(parts.escape(verdict.text))


# -- quirks --------------------------------------------------------------------------------------------


def quirk_card(quirk: quirks.Quirk) -> None:
    """What the notes' code really does, and the measurement."""
    with st.container(border=True, height="stretch", key=f"quirk-{quirk.id}"):
        st.markdown(f"**{quirk.title}**")
        st.markdown(quirk.text)
        st.markdown(f":material/straighten: {parts.escape(quirk.measured())}")
        if quirk.line:
            st.caption(f"Lecture notes, line {quirk.line}")


def did_you_notice(page: str) -> None:
    """The quirks that belong to a page, folded away."""
    found = quirks.for_page(page)
    if found:
        fold = st.expander("Did you notice?", icon=":material/lightbulb:", on_change="rerun", key=f"{page}.noticed")
        if fold.open:
            with fold:
                in_rows(found, quirk_card)


def in_rows(things: Sequence[Thing], draw: Callable[[Thing], None], across: int = 2) -> None:
    """Cards in rows, read from left to right; one below the other on a phone."""
    for at in range(0, len(things), across):
        for column, thing in zip(st.columns(across), things[at : at + across], strict=False):
            with column:
                draw(thing)


# -- this server ---------------------------------------------------------------------------------------


def now() -> None:
    """What trains on this server at the moment, and on which device; looked at again every two seconds."""

    @st.fragment(run_every=2.0, key="server-now")
    def watch() -> None:
        made, running = app.engine(), list(queue.running())
        device = made.device if made.ready.is_set() else "torch is still loading"
        if made.problem:
            st.caption(f":material/error: torch cannot be loaded: {parts.escape(made.problem)}")
        elif not running:
            st.caption(f":material/memory: {parts.escape(device)} · nothing is running now")
        else:
            shown = ", ".join(f"{parts.escape(job.title)} {job.progress:.0%}" for job in running[:4])
            more = f" and {len(running) - 4} more" if len(running) > 4 else ""
            st.caption(f":material/play_circle: {parts.escape(device)} · now: {shown}{more}")

    watch()


@dataclass(frozen=True)
class _DataSet:
    """Something that can be here or fetched."""

    name: str
    files: tuple[str, ...]
    without: str  #: what happens while it is missing
    module: str  #: in explorer.data, with ``fetch(progress)``
    size: str
    bytes: float


_DATA = (
    _DataSet(
        "Nietzsche, the lecture's text",
        ("nietzsche.txt",),
        "Python's help texts stand in for it.",
        "text",
        "0.6 MB",
        600_901,
    ),
    _DataSet("CIFAR-10", ("cifar10.tgz", "cifar10"), "Generated shapes stand in for it.", "cifar10", "135 MB", 135e6),
    _DataSet(
        "Dogs vs cats, photos",
        ("dogscats.tgz", "dogscats"),
        "Only your own photos can be used.",
        "dogscats",
        "the course's archive",
        850e6,
    ),
)


def data_and_weights() -> None:
    """What is here and what is missing, with the button that gets it."""
    for column, data in zip(st.columns(3), _DATA, strict=True):
        with column, st.container(border=True, height="stretch", key=f"data-{data.module}"):
            st.markdown(f"**{data.name}**")
            here = any(paths.find_data(file) for file in data.files)
            if here:
                st.badge("here", icon=":material/check:", color="green")
            else:
                st.badge("missing", icon=":material/draft:", color="orange")
                st.caption(data.without)
                if st.button(f"Download ({data.size})", icon=":material/download:", key=f"fetch.{data.module}"):
                    _fetch(data)
    models = [rung for ladder in ladders.LADDERS.values() for rung in ladder if rung.key != "builder"]
    there = {rung.key: (paths.WEIGHTS / f"{rung.key}.safetensors").exists() for rung in models}
    with st.container(border=True, key="weights"):
        st.markdown(f"**Trained weights** · {sum(there.values())} of {len(there)} rungs ship with this program")
        with st.container(horizontal=True):
            for rung in models:
                icon, colour = (":material/check:", "green") if there[rung.key] else (":material/remove:", "gray")
                st.badge(rung.title, icon=icon, color=colour, help=None if there[rung.key] else "Not yet; train it.")
        if not all(there.values()):
            st.caption("A grey rung has no weights yet: its page trains it from scratch.")


def _fetch(data: _DataSet) -> None:
    bar = st.progress(0.0, "Asking for it …")
    try:
        module = importlib.import_module(f"explorer.data.{data.module}")
        module.fetch(lambda done, total: bar.progress(min(1.0, done / (total or data.bytes)), f"{done / 1e6:,.1f} MB"))
    except ExplorerError as error:
        st.error(parts.escape(str(error)), icon=":material/wifi_off:")
    else:
        st.rerun()
