"""Text from a language model: sampled on demand, several temperatures at once, and over the course of training."""

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.history import Snapshot
from explorer.jobs import Job
from explorer.ui import parts, start, steps

if TYPE_CHECKING:
    from torch import nn

    from explorer.data.corpus import Vocabulary
    from explorer.generate import Character

TEMPERATURES = [0.5, 0.8, 1.0, 1.3]
FRAMES = 25  # most updates of the page while one text streams in


@st.cache_resource(max_entries=12, show_spinner=False)
def _from_file(path: Path, stamp: float) -> "tuple[nn.Module, Vocabulary]":
    from explorer import device
    from explorer.training import checkpoint

    model, story = checkpoint.load(path, device.choose())
    return model, story.vocabulary


def _model(experiment: Experiment, job: Job | None) -> "tuple[nn.Module, Vocabulary, str] | None":
    """The model to write with, and what it is: the run's (copied, it may be training), else the shipped one."""
    start.engine().wait()
    if job is not None and job.kind == "train" and (model := job.results.get("model")) is not None:
        return (
            copy.deepcopy(model).eval(),
            job.results["vocabulary"],
            f"this run, {len(job.history.snapshot()):,} steps",
        )
    from explorer.training import checkpoint

    run = st.query_params.get("run")
    kept = start.store().weights(run) if run else None
    for path, words in ((kept, "the run in the link"), (checkpoint.shipped(experiment.model), "the shipped weights")):
        if path is not None and path.exists():
            return *_from_file(path, path.stat().st_mtime), words
    return None


def panel(page: str, experiment: Experiment, job: Job | None) -> None:
    """Prompt, length, temperature, top-k and seed; a first text is there without a click."""
    try:
        found = _model(experiment, job)
    except ExplorerError as error:
        st.error(parts.escape(str(error)), icon=":material/error:")
        return
    if found is None:
        st.caption("No weights ship for this rung. Train it; it can write from the first step on.")
        return
    model, vocabulary, words = found
    with st.container(border=True):
        prompt, length, warmth, top_k, seed = _questions(page)
        with st.container(horizontal=True, vertical_alignment="center"):
            write = st.button("Write", type="primary", icon=":material/edit:", key=f"{page}.write")
            several = st.button("Four temperatures", icon=":material/thermostat:", key=f"{page}.several",
                                help="The same prompt and seed at 0.5 to 1.3, as one batch.")  # fmt: skip
            surprise = st.toggle("Colour by surprise", key=f"{page}.surprise", persist_state="session",
                                 help="The darker, the less the model expected it (−log p, in nats).")  # fmt: skip
            st.badge(words, icon=":material/edit_note:", color="gray")
        window = experiment.window
        if several:
            steps.did(page, "temperatures")
            _side_by_side(model, vocabulary, prompt, length, top_k, seed, window, surprise)
            return
        from explorer import generate

        characters = generate.sample(model, vocabulary, prompt, length, warmth, top_k, seed, window)
        place = st.empty()
        kept = st.session_state.get(f"{page}.text")
        asked = (words if job is None else job.id, experiment.model, prompt, length, warmth, top_k, seed)
        if write:
            st.session_state[f"{page}.text"] = (asked, _stream(place, prompt, characters, surprise))
        elif kept is not None and kept[0] == asked:
            place.html(parts.written(prompt, kept[1], surprise))
        elif job is None:
            st.session_state[f"{page}.text"] = (asked, drawn := list(characters))
            place.html(parts.written(prompt, drawn, surprise))
        elif kept is not None:
            place.html(parts.written(kept[0][2], kept[1], surprise))


def _questions(page: str) -> tuple[str, int, float, int, int]:
    wide, *narrow = st.columns([3, 2, 2, 2, 1])
    prompt = wide.text_input("Prompt", "for thos", max_chars=200, key=f"{page}.prompt", persist_state="session",
                             help="Fed once, character by character; then the model goes on by itself.")  # fmt: skip
    length = narrow[0].slider("Length", 50, 1000, 400, 50, key=f"{page}.length", persist_state="session")
    warmth = narrow[1].slider("Temperature", 0.0, 2.0, 0.8, 0.05, key=f"{page}.warmth", persist_state="session",
                              help="Low: safe and repetitive. High: adventurous. 0: always the likeliest.")  # fmt: skip
    top_k = narrow[2].slider("Top-k", 0, 40, 0, key=f"{page}.top_k", persist_state="session",
                             help="Choose among the k likeliest characters only; 0 allows all.")  # fmt: skip
    seed = narrow[3].number_input("Seed", 0, 10**6, 0, key=f"{page}.text_seed", persist_state="session")
    return prompt, length, warmth, top_k, int(seed)


def _stream(place, prompt: str, characters: "Iterator[Character]", surprise: bool) -> "list[Character]":  # noqa: ANN001
    """The text as it is written, a few updates a second."""
    drawn: list[Character] = []
    shown = time.monotonic()
    for character in characters:
        drawn.append(character)
        if time.monotonic() - shown > 1 / FRAMES:
            place.html(parts.written(prompt, drawn, surprise))
            shown = time.monotonic()
    place.html(parts.written(prompt, drawn, surprise))
    return drawn


def _side_by_side(
    model: "nn.Module", vocabulary: "Vocabulary", prompt: str, length: int, top_k: int, seed: int, window: int,
    surprise: bool,
) -> None:  # fmt: skip
    from explorer import generate

    texts = generate.side_by_side(model, vocabulary, prompt, min(length, 300), TEMPERATURES, top_k, seed, window)
    for column, temperature, text in zip(st.columns(len(texts)), TEMPERATURES, texts, strict=True):
        with column:
            st.markdown(f"**{temperature}**")
            st.html(parts.written(prompt, text, surprise))


def over_training(page: str, history: Snapshot) -> None:
    """What the model wrote at each epoch's end, from the same prompt and seed."""
    rows = [row for row in history.epochs if row.sample]
    if not rows:
        return
    with st.container(border=True):
        st.markdown("**What it wrote after each epoch** — the same prompt, the same dice")
        chosen = [rows[0], rows[len(rows) // 2], rows[-1]] if len(rows) > 2 else rows
        for row in chosen:
            left, right = st.columns([1, 6])
            left.caption(f"epoch {row.epoch} · {row.val_loss:.3f}")
            with right:
                st.html(parts.written("", [_plain(row.sample)], False))


def _plain(text: str) -> "Character":
    from explorer.generate import Character

    return Character(text, 0.0)
