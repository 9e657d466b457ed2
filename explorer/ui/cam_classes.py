"""Classes of one's own on the CAM page: name them, bring photos, train a head, keep it as one file."""

import secrets
from collections.abc import Iterable

import streamlit as st

from explorer import jobs, own_classes
from explorer.data.photos import MAX_BYTES, Photo, Refusal, read_many, read_zip, thumbnail
from explorer.errors import ExplorerError
from explorer.figures import cam as figures
from explorer.training.own_head import Trained, work
from explorer.ui import live, parts, plot, start
from explorer.ui.cam_answer import OWN, load
from explorer.ui.cam_photo import PAGE, PRIVACY, TYPES, fresh, refusals, taken, uploaded

MOST_PHOTOS = 60  # of a class; more teach little and cost time
SHOWN = 12  # thumbnails a class
_CLASSES, _REFUSED = f"{PAGE}.classes", f"{PAGE}.classes.refused"


def show() -> None:
    """The whole section."""
    classes: list[dict] = st.session_state.setdefault(_CLASSES, [_new("A"), _new("B")])
    st.caption(
        f"Two to five classes, at least {own_classes.MIN_PHOTOS} photos each; ten are better, with different "
        f"backgrounds. The network's body stays as it is; only a small head learns. :material/lock: {PRIVACY}"
    )
    st.toggle("Photograph instead of uploading", key=f"{PAGE}.classes.camera")
    for entry in list(classes):
        _class(entry, classes)
    refusals(st.session_state.get(_REFUSED, ()))
    with st.container(horizontal=True):
        if st.button("Another class", icon=":material/add:", disabled=len(classes) >= own_classes.MAX_CLASSES):
            classes.append(_new("ABCDE"[len(classes)]))
            st.rerun()
        if st.button("Start over", icon=":material/restart_alt:", help="Forget these classes and their photos."):
            st.session_state.pop(_CLASSES)
            st.session_state.pop(_REFUSED, None)
            st.rerun()
    _many_at_once()
    _train(classes)
    _file()


def _new(name: str, photos: Iterable[Photo] = ()) -> dict:
    number = st.session_state.get(f"{PAGE}.classes.count", 0)
    st.session_state[f"{PAGE}.classes.count"] = number + 1
    return {"id": number, "name": name, "photos": list(photos)[:MOST_PHOTOS]}


def _class(entry: dict, classes: list[dict]) -> None:
    """One class: its name, its photos as thumbnails, and where more come in."""
    name = f"{PAGE}.class.{entry['id']}"
    with st.container(border=True):
        left, right = st.columns([2, 3])
        with left:
            entry["name"] = st.text_input(
                "Name of the class", entry["name"], max_chars=own_classes.MAX_NAME, key=f"{name}.name"
            )
            with st.container(horizontal=True):
                if entry["photos"] and st.button("Drop the last photo", icon=":material/undo:", key=f"{name}.undo"):
                    entry["photos"].pop()
                    st.rerun()
                if len(classes) > own_classes.MIN_CLASSES and st.button(
                    "Remove this class", icon=":material/delete:", key=f"{name}.remove"
                ):
                    classes.remove(entry)
                    st.rerun()
        with right:
            if st.session_state.get(f"{PAGE}.classes.camera"):
                widget = f"{name}.camera"
                st.camera_input("Take a photo", key=fresh(widget), on_change=_take, args=(entry, widget))
            else:
                widget = f"{name}.upload"
                st.file_uploader(
                    "Photos of this class", type=TYPES, accept_multiple_files=True, key=fresh(widget),
                    on_change=_take, args=(entry, widget), max_upload_size=MAX_BYTES // 1_000_000,
                )  # fmt: skip
        if photos := entry["photos"]:
            images = [thumbnail(photo) for photo in photos[:SHOWN]]
            st.image(images, width=64, output_format="PNG")
        more = f", {len(photos) - SHOWN} not shown" if len(photos) > SHOWN else ""
        st.caption(f"{len(photos)} photos{more}")


def _take(entry: dict, widget: str) -> None:
    """Callback: decode what came into one class; what cannot be read is named."""
    files = uploaded(fresh(widget))
    photos, refused = read_many((file.name, file.getvalue()) for file in files)
    taken(widget, files)
    room = MOST_PHOTOS - len(entry["photos"])
    entry["photos"] += photos[: max(0, room)]
    over = [Refusal(p.name, f"A class takes {MOST_PHOTOS} photos.") for p in photos[max(0, room) :]]
    st.session_state[_REFUSED] = (*refused, *over)


def _many_at_once() -> None:
    with st.expander("Many at once: a ZIP or a folder, with one folder a class", icon=":material/folder_zip:"):
        st.caption("`oak/1.jpg`, `oak/2.jpg`, `elm/1.jpg` … makes the classes *oak* and *elm*.")
        zipped, folder = f"{PAGE}.classes.zip", f"{PAGE}.classes.folder"
        st.file_uploader("A ZIP", type=["zip"], key=fresh(zipped), on_change=_unpack, args=(zipped,))
        st.file_uploader(
            "A folder", type=TYPES, accept_multiple_files="directory", key=fresh(folder), on_change=_unpack,
            args=(folder,),
        )  # fmt: skip


def _unpack(widget: str) -> None:
    """Callback: photos with folders become classes; nothing that was there is lost when the ZIP is bad."""
    files = uploaded(fresh(widget))
    try:
        if widget.endswith("zip"):
            photos, refused = read_zip(files[0].getvalue()) if files else ((), ())
        else:
            photos, refused = read_many((file.name, file.getvalue()) for file in files)
    except ExplorerError as error:
        st.session_state[_REFUSED] = (Refusal(files[0].name, str(error)),)
        return
    finally:
        taken(widget, files)
    by_name: dict[str, list[Photo]] = {}
    for photo in photos:
        by_name.setdefault(photo.label or "Unnamed", []).append(photo)
    extra = [Refusal(name, f"Only {own_classes.MAX_CLASSES} classes are taken.") for name in list(by_name)[5:]]
    st.session_state[_REFUSED] = (*refused, *extra)
    if by_name:
        names = list(by_name)[: own_classes.MAX_CLASSES]
        st.session_state[_CLASSES] = [_new(name[: own_classes.MAX_NAME], by_name[name]) for name in names]
        while len(st.session_state[_CLASSES]) < own_classes.MIN_CLASSES:
            st.session_state[_CLASSES].append(_new("B"))


def _train(classes: list[dict]) -> None:
    """The button, the job, and what came out."""
    wanted = {entry["name"]: entry["photos"] for entry in classes}
    problem = ""
    try:
        if len(wanted) < len(classes):
            problem = "Two classes have the same name. Rename one."
        else:
            own_classes.check(wanted)
    except ExplorerError as error:
        problem = str(error)
    job = jobs.registry().find(st.session_state.get(f"{PAGE}.classes.job", ""))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Train", type="primary", icon=":material/play_arrow:", key=f"{PAGE}.classes.train",
                     disabled=bool(problem)):  # fmt: skip
            _submit(wanted)
            st.rerun()
        if job is not None and not job.ended and st.button("Stop", icon=":material/stop:", key=f"{PAGE}.classes.stop"):
            job.stop()
            st.rerun()
        if problem:
            st.caption(parts.escape(problem))
    if job is not None:
        live.panel(f"{PAGE}.classes", job, _draw)
        _adopt(job)


def _submit(wanted: dict[str, list[Photo]]) -> None:
    try:
        network = load("dogscats").network
    except ExplorerError as error:
        st.error(parts.escape(str(error)), icon=":material/error:")
        st.stop()
    kept = {name: tuple(photos) for name, photos in wanted.items()}
    job = jobs.Job("own-classes", "Your own classes", lambda job: work(job, network, kept), start.owner())
    jobs.registry().submit(job)
    st.session_state[f"{PAGE}.classes.job"] = job.id


def _draw(job: jobs.Job) -> None:
    live.progress(job)
    parts.problem(job)
    if curve := job.results.get("curve"):
        plot.show(figures.head_training(curve), f"{PAGE}.classes.curve.{job.id}", "Loss while the head learns.")
        st.caption("Solid: loss on your photos. Dotted: the share of them told right, soon known by heart.")
    if (trained := job.results.get("trained")) is not None:
        _measured(trained)


def _measured(trained: Trained) -> None:
    columns = st.columns(3)
    columns[0].metric(
        "Leave-one-out accuracy", f"{trained.accuracy:.0%}", border=True,
        help="Each photo is asked about by a head that never saw it. With few photos this says more than the curve.",
    )  # fmt: skip
    columns[1].metric("Photos", " + ".join(map(str, trained.photos)), border=True)
    columns[2].metric("Training the head", f"{1000 * trained.seconds:.0f} ms", border=True)
    for sentence in trained.warnings:
        st.warning(parts.escape(sentence), icon=":material/visibility:")


def _adopt(job: jobs.Job) -> None:
    """Once, when it has been trained: the page's answer comes from the visitor's own classifier."""
    trained = job.results.get("trained")
    if trained is None or st.session_state.get(f"{PAGE}.adopted") == trained.stamp:
        return
    _use(trained)
    st.rerun()


def _use(trained: Trained) -> None:
    st.session_state[f"{PAGE}.adopted"] = trained.stamp
    st.session_state[f"{PAGE}.trained"] = trained
    st.session_state[f"{PAGE}.switch"] = OWN


def _file() -> None:
    """The classifier as one file, out and in."""
    trained: Trained | None = st.session_state.get(f"{PAGE}.trained")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if trained is not None:
            st.download_button(
                "Save the classifier", lambda: own_classes.save(trained.network), "classes.safetensors",
                icon=":material/download:", key=f"{PAGE}.classes.save", on_click="ignore",
                help="The head and the names of the classes, in one file; no photo is in it.",
            )  # fmt: skip
    with st.expander("Load a classifier saved here", icon=":material/upload_file:"):
        widget = f"{PAGE}.classes.load"
        st.file_uploader("A .safetensors file", type=["safetensors"], key=fresh(widget), on_change=_load,
                         args=(widget,))  # fmt: skip
    if problem := st.session_state.pop(f"{PAGE}.classes.load.problem", ""):
        st.error(parts.escape(problem), icon=":material/error:")


def _load(widget: str) -> None:
    """Callback: take a saved classifier; a bad file is named and changes nothing."""
    files = uploaded(fresh(widget))
    for file in files:
        try:
            network, _ = own_classes.load(file.getvalue(), file.name, load("dogscats").network)
        except ExplorerError as error:
            st.session_state[f"{PAGE}.classes.load.problem"] = str(error)
        else:
            _use(Trained(f"file-{secrets.token_hex(4)}", network))
    taken(widget, files)
