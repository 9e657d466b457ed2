"""Photos on the CAM page: what is here, what a visitor brings, and which one is looked at."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.data import Source, cifar10, dogscats
from explorer.data.photos import EXTENSIONS, MAX_BYTES, Photo, Refusal, read_many, thumbnail
from explorer.errors import ExplorerError
from explorer.ui import parts, steps

log = logging.getLogger(__name__)

PAGE = "cam"
SAMPLES = 4  # of each class
KEPT = 8  # photos of one's own in the row; older ones make room
MOST_REASONS = 6  # in the box about files that could not be used
TYPES = [*EXTENSIONS, "heic", "heif"]  # the last two only to say what to do about them
PRIVACY = "Photos stay in memory on this server and are not saved."

_CSS = """<style>
[class*="st-key-cam-thumb"] { position: relative; gap: .1rem; }
[class*="st-key-cam-thumb"] img { border-radius: .5rem; }
[class*="st-key-cam-thumb"] button { min-height: 0; padding: 0; width: 100%; position: static; }
[class*="st-key-cam-thumb"] button p { font-size: .8rem; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
[class*="st-key-cam-thumb"] button::after { content: ""; position: absolute; inset: 0; }
[class*="st-key-cam-thumb"] :is([data-testid="stElementContainer"], .stButton) { position: static; }
[class*="st-key-cam-thumb-on"] img { outline: 3px solid #C9690F; outline-offset: 2px; }
[class*="st-key-cam-thumb"]:focus-within img { outline: 3px solid #3D7DC8; outline-offset: 2px; }
.cam-answer { font-family: "Source Serif", Georgia, serif; line-height: 1.1; overflow-wrap: anywhere; }
.cam-answer b { font-size: 2.5rem; font-weight: 650; }
.cam-answer span { font-size: 1.5rem; opacity: .8; margin-left: .6rem; white-space: nowrap; }
.cam-scale { display: flex; align-items: center; gap: .6rem; font-size: .82rem; }
.cam-scale i { flex: 1; height: .7rem; border-radius: .35rem; }
</style>"""


@dataclass(frozen=True, eq=False)
class Shown:
    """A photo in the row."""

    key: str
    title: str  #: plain text, perhaps a stranger's
    photo: Photo


def dress() -> None:
    """What Streamlit has no setting for: thumbnails that are buttons, the answer in large type."""
    st.html(_CSS)


# -- what is here --------------------------------------------------------------------------------------
@st.cache_resource(max_entries=2, show_spinner="Reading some of the course's photos …")
def _samples(path: Path, stamp: float) -> tuple[tuple[Shown, ...], Source]:
    data = dogscats.DogsCats(path)
    photos = list(data.photos("valid", SAMPLES))
    found = []
    for i in range(SAMPLES):
        for name in dogscats.CLASSES:
            of_class = [p for p in photos if p.label == name]
            if i < len(of_class):
                found.append(Shown(f"{name}-{i}", f"{name[:-1].capitalize()} {i + 1}", of_class[i]))
    return tuple(found), data.source


def samples() -> tuple[tuple[Shown, ...], Source | None]:
    """Some cats and dogs that no network here has learnt from; none without the course's photos."""
    data = dogscats.find()
    if data is None:
        return (), None
    try:
        return _samples(data.path, data.path.stat().st_mtime)
    except ExplorerError as error:
        st.warning(parts.escape(str(error)), icon=":material/folder_off:")
        return (), None


@st.cache_resource(max_entries=2, show_spinner="Reading the pictures …")
def _small_pictures(seed: int) -> tuple[tuple[Shown, ...], Source]:
    pictures = cifar10.load()
    rng = np.random.default_rng(seed)
    chosen = [int(rng.choice(np.flatnonzero(pictures.test_y == c))) for c in range(len(pictures.classes))]
    rgb = [np.ascontiguousarray(np.asarray(pictures.test_x[i]).transpose(1, 2, 0)) for i in chosen]
    found = (
        Shown(f"cifar-{seed}-{c}", name.capitalize(), Photo(picture, *picture.shape[1::-1], name, label=name))
        for c, (name, picture) in enumerate(zip(pictures.classes, rgb, strict=True))
    )
    return tuple(found), pictures.source


def small_pictures() -> tuple[tuple[Shown, ...], Source | None]:
    """One test picture of each CIFAR-10 class; a button draws others."""
    draw = st.session_state.get(f"{PAGE}.draw", 1)
    if st.button("Other pictures", icon=":material/shuffle:", key=f"{PAGE}.shuffle"):
        draw = st.session_state[f"{PAGE}.draw"] = draw + 1
    try:
        return _small_pictures(draw)
    except ExplorerError as error:
        st.warning(parts.escape(str(error)), icon=":material/folder_off:")
        return (), None


# -- what a visitor brings -----------------------------------------------------------------------------
def forget(files: Iterable[object]) -> None:
    """Let Streamlit drop the bytes of uploads that have been decoded; there is no public way to ask for it.

    A test asserts that they are gone. With another Streamlit they may stay until their session ends, and the log
    says so; no visitor loses an answer over it.
    """
    try:
        context = get_script_run_ctx()
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    except AttributeError:
        log.exception("Uploads stay in memory until their session ends")


def uploaded(widget: str) -> list:
    """The files a widget holds now, as a list."""
    value = st.session_state.get(widget)
    return value if isinstance(value, list) else [value] if value else []


def fresh(name: str) -> str:
    """A widget key that changes once its files have been taken, so that it is empty again."""
    return f"{name}.{st.session_state.get(f'{name}.generation', 0)}"


def taken(name: str, files: Sequence[object]) -> None:
    """The files of the widget ``fresh(name)`` have been read: empty it."""
    forget(files)
    st.session_state[f"{name}.generation"] = st.session_state.get(f"{name}.generation", 0) + 1


def _take(name: str) -> None:
    """Callback: decode what came, show the last of it; what cannot be read is named, and nothing is lost."""
    files = uploaded(fresh(name))
    # Only as many are decoded as there is room for, the last ones.
    photos, refusals = read_many((file.name, file.getvalue()) for file in files[-KEPT:])
    over = tuple(Refusal(file.name, f"Only {KEPT} photos are looked at, the last ones.") for file in files[:-KEPT])
    taken(name, files)
    count = st.session_state.get(f"{PAGE}.count", 0)
    own = [Shown(f"own-{count + i}", photo.name or "Your photo", photo) for i, photo in enumerate(photos)]
    st.session_state[f"{PAGE}.count"] = count + len(own)
    st.session_state[f"{PAGE}.own"] = [*st.session_state.get(f"{PAGE}.own", []), *own][-KEPT:]
    st.session_state[f"{PAGE}.refused"] = (*refusals, *over)
    if own:
        steps.did(PAGE, "photo")
        st.session_state[f"{PAGE}.chosen"] = own[-1].key


def bring() -> None:
    """Upload or camera: the answer comes by itself."""
    name = f"{PAGE}.camera" if st.session_state.get(f"{PAGE}.use_camera") else f"{PAGE}.upload"
    with st.container(border=True):
        if name.endswith("camera"):
            st.camera_input("Take a photo", key=fresh(name), on_change=_take, args=(name,))
        else:
            st.file_uploader(
                "Drop photos here",
                type=TYPES,
                accept_multiple_files=True,
                key=fresh(name),
                on_change=_take,
                args=(name,),
                max_upload_size=parts.upload_limit(MAX_BYTES),
            )
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.toggle("Use the camera", key=f"{PAGE}.use_camera")
            st.caption(f":material/lock: {PRIVACY}")


def refusals(found: Sequence[Refusal]) -> None:
    """Which files could not be used: one in full, several as one line that unfolds to each reason and its files."""
    if not found:
        return
    by_reason: dict[str, list[str]] = {}
    for refusal in found:
        by_reason.setdefault(refusal.reason, []).append(parts.escape(refusal.name or "The photo"))
    lines = [f"{_listed(names)}: {parts.escape(reason)}" for reason, names in list(by_reason.items())[:MOST_REASONS]]
    if len(found) == 1:
        st.error(lines[0], icon=":material/error:")
        return
    names = _listed([name for names in by_reason.values() for name in names])
    with st.expander(f":red[{len(found)} files could not be used: {names}. Why?]", icon=":material/error:"):
        st.markdown("\n".join(f"- {line}" for line in lines))


def _listed(names: Sequence[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# -- which one -------------------------------------------------------------------------------------------
def choose(here: Sequence[Shown]) -> Shown | None:
    """The row of thumbnails; the photo that is looked at, or None when there is none."""
    row = [*st.session_state.get(f"{PAGE}.own", [])[::-1], *here]
    if not row:
        return None
    key = st.session_state.get(f"{PAGE}.chosen")
    chosen = next((shown for shown in row if shown.key == key), row[0])
    with st.container(horizontal=True, gap="small"):
        for shown in row:
            on = "-on" if shown is chosen else ""
            with st.container(key=f"cam-thumb{on}-{shown.key}", width=84):
                st.image(_thumbnail(shown), width=84, alt=shown.title, output_format="PNG")
                if st.button(parts.escape(shown.title), key=f"{PAGE}.choose.{shown.key}", type="tertiary"):
                    st.session_state[f"{PAGE}.chosen"] = shown.key
                    steps.did(PAGE, "photo")
                    st.session_state[f"{PAGE}.refused"] = ()
                    st.rerun()
    if refused := st.session_state.get(f"{PAGE}.refused"):
        refusals(refused)
        st.caption(f":material/photo: The answer below is for **{parts.escape(chosen.title)}**.")
    return chosen


def _thumbnail(shown: Shown) -> np.ndarray:
    kept = st.session_state.setdefault(f"{PAGE}.thumbnails", {})
    if shown.key not in kept:
        if len(kept) > 60:
            kept.clear()
        kept[shown.key] = thumbnail(shown.photo)
    return kept[shown.key]
