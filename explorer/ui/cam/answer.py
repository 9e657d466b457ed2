"""The CAM page's answer: which network, how it looks, what it says, and the heat on the photo."""

import html
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from explorer import devices, ladders
from explorer.cam import backbones, classifier
from explorer.cam.dogscats import train_dogscats
from explorer.cam.explain import Explanation, explain
from explorer.cam.heat import COLORMAPS, colours, overlay
from explorer.cam.maps import Method
from explorer.cam.network import Network, headed
from explorer.cam.view import View, geometry
from explorer.data import dogscats
from explorer.data.photos import to_bytes
from explorer.data.pictures import MEAN, STD
from explorer.errors import ExplorerError
from explorer.figures.cam import probabilities
from explorer.training import checkpoint
from explorer.ui import parts, plot, steps
from explorer.ui.cam.photos import PAGE, Shown

TALLEST = 520  # pixels of the overlay on the page
ALL = -1  # the lecture's weighting of all classes, or the winner
SMALL = 64  # pixels a side below which a picture is enlarged cell by cell
OWN, RESNET = "own", "dogscats-resnet34"
VIEWS = {
    View.CROP: "The central square",
    View.PAD: "All of it, padded to a square",
    View.OWN_SHAPE: "All of it, at its own shape",
}
METHODS = {
    Method.CAM: "CAM: the class's own map",
    Method.GRADCAM: "Grad-CAM",
    Method.GRADCAM_PLUS: "Grad-CAM++",
    Method.OCCLUSION: "Occlusion: hide it and see",
}


@dataclass(frozen=True, eq=False)
class Looker:
    """A network on the page."""

    key: str
    stamp: str  #: changes with its weights
    network: Network
    learnt_from: frozenset[str] = frozenset()  #: digests of photos that it knows by heart

    def name(self, index: int) -> str:
        """A class as a person would say it, plain text."""
        name = self.network.classes[index]
        return name[:-1].capitalize() if self.network.classes == dogscats.CLASSES else name


@dataclass(frozen=True)
class Look:
    """How the visitor wants to look."""

    view: View
    method: Method
    opacity: float
    colormap: str
    smooth: bool


@dataclass(frozen=True, eq=False)
class Answer:
    """One photo, explained; and how long it took."""

    looker: Looker
    shown: Shown
    look: Look
    explanation: Explanation
    seconds: float
    stamp: tuple  #: what it was computed from

    @property
    def index(self) -> int:
        """The class explained; the winner for the lecture's mix."""
        explained = self.explanation.class_index
        return self.explanation.winner if explained is None else explained

    def draw(self, heat: np.ndarray, colormap: str = "", opacity: float | None = None) -> np.ndarray:
        """A map in [0, 1] on the photo, at least some hundred pixels wide."""
        rgb, seen = self.shown.photo.rgb, self.explanation.geometry
        if max(rgb.shape[:2]) <= SMALL:
            factor = 384 // max(rgb.shape[:2])
            rgb = rgb.repeat(factor, 0).repeat(factor, 1)
            view = self.look.view
            seen = geometry(rgb.shape[1], rgb.shape[0], self.looker.network.size, view)
        opacity = self.look.opacity if opacity is None else opacity
        return overlay(rgb, heat, seen, opacity, colormap or self.look.colormap, smooth=self.look.smooth)


# -- networks --------------------------------------------------------------------------------------------
def small_keys() -> list[str]:
    """The CIFAR-10 rungs with convolutions whose weights are here."""
    return [r.key for r in ladders.LADDERS["vision"] if r.key != "simplenet" and checkpoint.shipped(r.key).exists()]


def _title(key: str) -> str:
    if key == OWN:
        return "Your own classes"
    if key in classifier.KEYS:
        return f"{backbones.BACKBONES[classifier.backbone_of(key)].title}: cats and dogs"
    return f"CIFAR-10: {ladders.rung(key).title}"


@st.cache_resource(max_entries=6, show_spinner="Loading the network …")
def _load(path: Path, stamp: float) -> Network:
    if path.stem in classifier.KEYS:
        return classifier.shipped(path.stem)
    model, story = checkpoint.load(path, devices.choose())
    return headed(model, story.classes, MEAN, STD)


def load(key: str) -> Looker:
    """A network by its key.

    Raises:
        WeightsError, DataError: it cannot be had; the sentence says why.
    """
    if key == OWN:
        trained = st.session_state[f"{PAGE}.trained"]
        return Looker(key, trained.stamp, trained.network, trained.learnt_from)
    path = checkpoint.shipped(key)
    stamp = path.stat().st_mtime if path.exists() else 0.0
    if not path.exists():
        classifier.shipped(key)  # raises, and says what to do
    return Looker(key, str(stamp), _load(path, stamp))


def sidebar() -> tuple[str, Look]:
    """The network's key and how to look; every change is answered at once."""
    with st.sidebar:
        keys = [*classifier.KEYS, *small_keys()]
        if f"{PAGE}.trained" in st.session_state:
            keys.insert(0, OWN)
        if (wanted := st.session_state.pop(f"{PAGE}.switch", None)) in keys:
            st.session_state[f"{PAGE}.network"] = wanted
        if st.session_state.get(f"{PAGE}.network") not in keys:
            st.session_state[f"{PAGE}.network"] = "dogscats"
        key = st.selectbox("Network", keys, format_func=_title, key=f"{PAGE}.network", persist_state="session")
        view = st.selectbox(
            "What it sees",
            VIEWS,
            format_func=VIEWS.get,
            key=f"{PAGE}.view",
            persist_state="session",
            help="The lecture crops. A fully convolutional network can also take a photo of any shape. "
            "Whatever it sees, the heat is drawn on the photo as you brought it.",
        )
        method = st.selectbox(
            "Method",
            METHODS,
            format_func=METHODS.get,
            key=f"{PAGE}.method",
            persist_state="session",
            help="On this network CAM and Grad-CAM agree up to a factor. Occlusion greys one tile after the other "
            "and asks again: slower, and free of any assumption.",
        )
        opacity = st.slider("Opacity", 0.0, 1.0, 0.5, 0.05, key=f"{PAGE}.opacity", persist_state="session")
        colormap = st.selectbox(
            "Colours",
            COLORMAPS[:-1],
            key=f"{PAGE}.colormap",
            persist_state="session",
            help="The lecture uses *hot*. *jet*'s brightness goes up and down, so it shows edges that are not there.",
        )
        cells = st.toggle(
            "Show the cells", key=f"{PAGE}.cells", persist_state="session", help="The map's true resolution."
        )
    return key, Look(view, method, opacity, colormap, not cells)


def network(key: str) -> Looker | None:
    """The network, or what to do to get it."""
    try:
        return load(key)
    except ExplorerError as error:
        if key != RESNET:
            st.error(parts.escape(str(error)), icon=":material/error:")
            return None
    _get_resnet()
    return None


def _get_resnet() -> None:
    """The lecture's own backbone: fetch it, then train its head; each with its reason when it cannot be."""
    with st.container(border=True):
        st.markdown(
            "**ResNet-34, the lecture's network.** Its ImageNet weights are 87 MB and do not ship. Fetched once, their "
            "hash is checked; then its head learns cats and dogs from the course's photos. MobileNetV2 needs neither."
        )
        here = backbones.available("resnet34")
        if not here and st.button("Fetch ResNet-34 (87 MB)", icon=":material/download:", type="primary"):
            bar = st.progress(0.0, "Asking for it …")
            try:
                backbones.resnet34_body(lambda done, all_: bar.progress(min(1.0, done / all_), f"{done / 1e6:.0f} MB"))
            except ExplorerError as error:
                bar.empty()
                st.error(parts.escape(str(error)), icon=":material/wifi_off:")
            else:
                st.rerun()
        if here:
            st.caption(":material/check: The backbone is here.")
            if st.button("Train its head", icon=":material/model_training:", type="primary"):
                try:
                    with st.spinner("Looking at 800 photos and their mirror images, once …", show_time=True):
                        train_dogscats(RESNET)
                except ExplorerError as error:
                    st.error(parts.escape(str(error)), icon=":material/error:")
                else:
                    st.rerun()


# -- the answer ------------------------------------------------------------------------------------------
def ask(looker: Looker, shown: Shown, look: Look) -> Answer | None:
    """The photo's answer; computed again only when the photo, the network or the way of looking changed."""
    index = st.session_state.get(_class_key(looker), ALL)
    index = None if index == ALL else index
    stamp = (looker.key, looker.stamp, shown.key, look.view, look.method, index)
    kept: Answer | None = st.session_state.get(f"{PAGE}.answer")
    if kept is not None and kept.stamp == stamp:
        return Answer(looker, shown, look, kept.explanation, kept.seconds, stamp)
    began = time.perf_counter()
    try:
        if look.method == Method.OCCLUSION:
            with st.spinner("Hiding one tile after the other …", show_time=True):
                found = explain(looker.network, shown.photo, view=look.view, method=look.method, class_index=index)
        else:
            found = explain(looker.network, shown.photo, view=look.view, method=look.method, class_index=index)
    except ExplorerError as error:
        st.error(parts.escape(str(error)), icon=":material/error:")
        return None
    answer = Answer(looker, shown, look, found, time.perf_counter() - began, stamp)
    if index is not None and index != found.winner:
        steps.did(PAGE, "other class")
    st.session_state[f"{PAGE}.answer"] = answer
    return answer


def _class_key(looker: Looker) -> str:
    return f"{PAGE}.class.{looker.key}.{looker.stamp}"


def show(answer: Answer) -> None:
    """The photo under its heat, and beside it what the network says."""
    explanation = answer.explanation
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            picture = answer.draw(explanation.heat.values)
            if explanation.flat:
                picture = answer.draw(explanation.heat.values, opacity=0.0)
            height, width = picture.shape[:2]
            with st.container(horizontal=True, gap="small"):
                if width < 1.05 * height:  # there is room for both
                    side = min(260, round(0.8 * TALLEST * width / height))
                    st.image(
                        answer.draw(explanation.heat.values, opacity=0.0), width=side, alt="The photo without the heat"
                    )
                    st.image(picture, width=side, alt=_alt(answer))
                else:
                    st.image(picture, width=min(760, round(TALLEST * width / height)), alt=_alt(answer))
            _scale(answer)
            st.caption(_how(answer))
        with right:
            _says(answer)
            _pick(answer)
            st.download_button(
                "The overlay",
                lambda: to_bytes(picture),
                "overlay.png",
                "image/png",
                icon=":material/download:",
                key=f"{PAGE}.download",
                on_click="ignore",
                help="Made anew from pixels: it carries none of your photo's EXIF, such as where it was taken.",
            )


def says(looker: Looker, explanation: Explanation) -> str:
    """The answer in large type, as HTML."""
    name, p = looker.name(explanation.winner), float(explanation.probabilities[explanation.winner])
    return f'<div class="cam-answer"><b>{html.escape(name)}</b><span>{sure(p)}</span></div>'


def sure(p: float) -> str:
    """A probability that is never rounded to certainty."""
    return "> 99.9 % sure" if p > 0.9995 else f"{100 * p:.1f} % sure"


def _says(answer: Answer) -> None:
    explanation, looker = answer.explanation, answer.looker
    st.html(says(looker, explanation))
    names = [looker.name(i) for i in range(len(explanation.classes))]
    plot.show(
        probabilities(names, list(explanation.probabilities), explained=explanation.class_index),
        f"{PAGE}.probabilities.{len(names)}",
        "Probability of each class.",
    )
    label = answer.shown.photo.label
    if looker.key in small_keys() and label and label not in looker.network.classes:
        st.caption(
            f":material/help: It knows CIFAR-10's {len(names)} classes only, and this is a stand-in's picture "
            f"({parts.escape(label)}). So its answer says nothing about it."
        )
    elif explanation.probabilities.max() < 0.8:
        st.caption(":material/help: It is not sure. Is there something else, or more than one thing, in the photo?")
    else:
        st.caption(f"It must choose one of these {len(names)}, whatever the photo shows.")
    if answer.shown.photo.digest in looker.learnt_from:
        st.caption(":material/school: It has learnt from this very photo. Ask about one it has not seen.")
    if photo_notes := answer.shown.photo.notes:
        st.caption(":material/info: " + parts.escape(" ".join(photo_notes)))


def _pick(answer: Answer) -> None:
    looker, mixed = answer.looker, answer.look.method == Method.CAM
    options = [ALL, *range(len(looker.network.classes))]
    first = "All, as in the lecture" if mixed else "The winner"

    st.pills(
        "Explain",
        options,
        default=ALL,
        required=True,
        key=_class_key(looker),
        format_func=lambda i: first if i == ALL else parts.escape(looker.name(i)),
        wrap=True,
        help="The lecture weights every class's map by its probability and adds them. Or look for one class, also "
        "one that did not win.",
    )


def _scale(answer: Answer) -> None:
    """The colour bar: what the two ends of the heat mean."""
    heat = answer.explanation.heat
    if heat.flat:
        name = parts.escape(answer.looker.name(answer.index))
        st.info(f"Nothing here speaks for **{name}**, so there is no heat to draw.", icon=":material/blur_off:")
        return
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in colours(answer.look.colormap)[::51])
    unit = "" if answer.look.method.by_gradient else " logits"
    st.html(
        f'<div class="cam-scale">{heat.low:.3g}<i style="background:linear-gradient(90deg,{stops})"></i>'
        f"{heat.high:.3g}{unit}</div>"
    )


def _how(answer: Answer) -> str:
    explanation = answer.explanation
    seen = explanation.geometry.share_seen
    rows, columns = explanation.raw.shape
    what = (
        "every class's map, weighted by its probability"
        if explanation.class_index is None
        else f"the map for {parts.escape(answer.looker.name(explanation.class_index))}"
    )
    crop = "" if seen > 0.999 else f" It saw {seen:.0%} of the photo; the rest is dimmed."
    return (
        f"{_title(answer.looker.key)}: {what}, {rows} × {columns} cells, stretched from its lowest to its highest "
        f"value.{crop} Answered in {1000 * answer.seconds:.0f} ms."
    )


def _alt(answer: Answer) -> str:
    name = answer.looker.name(answer.explanation.winner)
    return f"The photo {answer.shown.title}, taken for {name}, with the heat on what decided it."
