"""Classes of one's own on the CAM page: name them, bring photos, one by one or many at once."""

from functools import partial

import streamlit as st

from explorer.cam.classifier import MAX_CLASSES, MAX_NAME, MIN_CLASSES
from explorer.cam.head import MIN_PHOTOS
from explorer.data.photos import MAX_BYTES, Photo, Refusal, read_many, thumbnail
from explorer.data.zips import MAX_ZIP_BYTES, read_zip
from explorer.errors import ExplorerError
from explorer.ui import parts, state
from explorer.ui.cam import borrowed, learn, ready, saved
from explorer.ui.cam.borrowed import SHORT_SIDE
from explorer.ui.cam.photos import encoded
from explorer.ui.cam.uploads import PRIVACY, TYPES, fresh, refusals, taken, uploaded
from explorer.ui.kept import MOST_PHOTOS, OwnClass

SHOWN = 12  # thumbnails a class


def show() -> None:
    """The whole section."""
    here = state.cam_classes()
    if not here.classes:
        here.start_with(A=(), B=())
    st.caption(
        f"Two to five classes, at least {MIN_PHOTOS} photos each; ten are better, with different "
        f"backgrounds. The network's body stays as it is; only a small head learns. :material/lock: {PRIVACY}"
    )
    ready.show()
    st.toggle("Photograph instead of uploading", key=here.key("camera"))
    for own in list(here.classes):
        _class(own)
    refusals(here.refused)
    with st.container(horizontal=True):
        if st.button("Another class", icon=":material/add:", disabled=len(here.classes) >= MAX_CLASSES):
            here.add("ABCDE"[len(here.classes)])
            st.rerun()
        if st.button("Start over", icon=":material/restart_alt:", help="Forget these classes and their photos."):
            here.start_with()
            st.rerun()
    _many_at_once()
    learn.show()
    ready.told()
    saved.show()


def _class(own: OwnClass) -> None:
    """One class: its name, its photos as thumbnails, and where more come in."""
    here = state.cam_classes()
    with st.container(border=True):
        left, right = st.columns([2, 3])
        with left:
            own.name = st.text_input("Name of the class", own.name, max_chars=MAX_NAME, key=_key(own, "name"))
            with st.container(horizontal=True):
                if own.photos and st.button("Drop the last photo", icon=":material/undo:", key=_key(own, "undo")):
                    own.photos.pop()
                    st.rerun()
                if len(here.classes) > MIN_CLASSES and st.button(
                    "Remove this class", icon=":material/delete:", key=_key(own, "remove")
                ):
                    here.classes.remove(own)
                    st.rerun()
        with right:
            if here.value("camera", False):
                widget = _key(own, "camera")
                st.camera_input("Take a photo", key=fresh(widget), on_change=_take, args=(own, widget))
            else:
                widget = _key(own, "upload")
                st.file_uploader(
                    "Photos of this class",
                    type=TYPES,
                    accept_multiple_files=True,
                    key=fresh(widget),
                    on_change=_take,
                    args=(own, widget),
                    max_upload_size=parts.upload_limit(MAX_BYTES),
                )
        if photos := own.photos:
            images = [encoded(("thumbnail", photo.digest), partial(thumbnail, photo)) for photo in photos[:SHOWN]]
            st.image(images, width=64, alt=[photo.name for photo in photos[:SHOWN]])
        more = f", {len(photos) - SHOWN} not shown" if len(photos) > SHOWN else ""
        st.caption(f"{len(photos)} photos{more}")


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
    with st.expander("Many at once: a ZIP or a folder, with one folder a class", icon=":material/folder_zip:"):
        st.caption("`oak/1.jpg`, `oak/2.jpg`, `elm/1.jpg` … makes the classes *oak* and *elm*.")
        zipped, folder = here.key("zip"), here.key("folder")
        st.file_uploader(
            "A ZIP",
            type=["zip"],
            key=fresh(zipped),
            on_change=_unpack,
            args=(zipped,),
            max_upload_size=parts.upload_limit(MAX_ZIP_BYTES),
        )
        st.file_uploader(
            "A folder",
            type=TYPES,
            accept_multiple_files="directory",
            key=fresh(folder),
            on_change=_unpack,
            args=(folder,),
            max_upload_size=parts.upload_limit(MAX_BYTES),
        )
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
