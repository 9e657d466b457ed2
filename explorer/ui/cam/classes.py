"""Classes of one's own on the CAM page: name them, bring photos, one by one or many at once."""

import streamlit as st

from explorer.cam.classifier import MAX_CLASSES, MAX_NAME, MIN_CLASSES
from explorer.cam.head import MIN_PHOTOS
from explorer.data.photos import MAX_BYTES, Photo, Refusal, read_many
from explorer.data.zips import MAX_ZIP_BYTES, read_zip
from explorer.errors import ExplorerError, log_detail
from explorer.ui import behind, parts, state
from explorer.ui.cam import borrowed, learn, ready, saved, shelf, trial
from explorer.ui.cam.borrowed import SHORT_SIDE
from explorer.ui.cam.uploads import TYPES, fresh, refusals, taken, uploaded, uploader
from explorer.ui.kept import MOST_PHOTOS, OwnClass


def show() -> None:
    """The whole section."""
    here = state.cam_classes()
    if not here.classes:
        here.start_with(A=(), B=())
    st.caption(
        f"Two to five classes of at least {MIN_PHOTOS} photos, better ten, with different backgrounds. Only a small "
        "head learns, in a second. They are not saved either."
    )
    parts.cookies_for_files()
    ready.show()
    left, right = st.columns([3, 2], gap="large")
    with left:
        for own in list(here.classes):
            _class(own)
        refusals(here.refused)
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Another class", icon=":material/add:", disabled=len(here.classes) >= MAX_CLASSES):
                here.add("ABCDE"[len(here.classes)])
                st.rerun()
            if st.button("Start over", icon=":material/restart_alt:", help="Forget these classes and their photos."):
                here.start_with()
                st.rerun()
            st.toggle("Use the camera", key=here.key("camera"))
        many = "Many at once: a ZIP or a folder, with one folder a class"
        behind.fold(here.name, "many", many, ":material/folder_zip:", _many_at_once)
    with right:
        learn.show()
        ready.told()
        if here.trained is not None:
            trial.show(here.trained)
        saved.show()


def _class(own: OwnClass) -> None:
    """One class: its name, its photos as thumbnails, and where more come in."""
    here = state.cam_classes()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name of the class", own.name, max_chars=MAX_NAME, key=_key(own, "name"))
            own.name = name
            st.caption(_counted(own), width="content")
            if len(here.classes) > MIN_CLASSES and st.button(
                "Remove this class", icon=":material/delete:", type="tertiary", key=_key(own, "remove")
            ):
                here.classes.remove(own)
                st.rerun()
        if here.value("camera", False):
            widget = _key(own, "camera")
            st.camera_input("Take a photo", key=fresh(widget), on_change=_take, args=(own, widget))
        else:
            widget = _key(own, "upload")
            uploader(
                "Photos of this class",
                TYPES,
                widget,
                MAX_BYTES,
                _take,
                own,
                accept_multiple_files=True,
                label_visibility="collapsed",
            )
        if own.photos:
            shelf.show(own, _key(own, "shelf"))


def _counted(own: OwnClass) -> str:
    return f"{len(own.photos)} photo{'' if len(own.photos) == 1 else 's'}"


def _key(own: OwnClass, word: str) -> str:
    return state.cam().key("class", own.id, word)


def _take(own: OwnClass, widget: str) -> None:
    """Callback: decode what came into one class; what cannot be read is named."""
    files = uploaded(widget)
    photos, refused = read_many(((file.name, file.getvalue()) for file in files), SHORT_SIDE)
    taken(widget, files)
    room = max(0, MOST_PHOTOS - len(own.photos))
    own.photos += photos[:room]
    over = [Refusal(photo.name, f"A class takes {MOST_PHOTOS} photos.") for photo in photos[room:]]
    state.cam_classes().refused = (*refused, *over)


def _many_at_once() -> None:
    here = state.cam_classes()
    st.caption("`oak/1.jpg`, `oak/2.jpg`, `elm/1.jpg` … makes the classes *oak* and *elm*.")
    uploader("A ZIP", ["zip"], here.key("zip"), MAX_ZIP_BYTES, _unpack)
    uploader("A folder", TYPES, here.key("folder"), MAX_BYTES, _unpack, accept_multiple_files="directory")
    borrowed.show()


def _unpack(widget: str) -> None:
    """Callback: photos with folders become classes; nothing that was there is lost when the ZIP is bad."""
    here, files = state.cam_classes(), uploaded(widget)
    try:
        if widget == here.key("zip"):
            photos, refused = read_zip(files[0].getvalue(), SHORT_SIDE) if files else ((), ())
        else:
            photos, refused = read_many(((file.name, file.getvalue()) for file in files), SHORT_SIDE)
    except ExplorerError as error:
        log_detail(error)
        here.refused = (Refusal(files[0].name, str(error)),)
        return
    finally:
        taken(widget, files)
    by_name: dict[str, list[Photo]] = {}
    for photo in photos:
        by_name.setdefault(photo.label or "Unnamed", []).append(photo)
    names, extra = list(by_name)[:MAX_CLASSES], list(by_name)[MAX_CLASSES:]
    if by_name:
        here.classes = []
        for name in names:
            here.add(name[:MAX_NAME], by_name[name])
        while len(here.classes) < MIN_CLASSES:
            here.add("B")
    here.refused = (*refused, *(Refusal(name, f"Only {MAX_CLASSES} classes are taken.") for name in extra))
