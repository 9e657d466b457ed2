"""Text from a language model: sampled on demand, several temperatures at once, and over the course of training."""

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import devices
from explorer.errors import WeightsError
from explorer.experiment import Experiment
from explorer.jobs.courtesy import COURTESY
from explorer.jobs.job import Job
from explorer.jobs.questions import Unanswered
from explorer.models.sampling import Sampling
from explorer.store.history import Snapshot
from explorer.store.store import Which
from explorer.ui import app, links, parts, played, state, steps

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from torch import nn

    from explorer.data.vocabulary import Vocabulary
    from explorer.models.generate import Character

    Texts = dict[float, list[Character]]  #: by temperature

TEMPERATURES = [0.5, 0.8, 1.0, 1.3]
PATIENCE = 30.0  # seconds to wait for a run to hand out its weights
FRAMES = 25  # most updates of the page while one text streams in


@dataclass(frozen=True)
class Author:
    """A model that writes."""

    model: "nn.Module"
    vocabulary: "Vocabulary"
    window: int  #: characters it reads at a time, where it has no memory
    name: str  #: what it is, and as of which step
    stamp: state.Stamp  #: tells it from every other: its file and when that was written, or its run and the step


@dataclass(frozen=True)
class Written:
    """What stands on the page: who was asked what, and what they wrote."""

    asked: tuple[str, Sampling]
    by: str
    texts: "Texts"


@st.cache_resource(max_entries=12, show_spinner=False)
def _from_file(path: Path, stamp: float, name: str) -> Author:
    from explorer.training import checkpoint

    model, story = checkpoint.load(path, devices.choose())
    if story.vocabulary is None:
        raise WeightsError("These weights have learnt no text.")
    return Author(model, story.vocabulary, story.experiment.window, name, (path, stamp))


def _from_run(job: Job[Any]) -> Author:
    """The model of a run at work, as it is between two steps; a copy that stays as it is.

    Raises:
        Unanswered: the run has ended meanwhile.
        WeightsError: it cannot write now.
    """

    if not job.began:
        raise WeightsError("This run has not begun: it waits for its turn. Ask it again once it has.")
    try:
        with st.spinner("Waiting for the run to finish its step …"):
            weights = job.ask("weights").result(PATIENCE)
    except TimeoutError as error:
        raise WeightsError("The run has not got round to it: it waits for its turn. Ask again in a moment.") from error
    if not all(bool(tensor.isfinite().all()) for tensor in weights.tensors.values()):
        raise WeightsError("The run's weights are no numbers any more: it broke. Train again at a lower rate.")
    experiment, vocabulary = job.experiment, job.result.vocabulary if job.result else None
    if experiment is None or vocabulary is None:
        raise WeightsError("This run has learnt no text.")
    model = experiment.rung.build(experiment, len(vocabulary))
    model.load_state_dict(weights.tensors)
    name, stamp = f"this run, step {weights.step:,}", (job.id, weights.step)
    return Author(model.to(devices.choose()).eval(), vocabulary, experiment.window, name, stamp)


def author_of(page: str, experiment: Experiment, job: Job[Any] | None) -> Author:
    """Who writes: the run shown, as it is now or as it ended, else the shipped weights.

    Raises:
        ExplorerError: there are no weights, or they cannot be had or read.
    """
    app.engine().wait()
    if (at_work := played.at_work(page, experiment, job)) is not None:
        with contextlib.suppress(Unanswered):  # what it left is on disk
            return _from_run(at_work)
    path, name = played.weights(page, job, experiment, Which.FINAL)
    if path is None:
        raise WeightsError(name)
    return _from_file(path, path.stat().st_mtime, name)


@st.fragment
def panel(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """Prompt, length, temperature, top-k and seed; a first text is there without a click.

    What was written stays, in whichever colours, until something else is written. Its controls draw nothing else anew.
    """
    here, at_work = state.char_rnn(), played.at_work(page, experiment, job)
    with parts.refusals():
        path, name = (None, "this run") if at_work else played.weights(page, job, experiment, Which.FINAL)
        if path is None and not at_work:
            st.caption(name)
            return
        with st.container(border=True):
            asked = (at_work.id if at_work else str(path), sampling := _sampling())
            with st.container(horizontal=True, vertical_alignment="center"):
                write = st.button(
                    "Write", type="primary", icon=":material/edit:", key=here.key("write"), on_click=COURTESY.expect
                )
                several = st.button(
                    "Four temperatures",
                    icon=":material/thermostat:",
                    key=here.key("several"),
                    help="The same prompt and seed at 0.5 to 1.3, as one batch.",
                    on_click=COURTESY.expect,
                )
                surprise = st.toggle(
                    "Colour by surprise",
                    key=here.key("surprise"),
                    persist_state="session",
                    help="The darker, the less the model expected it (−log p, in nats).",
                )
                signature = st.empty()
            place = st.empty()
            shown: Written | None = here.written
            by_itself = job is None or played.chosen(page, experiment, job)
            if write or several or here.played.moved or (by_itself and (shown is None or shown.asked != asked)):
                with parts.refusals(), COURTESY.asking(), devices.one_thread():  # what was written before stays
                    if path and not write and not several:
                        by, texts = name, _by_itself(path, path.stat().st_mtime, name, sampling)
                    else:
                        author = author_of(page, experiment, job)
                        _sign(signature, by := author.name)
                        if several:
                            steps.did(page, "temperatures")
                            texts = _side_by_side(author, sampling)
                        else:
                            texts = _one(author, sampling, place if write else None, surprise)
                    here.written = shown = Written(asked, by, texts)
                    here.played.moved = False
            _sign(signature, shown.by if shown else name)
            if shown:
                _show(place, shown, surprise)
    if several:
        st.rerun()  # the page's steps have one more that is done


def _sign(place: "DeltaGenerator", name: str) -> None:
    place.badge(name, icon=":material/edit_note:", color="gray")


def _sampling() -> Sampling:
    here = state.char_rnn()
    wide, *narrow = st.columns([3, 2, 2, 2, 1])
    return Sampling(
        wide.text_input(
            "Prompt",
            max_chars=200,
            key=links.bound("prompt", here.key("prompt"), links.text_of(200), "for thos"),
            persist_state="session",
            help="Fed once, character by character; then the model goes on by itself.",
        ),
        narrow[0].slider(
            "Length",
            50,
            1000,
            step=50,
            key=links.bound("length", here.key("length"), links.number(50, 1000, int), 400),
            persist_state="session",
        ),
        narrow[1].slider(
            "Temperature",
            0.0,
            2.0,
            step=0.05,
            key=links.bound("temperature", here.key("warmth"), links.number(0, 2), 0.8),
            persist_state="session",
            help="Low: safe and repetitive. High: adventurous. 0: always the likeliest.",
        ),
        narrow[2].slider(
            "Top-k",
            0,
            40,
            key=links.bound("top_k", here.key("top_k"), links.number(0, 40, int), 0),
            persist_state="session",
            help="Choose among the k likeliest characters only; 0 allows all.",
        ),
        int(
            narrow[3].number_input(
                "Seed",
                0,
                10**6,
                key=links.bound("dice", here.key("text_seed"), links.number(0, 10**6, int), 0),
                persist_state="session",
            )
        ),
    )


def _one(author: Author, asked: Sampling, place: "DeltaGenerator | None", surprise: bool) -> "Texts":
    """One text; in ``place``, where there is one, as it is written, a few updates a second."""
    from explorer.models import generate

    drawn: list[Character] = []
    shown = time.monotonic()
    for character in generate.sample(author.model, author.vocabulary, asked, author.window):
        drawn.append(character)
        if place and time.monotonic() - shown > 1 / FRAMES:
            place.html(parts.written(asked.prompt, drawn, surprise))
            shown = time.monotonic()
    return {asked.temperature: drawn}


@st.cache_resource(max_entries=128, show_spinner=False)
def _by_itself(path: Path, stamp: float, name: str, asked: Sampling) -> "Texts":
    """The text of weights on disk. Its seed decides it, so a class that looks at the same has it written once."""
    app.engine().wait()
    return _one(_from_file(path, stamp, name), asked, None, False)


def _side_by_side(author: Author, asked: Sampling) -> "Texts":
    """The same prompt and seed at several temperatures, as one batch."""
    from explorer.models import generate

    short = replace(asked, length=min(asked.length, 300))
    texts = generate.side_by_side(author.model, author.vocabulary, short, TEMPERATURES, author.window)
    return dict(zip(TEMPERATURES, texts, strict=True))


def _show(place: "DeltaGenerator", shown: Written, surprise: bool) -> None:
    prompt = shown.asked[1].prompt
    if len(shown.texts) == 1:
        (text,) = shown.texts.values()
        place.html(parts.written(prompt, text, surprise))
        return
    with place.container():
        for column, (temperature, text) in zip(st.columns(len(shown.texts)), shown.texts.items(), strict=True):
            column.markdown(f"**{temperature}**")
            column.html(parts.written(prompt, text, surprise))


def over_training(page: str, history: Snapshot) -> None:
    """What the model wrote at each epoch's end, from the same prompt and seed."""
    rows = [row for row in history.epochs if row.sample]
    if not rows:
        return
    chosen = [rows[0], rows[len(rows) // 2], rows[-1]] if len(rows) > 2 else rows
    lines = (
        f"<dt>epoch {row.epoch} · {row.val_loss:.3f}</dt><dd>{parts.written('', [_plain(row.sample)], False)}</dd>"
        for row in chosen
    )
    with st.container(border=True):
        st.markdown("**What it wrote after each epoch** — the same prompt, the same dice")
        st.html(f'<dl class="x-epochs">{"".join(lines)}</dl>')


def _plain(text: str) -> "Character":
    from explorer.models.generate import Character

    return Character(text, 0.0)
