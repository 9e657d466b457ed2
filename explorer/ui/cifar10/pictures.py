"""CIFAR-10 on a page: the pictures, where they come from, and what a model gets wrong about them."""

import base64
import functools
import html
import time
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from explorer.data import Pictures, SourceKind, cifar10
from explorer.data.photos import to_bytes
from explorer.data.pictures import PAD, augmentation, crop, symmetric_pad
from explorer.errors import ExplorerError, OtherDataError
from explorer.experiment import Experiment
from explorer.figures.pictures import by_class, confusion, mosaic
from explorer.jobs.courtesy import COURTESY
from explorer.jobs.job import Job
from explorer.runs import opening
from explorer.store.store import Which
from explorer.training import checkpoint, evaluate
from explorer.ui import download, live, parts, played, plot, state

AT_ONCE = 1.0  # seconds in which a visitor waits for a model's answers; what takes longer comes in shares


def load(page: str) -> Pictures | None:
    """The pictures. None while they are decoded for the first time on a machine, and after an error: both are said.

    The page goes on meanwhile, and is drawn anew when they are here.
    """
    try:
        if cifar10.at_hand():
            return cifar10.load()
        going = opening.opening()
        if going.over.is_set() and not going.error:  # in memory, whatever became of the cache
            return cifar10.load()
    except ExplorerError as error:
        parts.refused(error)
        return None
    if going.error:
        st.error(parts.escape(going.error), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", key=state.key(page, "open-again"), on_click=opening.again)
    else:
        _wait(page, going)
    return None


def _wait(page: str, going: opening.Opening) -> None:
    @st.fragment(run_every=live.POLL, key=state.key(page, "opening"))
    def wait() -> None:
        if going.over.is_set():
            live.redraw()
        words = f"Reading the pictures: {going.pictures:,} of {cifar10.PICTURES:,}"
        st.progress(going.share, f"{words}. Once on this server; the rest of the page is here already.")

    wait()


def show(page: str, pictures: Pictures, experiment: Experiment) -> None:
    """Ten of each class, and what augmentation makes of one of them."""
    parts.source_note(pictures.source)
    if pictures.source.kind != SourceKind.REAL:
        _offer_download()
    train, valid, test = (len(part) for part in (pictures.train_y, pictures.valid_y, pictures.test_y))
    few = ", the first of each part" if pictures.source.kind == SourceKind.SAMPLE else ""
    st.caption(f"{train:,} training, {valid:,} validation and {test:,} test pictures{few}.")
    here = state.cifar10()
    seed = here.draw
    left, right = st.columns([3, 2])
    with left:
        parts.image(
            _sample(pictures, seed),
            width="stretch",
            caption="Ten of each class, a row a class",
            alt="Training pictures of each class",
        )
        if st.button("Other pictures", icon=":material/shuffle:", key=here.key("shuffle")):
            here.draw = seed + 1
            st.rerun()
    with right:
        parts.image(
            _augmented(pictures, seed, experiment.augment),
            width="stretch",
            caption="One picture as it is, then as training sees it: flipped and moved",
            alt="A training picture and eleven variations of it",
        )
        st.markdown(
            ":material/lightbulb: The notes' loop puts about 950 cars into training *and* validation. "
            "Here the parts are disjoint."
        )


# What a rerun shows again is encoded once, whoever looks.
@functools.lru_cache(maxsize=20)
def _sample(pictures: Pictures, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    rows = [rng.choice(np.flatnonzero(pictures.train_y == c), 10, replace=False) for c in range(10)]
    return to_bytes(mosaic(np.asarray(pictures.train_x[np.sort(np.concatenate(rows))]), 10, 2))


@functools.lru_cache(maxsize=20)
def _augmented(pictures: Pictures, seed: int, augment: bool) -> bytes:
    """A picture and eleven draws of what training makes of it."""
    one = np.asarray(pictures.train_x[[(seed * 7919 + 123) % len(pictures.train_y)]])
    return to_bytes(mosaic(_views(one, seed) if augment else one.repeat(12, 0), 4, 3))


@functools.lru_cache(maxsize=600)
def _validation(pictures: Pictures, number: int) -> str:
    """The address of a validation picture, which holds the picture itself."""
    file = to_bytes(np.asarray(pictures.valid_x[number]).transpose(1, 2, 0))
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def _views(one: np.ndarray, seed: int) -> np.ndarray:
    """The picture (1, 3, 32, 32) itself, and eleven draws."""
    import torch

    padded = symmetric_pad(torch.from_numpy(one.transpose(0, 2, 3, 1)), PAD, (1, 2))
    drawn = augmentation(11, torch.Generator().manual_seed(seed))
    views = crop(padded, torch.zeros(11, dtype=torch.long), *drawn)
    return np.concatenate([one, views.numpy().transpose(0, 3, 1, 2)])


def _offer_download() -> None:
    if st.button("Download CIFAR-10 (135 MB)", icon=":material/download:", type="primary"):
        download.with_bar(cifar10.fetch, 135e6)


@st.cache_resource(max_entries=16, show_spinner="Asking the model about some of the validation pictures …")
def _asking(path: Path, stamp: float, data: str) -> evaluate.Asking:
    """Asked about a first share; where that took less than a second, all ten are as good as there."""
    asking, began = evaluate.Asking(path), time.monotonic()
    asking.more()
    while not asking.done and time.monotonic() - began < AT_ONCE:
        asking.more()
    return asking


def _rest(page: str, asking: evaluate.Asking) -> None:
    """Ask about the other pictures, a share at a time, while the page can be used."""

    @st.fragment(run_every=0.2, key=state.place(page).key("asking"))
    def rest() -> None:
        with COURTESY.asking():
            asking.more()
        if asking.done:
            live.redraw()
        found = asking.found()
        st.progress(asking.share, f"{len(found.labels):,} pictures so far; the others follow")

    rest()


def mistakes(page: str, experiment: Experiment, job: Job[Any] | None, pictures: Pictures) -> None:
    """Accuracy by class, confusions, and the pictures the model is most wrong about."""
    try:
        path, words = played.weights(page, job, experiment, Which.BEST)
        if path is None:
            st.caption(words)
            return
        with COURTESY.asking():
            asking = _asking(path, path.stat().st_mtime, pictures.source.origin)
            found = asking.found()
    except OtherDataError as error:  # without CIFAR-10 that is to be expected
        st.caption(parts.escape(str(error)))
        return
    except ExplorerError as error:
        parts.refused(error)
        return
    if found.classes != pictures.classes or found.pictures[-1] >= len(pictures.valid_y):
        st.caption("These weights were trained on other pictures than the ones here.")
        return
    said = f"{found.accuracy:.2%} of {len(found.labels):,} validation pictures right"
    st.caption(f"From {words}: {said}{_of_all(path, pictures)}.")
    left, right = st.columns([3, 2])
    if not asking.done:
        _rest(page, asking)
    identity = (str(path), path.stat().st_mtime, len(found.labels))
    with left:
        plot.chart(
            page,
            "confusion",
            identity,
            lambda: confusion(found.confusion(), found.classes),
            "Confusion matrix.",
            "Rows: what it was. Columns: what the model said. Click a number to see its pictures.",
            cell=_choose,
        )
    with right:
        plot.chart(
            page,
            "by_class",
            identity,
            lambda: by_class(found.by_class(), found.classes),
            "Accuracy by class.",
            "Share of each class told right.",
        )
    _gallery(page, found, pictures)


def _of_all(path: Path, pictures: Pictures) -> str:
    """Beside the accuracy on the sampler, the one on all of the pictures, where the weights' story tells it."""
    if pictures.source.kind != SourceKind.SAMPLE:
        return ""
    story = checkpoint.read_story(path)
    return f" ({story.accuracy:.2%} of all 10,000, which are not here)" if story.source.kind == SourceKind.REAL else ""


def _choose(true: str, said: str) -> None:
    """Show the pictures of one class that were taken for another."""
    here = state.cifar10()
    here.set("true", true)
    here.set("said", said)


def _gallery(page: str, found: evaluate.Predictions, pictures: Pictures) -> None:
    here, everything = state.cifar10(), ("any class", *found.classes)
    with st.container(horizontal=True):
        true = st.selectbox("It was", everything, key=here.key("true"), persist_state="session", width=180)
        said = st.selectbox("The model said", everything, key=here.key("said"), persist_state="session", width=180)
    numbers = [None if name == "any class" else found.classes.index(name) for name in (true, said)]
    worst = found.most_wrong(12, *numbers)
    if not len(worst):
        st.caption("No such mistake.")
        return
    st.caption("The mistakes it is surest of:")
    # One element for the browser, where Streamlit's own would be three a picture.
    st.html(f'<div class="x-gallery">{"".join(_mistake(found, pictures, i) for i in worst)}</div>')


def _mistake(found: evaluate.Predictions, pictures: Pictures, at: int) -> str:
    """A picture, what the model said, and what it was, as HTML."""
    number, said, true = int(found.pictures[at]), found.chosen[at], found.labels[at]
    sure, right = found.probabilities[at, said], found.probabilities[at, true]
    said_class, true_class = (html.escape(found.classes[index]) for index in (said, true))
    return (
        f'<figure><img src="{_validation(pictures, number)}" alt="Validation picture {number}, {true_class}">'
        f"<figcaption><b>{said_class}</b> {sure:.0%}<br>it was {true_class} {right:.0%}</figcaption></figure>"
    )
