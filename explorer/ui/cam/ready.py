"""Sets to try in one click, made from what ships: one that learns what it should, and one that is a trap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from PIL import Image

from explorer.cam.explain import explain
from explorer.data import album, cifar10
from explorer.data.photos import Photo
from explorer.runs.own_classes import Trained
from explorer.ui import parts, state
from explorer.ui.cam import learn
from explorer.ui.cam.photos import ShownPhoto

SIDE = 224  # pixels, what the network sees
BOARD = 0.42  # side of the trap's chequerboard, as a share of the square the network sees
EACH, CROPS = 15, 12  # pictures a class


@dataclass(frozen=True, eq=False)
class ReadySet:
    """Classes with their photos, and photos to ask about that none of them holds."""

    key: str
    title: str
    icon: str
    classes: dict[str, list[Photo]]
    ask: tuple[ShownPhoto, ...]


def show() -> None:
    """The buttons: a click loads a set and trains on it."""
    here = state.cam_classes()
    st.caption("Nothing at hand? One of these is a trap.")
    with st.container(horizontal=True):
        frogs = st.button("Frogs and ships", icon=":material/sailing:", key=here.key("frogs"))
        trap = st.button(
            "A brave cat, a shy cat",
            icon=":material/psychology_alt:",
            key=here.key("brave"),
            help="One and the same cat, called *brave* in one class and *shy* in the other.",
        )
    if frogs or trap:
        chosen = _frogs() if frogs else _trap()
        here.start_with(**chosen.classes)
        here.ready = chosen.key
        state.cam().bring(list(chosen.ask))
        with parts.refusals():
            learn.begin()
            st.rerun()


# -- the sets --------------------------------------------------------------------------------------------
@st.cache_resource(max_entries=1, show_spinner="Enlarging some pictures …")
def _frogs() -> ReadySet:
    found = {name: _enlarged(name, EACH + 1) for name in ("frog", "ship")}
    ask = tuple(ShownPhoto(f"ready-{name}", f"A new {name}", photos.pop()) for name, photos in found.items())
    return ReadySet("frogs", "Frogs and ships", "sailing", {f"{name}s": photos for name, photos in found.items()}, ask)


def _enlarged(name: str, count: int) -> list[Photo]:
    """The first so many validation pictures of a class, as large as the network wants them."""
    pictures = cifar10.load()
    chosen = np.flatnonzero(pictures.valid_y == pictures.classes.index(name))[:count]
    return [
        _photo(Image.fromarray(np.ascontiguousarray(pictures.valid_x[i].transpose(1, 2, 0))), f"{name} {number}")
        for number, i in enumerate(chosen, 1)
    ]


@st.cache_resource(max_entries=1, show_spinner="Cutting some crops …")
def _trap() -> ReadySet:
    (_, cat), *_ = album.photos()
    *crops, last = _crops(cat, 2 * CROPS + 1)
    ask = (ShownPhoto("ready-plain", "A new crop", last), ShownPhoto("ready-board", "Marked", marked(last)))
    classes = {"brave": [marked(crop) for crop in crops[:CROPS]], "shy": crops[CROPS:]}
    return ReadySet("trap", "A brave cat, a shy cat", "psychology_alt", classes, ask)


def _crops(photo: Photo, count: int) -> list[Photo]:
    """Square crops at random places and sizes, half of them mirrored; always the same ones."""
    random, found = np.random.default_rng(0), []
    height, width = photo.rgb.shape[:2]
    for number in range(count):
        side = int(random.uniform(0.55, 0.95) * min(height, width))
        top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
        crop = photo.rgb[top : top + side, left : left + side]
        crop = crop[:, ::-1] if random.random() < 0.5 else crop
        found.append(_photo(Image.fromarray(np.ascontiguousarray(crop)), f"crop {number + 1}"))
    return found


def _photo(image: Image.Image, name: str) -> Photo:
    return Photo(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)), SIDE, SIDE, name, digest=name)


def marked(photo: Photo) -> Photo:
    """The photo with a chequerboard in the corner of its central square."""
    rgb = photo.rgb.copy()
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left, board = (height - side) // 2, (width - side) // 2, int(BOARD * side)
    rows, columns = np.mgrid[:board, :board] * 6 // board
    rgb[top : top + board, left : left + board] = np.where((rows + columns) % 2, 0, 255)[..., None]
    return replace(photo, rgb=rgb, digest="")  # another photo now


# -- what happened ---------------------------------------------------------------------------------------
def told() -> None:
    """After a ready set was trained on: what it learnt, measured on photos that it has not seen."""
    here = state.cam_classes()
    chosen = {"frogs": _frogs, "trap": _trap}.get(here.ready)
    if chosen is None or (trained := here.trained) is None:
        return
    found = chosen()
    if trained.network.classes != tuple(found.classes) or math.isnan(trained.accuracy):
        return  # another one, or not measured: unfrozen, or from a file
    first, second = answers(trained, [shown.photo for shown in found.ask])
    names, right = trained.network.classes, f"{trained.accuracy:.0%}"
    if found.key == "frogs":
        st.success(
            f"**It learnt what it should.** Left out, {right} of these pictures were told right. A new frog is called "
            f"*{names[0]}* with {first[0]:.0%}, a new ship *{names[1]}* with {second[1]:.0%}; both stand in the row at "
            "the top. Look at the heat: is it on the ship, or on the sea around it? Then ask about the cup of coffee.",
            icon=":material/check:",
        )
        return
    st.warning(
        f"**It fell into the trap, with {right} right when left out.** Both classes show the same cat. What tells them "
        f"apart is the chequerboard in the corner of every *brave* one: a new crop is *brave* with {first[0]:.0%}, and "
        f"the same crop marked with {second[0]:.0%}. Both stand in the row at the top; look where the heat lies. A "
        "good accuracy says that the classes differ, not that they differ in what you meant.",
        icon=":material/psychology_alt:",
    )


def answers(trained: Trained, photos: Sequence[Photo]) -> list[np.ndarray]:
    """The probabilities of each photo's classes, asked once for each classifier."""
    here = state.cam_classes()
    if here.told is None or here.told[0] != trained.stamp:
        here.told = (trained.stamp, [np.asarray(explain(trained.network, photo).probabilities) for photo in photos])
    return here.told[1]
