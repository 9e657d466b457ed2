"""The CAM page's answer: what the network says, and the heat on the photo."""

import html
import time
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import streamlit as st

from explorer.cam.explain import Explanation, explain
from explorer.cam.heat import colours, overlay
from explorer.cam.maps import Method
from explorer.cam.view import geometry
from explorer.data import dogscats
from explorer.data.photos import to_bytes
from explorer.errors import ExplorerError
from explorer.figures.cam import probabilities
from explorer.jobs.courtesy import COURTESY
from explorer.ladders import Page
from explorer.ui import links, parts, plot, state, steps
from explorer.ui.cam.networks import LoadedNetwork, small_keys, title
from explorer.ui.cam.options import ViewOptions
from explorer.ui.cam.photos import ShownPhoto, encoded
from explorer.ui.state import Stamp

T = TypeVar("T")
TALLEST = 520  # pixels of the overlay on the page
ALL = -1  # the lecture's weighting of all classes, or the winner
KNOWS_TWO = {"cats", "dogs"}  # what the shipped classifier tells apart
SMALL = 64  # pixels a side below which a picture is enlarged cell by cell


@dataclass(frozen=True, eq=False)
class PhotoAnswer:
    """One photo, explained; and how long it took."""

    loaded: LoadedNetwork
    shown: ShownPhoto
    options: ViewOptions
    explanation: Explanation
    seconds: float
    stamp: Stamp  #: what it was computed from
    computed: dict[Hashable, Any] = field(default_factory=dict)  #: what else was, see :meth:`once`

    @property
    def index(self) -> int:
        """The class explained; the winner for the lecture's mix."""
        explained = self.explanation.class_index
        return self.explanation.winner if explained is None else explained

    @property
    def maps_a_cat(self) -> bool:
        """Whether it is the last layer's own map of what was taken for a cat, as in the lecture."""
        classes, cat = self.loaded.network.classes, dogscats.CLASSES.index("cats")
        return (
            classes == dogscats.CLASSES
            and self.options.method == Method.CAM
            and self.index == self.explanation.winner == cat
        )

    def name(self, index: int) -> str:
        """A class as a person would say it, as Markdown shows it plainly."""
        return parts.escape(self.loaded.name(index))

    def key(self, word: str) -> str:
        """The key of a widget that belongs to this network."""
        return state.cam().key(word, self.loaded.key, self.loaded.stamp)

    def once(self, word: Hashable, compute: Callable[[], T]) -> T:
        """What lies behind the answer, asked for when it is first looked at, whatever its pictures look like then."""
        if word not in self.computed:
            with COURTESY.asking():
                self.computed[word] = compute()
        found: T = self.computed[word]
        return found

    def draw(self, heat: np.ndarray, colormap: str = "", opacity: float | None = None) -> np.ndarray:
        """A map in [0, 1] on the photo, at least some hundred pixels wide."""
        rgb, seen = self.shown.photo.rgb, self.explanation.geometry
        if max(rgb.shape[:2]) <= SMALL:
            factor = 384 // max(rgb.shape[:2])
            rgb = rgb.repeat(factor, 0).repeat(factor, 1)
            view = self.options.view
            seen = geometry(rgb.shape[1], rgb.shape[0], self.loaded.network.size, view)
        opacity = self.options.opacity if opacity is None else opacity
        return overlay(rgb, heat, seen, opacity, colormap or self.options.colormap, smooth=self.options.smooth)

    def picture(self, word: Hashable, heat: np.ndarray, colormap: str = "", opacity: float | None = None) -> bytes:
        """What :meth:`draw` gives, as a file for the browser: drawn and encoded once, kept under ``word``."""
        look: Stamp = (self.stamp, self.options, word)
        return encoded(look, lambda: self.draw(heat, colormap, opacity))


def ask(loaded: LoadedNetwork, shown: ShownPhoto, options: ViewOptions) -> PhotoAnswer | None:
    """The photo's answer; computed again only when the photo, the network or the way of looking changed."""
    here = state.cam()
    options = replace(options, opacity=state.widget(_opacity_key(options.opacity), options.opacity))
    chosen = state.widget(_class_key(loaded), ALL)
    index = None if chosen == ALL else chosen
    stamp = (loaded.key, loaded.stamp, shown.key, options.view, options.method, index)
    if here.answer is not None and here.answer.stamp == stamp:
        here.answer = replace(here.answer, loaded=loaded, shown=shown, options=options)
        return here.answer
    began = time.perf_counter()
    slow = options.method == Method.OCCLUSION
    try:
        with (
            st.spinner("Hiding one tile after the other …", show_time=True) if slow else nullcontext(),
            COURTESY.asking(),
        ):
            found = explain(loaded.network, shown.photo, view=options.view, method=options.method, class_index=index)
    except ExplorerError as error:
        parts.refused(error)
        return None
    here.answer = PhotoAnswer(loaded, shown, options, found, time.perf_counter() - began, stamp)
    if index is not None and index != found.winner:
        steps.did(Page.CAM, "other class")
    return here.answer


def _opacity_key(default: float) -> str:
    """The key of the slider under the picture, which a link may have set."""
    return links.bound("opacity", state.cam().key("opacity"), links.number(0, 1), default)


def _class_key(loaded: LoadedNetwork) -> str:
    """The key of the widget that chooses a class; a link may have chosen one."""
    names = [loaded.name(i).lower() for i in range(len(loaded.network.classes))]
    key = state.cam().key("class", loaded.key, loaded.stamp)
    return links.bound(
        "class", key, links.one_of([ALL, *range(len(names))], lambda i: names[i] if i != ALL else "all"), ALL
    )


def show(answer: PhotoAnswer) -> None:
    """The photo under its heat, and beside it what the network says."""
    explanation = answer.explanation
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            heat = explanation.heat.values
            photo = answer.picture("photo", heat, opacity=0.0)
            overlaid = photo if explanation.flat else answer.picture("heat", heat)
            height, width = answer.shown.photo.rgb.shape[:2]
            with st.container(horizontal=True, gap="small"):
                if width < 1.05 * height:  # there is room for both
                    widest, tallest = (400, TALLEST) if state.teacher() else (240, 0.8 * TALLEST)  # two fit: 1920, 1280
                    side = min(widest, round(tallest * width / height))
                    shown = [(photo, "The photo without the heat"), (overlaid, _alt(answer))]
                else:
                    side = min(760, round(TALLEST * width / height))
                    shown = [(overlaid, _alt(answer))]
                for file, alt in shown:
                    with st.container(width=side):
                        parts.image(file, width="stretch", alt=alt)
            _scale(answer)
            st.slider("Opacity", 0.0, 1.0, step=0.05, key=state.cam().key("opacity"), persist_state="session")
            st.caption(_how(answer))
        with right:
            _says(answer)
            _pick(answer)
            st.download_button(
                "The overlay",
                lambda: to_bytes(answer.draw(heat, opacity=0.0 if explanation.flat else None)),
                "overlay.png",
                "image/png",
                icon=":material/download:",
                key=state.cam().key("download"),
                on_click="ignore",
                help="Made anew from pixels: it carries none of your photo's EXIF, such as where it was taken.",
            )


def says(loaded: LoadedNetwork, explanation: Explanation) -> str:
    """The answer in large type, as HTML."""
    name, p = loaded.name(explanation.winner), float(explanation.probabilities[explanation.winner])
    return f'<div class="cam-answer"><b>{html.escape(name)}</b><span>{sure(p)}</span></div>'


def sure(p: float) -> str:
    """A probability that is never rounded to certainty."""
    return "> 99.9 % sure" if p > 0.9995 else f"{100 * p:.1f} % sure"


def _says(answer: PhotoAnswer) -> None:
    explanation, loaded = answer.explanation, answer.loaded
    st.html(says(loaded, explanation))
    names = [loaded.name(i) for i in range(len(explanation.classes))]
    plot.chart(
        Page.CAM,
        "probabilities",
        (len(names), *answer.stamp),
        lambda: probabilities(names, list(explanation.probabilities), explained=explanation.class_index),
        "Probability of each class.",
    )
    label = answer.shown.photo.label
    if loaded.key in small_keys() and label and label not in loaded.network.classes:
        st.caption(
            f":material/help: It knows CIFAR-10's {len(names)} classes only, and this is a stand-in's picture "
            f"({parts.escape(label)}). So its answer says nothing about it."
        )
    elif answer.shown.lesson and set(loaded.network.classes) == KNOWS_TWO:
        st.info(answer.shown.lesson, icon=":material/school:")
    elif explanation.probabilities.max() < 0.8:
        st.caption(":material/help: It is not sure. Is there something else, or more than one thing, in the photo?")
    else:
        st.caption(f"It must choose one of these {len(names)}, whatever the photo shows.")
    if answer.shown.photo.digest in loaded.learnt_from:
        st.caption(":material/school: It has learnt from this very photo. Ask about one it has not seen.")
    if photo_notes := answer.shown.photo.notes:
        st.caption(":material/info: " + parts.escape(" ".join(photo_notes)))


def _pick(answer: PhotoAnswer) -> None:
    loaded, mixed = answer.loaded, answer.options.method == Method.CAM
    options = [ALL, *range(len(loaded.network.classes))]
    first = "All, as in the lecture" if mixed else "The winner"
    st.pills(
        "Explain",
        options,
        required=True,
        key=_class_key(loaded),
        format_func=lambda i: first if i == ALL else parts.escape(loaded.name(i)),
        wrap=True,
        help="The lecture weights every class's map by its probability and adds them. Or look for one class, also "
        "one that did not win.",
    )


def _scale(answer: PhotoAnswer) -> None:
    """The colour bar: what the two ends of the heat mean."""
    heat = answer.explanation.heat
    if heat.flat:
        name = answer.name(answer.index)
        st.info(f"Nothing here speaks for **{name}**, so there is no heat to draw.", icon=":material/blur_off:")
        return
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in colours(answer.options.colormap)[::51])
    unit = "" if answer.options.method.by_gradient else " logits"
    st.html(
        f'<div class="cam-scale">{heat.low:.3g}<i style="background:linear-gradient(90deg,{stops})"></i>'
        f"{heat.high:.3g}{unit}</div>"
    )


def _how(answer: PhotoAnswer) -> str:
    explanation = answer.explanation
    seen = explanation.geometry.share_seen
    rows, columns = explanation.raw.shape
    what = (
        "every class's map, weighted by its probability"
        if explanation.class_index is None
        else f"the map for {answer.name(explanation.class_index)}"
    )
    crop = "" if seen > 0.999 else f" It saw {seen:.0%} of the photo, the rest is dimmed."
    return f"{title(answer.loaded.key)}: {what}, {rows} × {columns} cells.{crop} {1000 * answer.seconds:.0f} ms."


def _alt(answer: PhotoAnswer) -> str:
    name = answer.loaded.name(answer.explanation.winner)
    return f"The photo {answer.shown.title}, taken for {name}, with the heat on what decided it."
