"""Photos on the CAM page: what is here, what a visitor brings, and which one is looked at."""

import base64
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from explorer.data import Source, album, cifar10, dogscats
from explorer.data.photos import MAX_BYTES, Photo, Refusal, read_many, thumbnail, to_bytes
from explorer.errors import ExplorerError, log_detail
from explorer.ladders import Page
from explorer.ui import clickable, links, parts, state, steps
from explorer.ui.cam.uploads import PRIVACY, TYPES, fresh, refusals, taken, uploaded, uploader
from explorer.ui.state import Stamp

SAMPLES = 4  # of each class
KEPT = 8  # photos of one's own in the row; older ones make room
PICTURES = 100  # encoded ones kept with a session

_CSS = parts.Ready("""<style>
.st-key-cam-bring { gap: .5rem; }
.explorer-clickable:has(.cam-row) { overflow-x: auto; padding: 6px 6px .3rem; margin: -6px; }
.cam-row { display: flex; gap: 1rem; width: max-content; }
.cam-row button { width: 84px; padding: 0; border: 0; background: none; color: inherit; font: inherit; }
.cam-row img { display: block; width: 84px; height: 84px; border-radius: .5rem; }
.cam-row span { display: block; margin-top: .35rem; font-size: .8rem; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.cam-row [aria-pressed="true"] img { outline: 3px solid #C9690F; outline-offset: 2px; }
.cam-row button:focus-visible { outline: none; }
.cam-row button:focus-visible img { outline: 3px solid #3D7DC8; outline-offset: 2px; }
.cam-answer { font-family: "Source Serif", Georgia, serif; line-height: 1.1; overflow-wrap: anywhere; }
.cam-answer b { font-size: 2.5rem; font-weight: 650; }
.cam-answer span { font-size: 1.5rem; opacity: .8; margin-left: .6rem; white-space: nowrap; }
.cam-scale { display: flex; align-items: center; gap: .6rem; font-size: .82rem; }
.cam-scale i { flex: 1; height: .7rem; border-radius: .35rem; }
</style>""")


@dataclass(frozen=True, eq=False)
class ShownPhoto:
    """A photo in the row."""

    key: str
    title: str  #: plain text, perhaps a stranger's
    photo: Photo
    credit: str = ""  #: who took it
    lesson: str = ""  #: what a network that knows cats and dogs only teaches about it, as Markdown


def dress() -> None:
    """What Streamlit has no setting for: thumbnails, the answer in large type."""
    st.html(_CSS)


# -- what is here --------------------------------------------------------------------------------------
@st.cache_resource(max_entries=2, show_spinner="Reading some of the course's photos …")
def _samples(path: Path, stamp: float) -> tuple[tuple[ShownPhoto, ...], Source]:
    data = dogscats.DogsCats(path)
    photos = list(data.photos("valid", SAMPLES))
    found = []
    for i in range(SAMPLES):
        for name in dogscats.CLASSES:
            of_class = [p for p in photos if p.label == name]
            if i < len(of_class):
                found.append(ShownPhoto(f"{name}-{i}", f"{name[:-1].capitalize()} {i + 1}", of_class[i]))
    return tuple(found), data.source


def samples() -> tuple[tuple[ShownPhoto, ...], Source | None]:
    """Some of the course's cats and dogs, where they are here, and the album; no network here has learnt from them."""
    ours, data = _album(), dogscats.find()
    if data is None:
        return ours, album.SOURCE
    try:
        course, source = _samples(data.path, data.path.stat().st_mtime)
    except ExplorerError as error:
        log_detail(error)
        st.warning(parts.escape(str(error)), icon=":material/folder_off:")
        return ours, album.SOURCE
    return (*course, *ours), source


def _album() -> tuple[ShownPhoto, ...]:
    return tuple(
        ShownPhoto(f"album-{entry.file.split('.')[0]}", entry.title, photo, entry.credit, entry.lesson)
        for entry, photo in album.photos()
    )


@st.cache_resource(max_entries=2, show_spinner="Reading the pictures …")
def _small_pictures(seed: int) -> tuple[tuple[ShownPhoto, ...], Source]:
    pictures = cifar10.load()
    rng = np.random.default_rng(seed)
    chosen = [int(rng.choice(np.flatnonzero(pictures.test_y == c))) for c in range(len(pictures.classes))]
    rgb = [np.ascontiguousarray(np.asarray(pictures.test_x[i]).transpose(1, 2, 0)) for i in chosen]
    found = (
        ShownPhoto(
            f"cifar-{seed}-{c}", name.capitalize(), Photo(picture, picture.shape[1], picture.shape[0], name, label=name)
        )
        for c, (name, picture) in enumerate(zip(pictures.classes, rgb, strict=True))
    )
    return tuple(found), pictures.source


def small_pictures() -> tuple[tuple[ShownPhoto, ...], Source | None]:
    """One test picture of each CIFAR-10 class; a button draws others."""
    here = state.cam()
    asked = re.fullmatch(r"cifar-(\d{1,4})-\d", links.followed("photo", here.key("photo")) or "")
    if asked:
        here.draw = int(asked[1])
    if st.button("Other pictures", icon=":material/shuffle:", key=here.key("shuffle")):
        here.draw += 1
    try:
        return _small_pictures(here.draw)
    except ExplorerError as error:
        log_detail(error)
        st.warning(parts.escape(str(error)), icon=":material/folder_off:")
        return (), None


# -- what a visitor brings -----------------------------------------------------------------------------
def _take(name: str) -> None:
    """Callback: decode what came, show the last of it; what cannot be read is named, and nothing is lost."""
    files = uploaded(name)
    # Only as many are decoded as there is room for, the last ones.
    photos, refused = read_many((file.name, file.getvalue()) for file in files[-KEPT:])
    over = tuple(Refusal(file.name, f"Only {KEPT} photos are looked at, the last ones.") for file in files[:-KEPT])
    taken(name, files)
    here = state.cam()
    here.bring([ShownPhoto(here.number(), photo.name or "Your photo", photo) for photo in photos], KEPT)
    here.refused = (*refused, *over)
    if photos:
        steps.did(Page.CAM, "photo")


def bring() -> None:
    """Upload or camera: the answer comes by itself."""
    here = state.cam()
    camera = here.value("use_camera", False)
    name = here.key("camera" if camera else "upload")
    with st.container(key="cam-bring"):
        if camera:
            st.camera_input("Take a photo", key=fresh(name), on_change=_take, args=(name,))
        else:
            uploader(
                "Drop photos here",
                TYPES,
                name,
                MAX_BYTES,
                _take,
                accept_multiple_files=True,
                label_visibility="collapsed",
            )
        parts.cookies_for_files()
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.toggle("Use the camera", key=here.key("use_camera"))
            refusals(here.refused)
            st.caption(f":material/lock: {PRIVACY}", width="content")


# -- which one -------------------------------------------------------------------------------------------
def choose(samples: Sequence[ShownPhoto]) -> ShownPhoto | None:
    """The row of thumbnails; the photo that is looked at, or None when there is none."""
    here = state.cam()
    row = [*here.own[::-1], *samples]
    if not row:
        return None
    if (asked := links.followed("photo", here.key("photo"))) is not None:
        if any(shown.key == asked for shown in samples):
            here.chosen = asked
        else:
            links.refuse("photo", asked)
    here.set("photo", "")  # from now on the address is what the row last said
    chosen = next((shown for shown in row if shown.key == here.chosen), row[0])
    links.say("photo", chosen.key if chosen in samples[1:] else None)
    thumbs = "".join(_thumb(shown, shown is chosen) for shown in row)
    clickable.show(f'<div class="cam-row">{thumbs}</div>', here.key("thumbs"), look_at)
    if chosen.credit:
        st.caption(f":material/photo_camera: {parts.escape(f'{chosen.title}: {chosen.credit}')}")
    return chosen


def look_at(key: str) -> None:
    """Another photo of the row was chosen."""
    here = state.cam()
    here.chosen = key
    here.refused = ()
    steps.did(Page.CAM, "photo")


def _thumb(shown: ShownPhoto, on: bool) -> str:
    """A photo of the row: one part of one element, where Streamlit's own would be three elements a photo."""
    file = base64.b64encode(encoded(("thumbnail", shown.key), lambda: thumbnail(shown.photo))).decode()
    key, title = html.escape(shown.key, quote=True), html.escape(shown.title, quote=True)
    picture = f'<img src="data:image/jpeg;base64,{file}" alt="">'
    pressed = str(on).lower()
    return (
        f'<button type="button" data-at="{key}" title="{title}" aria-pressed="{pressed}">'
        f"{picture}<span>{title}</span></button>"
    )


def encoded(stamp: Stamp, make: Callable[[], np.ndarray]) -> bytes:
    """A visitor's picture as a file for the browser, made once and kept with the session; a see-through one as PNG."""
    kept = state.cam().pictures
    if stamp not in kept:
        if len(kept) >= PICTURES:
            kept.pop(next(iter(kept)))
        rgb = make()
        kept[stamp] = to_bytes(rgb) if rgb.shape[2] == 4 else to_bytes(rgb, "JPEG", quality=92, subsampling=0)
    return kept[stamp]
