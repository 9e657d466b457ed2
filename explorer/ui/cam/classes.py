"""Classes of one's own on the CAM page: name them, bring photos, train a head, keep it as one file."""

import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from explorer.cam import classifier
from explorer.cam.head import MIN_PHOTOS, check
from explorer.data import dogscats
from explorer.data.photos import MAX_BYTES, MAX_ZIP_BYTES, Photo, Refusal, read_many, read_zip, smaller, thumbnail
from explorer.errors import ExplorerError
from explorer.figures.cam import head_training
from explorer.runs import jobs, queue
from explorer.runs.own_classes import Trained, tune, work
from explorer.ui import app, live, parts, plot, steps
from explorer.ui.cam.answer import OWN, load
from explorer.ui.cam.photos import PAGE, PRIVACY, SAMPLES, TYPES, Shown, fresh, refusals, taken, uploaded

MOST_PHOTOS = 60  # of a class; more teach little and cost time
SHOWN = 12  # thumbnails a class
SHORT_SIDE = 256  # pixels kept of a photo to learn from; the network needs 224
BOARD = 0.42  # side of the trap's chequerboard, as a share of the square the network sees
TRAPPED = 20  # dogs a class in the trap
_CLASSES, _REFUSED = f"{PAGE}.classes", f"{PAGE}.classes.refused"


def show() -> None:
    """The whole section."""
    classes: list[dict] = st.session_state.setdefault(_CLASSES, [_new("A"), _new("B")])
    st.caption(
        f"Two to five classes, at least {MIN_PHOTOS} photos each; ten are better, with different "
        f"backgrounds. The network's body stays as it is; only a small head learns. :material/lock: {PRIVACY}"
    )
    st.toggle("Photograph instead of uploading", key=f"{PAGE}.classes.camera")
    for entry in list(classes):
        _class(entry, classes)
    refusals(st.session_state.get(_REFUSED, ()))
    with st.container(horizontal=True):
        if st.button("Another class", icon=":material/add:", disabled=len(classes) >= classifier.MAX_CLASSES):
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
                "Name of the class", entry["name"], max_chars=classifier.MAX_NAME, key=f"{name}.name"
            )
            with st.container(horizontal=True):
                if entry["photos"] and st.button("Drop the last photo", icon=":material/undo:", key=f"{name}.undo"):
                    entry["photos"].pop()
                    st.rerun()
                if len(classes) > classifier.MIN_CLASSES and st.button(
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
                    "Photos of this class",
                    type=TYPES,
                    accept_multiple_files=True,
                    key=fresh(widget),
                    on_change=_take,
                    args=(entry, widget),
                    max_upload_size=parts.upload_limit(MAX_BYTES),
                )
        if photos := entry["photos"]:
            images = [thumbnail(photo) for photo in photos[:SHOWN]]
            st.image(images, width=64, output_format="PNG", alt=[photo.name for photo in photos[:SHOWN]])
        more = f", {len(photos) - SHOWN} not shown" if len(photos) > SHOWN else ""
        st.caption(f"{len(photos)} photos{more}")


def _take(entry: dict, widget: str) -> None:
    """Callback: decode what came into one class; what cannot be read is named."""
    files = uploaded(fresh(widget))
    photos, refused = read_many(((file.name, file.getvalue()) for file in files), SHORT_SIDE)
    taken(widget, files)
    room = MOST_PHOTOS - len(entry["photos"])
    entry["photos"] += photos[: max(0, room)]
    over = [Refusal(p.name, f"A class takes {MOST_PHOTOS} photos.") for p in photos[max(0, room) :]]
    st.session_state[_REFUSED] = (*refused, *over)


def _many_at_once() -> None:
    with st.expander("Many at once: a ZIP or a folder, with one folder a class", icon=":material/folder_zip:"):
        st.caption("`oak/1.jpg`, `oak/2.jpg`, `elm/1.jpg` … makes the classes *oak* and *elm*.")
        zipped, folder = f"{PAGE}.classes.zip", f"{PAGE}.classes.folder"
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
        _borrow()


def _borrow() -> None:
    """No photos at hand: ten cats and ten dogs of the course's; or a trap."""
    data = dogscats.find()
    if data is None:
        return
    st.caption(
        "No photos at hand? Borrow the course's. Or fall into the trap: twenty dogs called *brave*, twenty called "
        "*shy*, by somebody who knows none of them. Train, look at the leave-one-out accuracy, and then at what the "
        "heat is on."
    )
    with st.container(horizontal=True):
        plain = st.button("Ten cats, ten dogs", icon=":material/pets:", key=f"{PAGE}.classes.borrow")
        trap = st.button("Brave dogs, shy dogs", icon=":material/psychology_alt:", key=f"{PAGE}.classes.trap")
    if plain:
        cats, dogs = (_course(data.path, data.path.stat().st_mtime)[name][:10] for name in dogscats.CLASSES)
        _start_with(cats=cats, dogs=dogs)
    if trap:
        *dogs, last = _course(data.path, data.path.stat().st_mtime)["dogs"]
        row = [Shown("trap-board", "A new dog", _marked(last)), Shown("trap-plain", "The same", last)]
        others = [shown for shown in st.session_state.get(f"{PAGE}.own", []) if not shown.key.startswith("trap")]
        st.session_state[f"{PAGE}.own"] = [*others, *row[::-1]]
        st.session_state[f"{PAGE}.chosen"] = row[0].key
        _start_with(brave=[_marked(dog) for dog in dogs[:TRAPPED]], shy=dogs[TRAPPED:])


def _start_with(**classes: list[Photo]) -> None:
    st.session_state[_CLASSES] = [_new(name, photos) for name, photos in classes.items()]
    st.session_state[_REFUSED] = ()
    st.rerun()


@st.cache_resource(max_entries=1, show_spinner="Reading some of the course's photos …")
def _course(path: Path, stamp: float) -> dict[str, list[Photo]]:
    """What the trap needs of each class, none of them among the samples at the top."""
    photos = list(dogscats.DogsCats(path).photos("valid", SAMPLES + 2 * TRAPPED + 1))
    return {name: [smaller(p, SHORT_SIDE) for p in photos if p.label == name][SAMPLES:] for name in dogscats.CLASSES}


def _marked(photo: Photo) -> Photo:
    """The photo with a chequerboard in the corner of its central square.

    With 20 + 20 dogs a head told 88 % of them right when left out. Of 24 other dogs 22 turned from shy to brave
    when the board was added, and the hottest cell lay on it in all 24. (With 10 + 10 it learns too little.)
    """
    rgb = photo.rgb.copy()
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left, board = (height - side) // 2, (width - side) // 2, int(BOARD * side)
    rows, columns = np.mgrid[:board, :board] * 6 // board
    rgb[top : top + board, left : left + board] = np.where((rows + columns) % 2, 0, 255)[..., None]
    return replace(photo, rgb=rgb, digest="")  # another photo now


def _unpack(widget: str) -> None:
    """Callback: photos with folders become classes; nothing that was there is lost when the ZIP is bad."""
    files = uploaded(fresh(widget))
    try:
        if widget.endswith("zip"):
            photos, refused = read_zip(files[0].getvalue(), SHORT_SIDE) if files else ((), ())
        else:
            photos, refused = read_many(((file.name, file.getvalue()) for file in files), SHORT_SIDE)
    except ExplorerError as error:
        st.session_state[_REFUSED] = (Refusal(files[0].name, str(error)),)
        return
    finally:
        taken(widget, files)
    by_name: dict[str, list[Photo]] = {}
    for photo in photos:
        by_name.setdefault(photo.label or "Unnamed", []).append(photo)
    extra = [Refusal(name, f"Only {classifier.MAX_CLASSES} classes are taken.") for name in list(by_name)[5:]]
    st.session_state[_REFUSED] = (*refused, *extra)
    if by_name:
        names = list(by_name)[: classifier.MAX_CLASSES]
        st.session_state[_CLASSES] = [_new(name[: classifier.MAX_NAME], by_name[name]) for name in names]
        while len(st.session_state[_CLASSES]) < classifier.MIN_CLASSES:
            st.session_state[_CLASSES].append(_new("B"))


def _train(classes: list[dict]) -> None:
    """The button, the job, and what came out."""
    wanted = {entry["name"]: entry["photos"] for entry in classes}
    problem = ""
    try:
        if len(wanted) < len(classes):
            problem = "Two classes have the same name. Rename one."
        else:
            check(wanted)
    except ExplorerError as error:
        problem = str(error)
    job = queue.registry().find(st.session_state.get(f"{PAGE}.classes.job", ""))
    phase = live.phase(job)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Train", type="primary", icon=":material/play_arrow:", key=f"{PAGE}.classes.train", disabled=bool(problem)
        ):
            _learn(wanted)
        if phase in live.AT_WORK and st.button("Stop", icon=":material/stop:", key=f"{PAGE}.classes.stop"):
            job.stop()
            st.rerun()
        if problem:
            st.caption(parts.escape(problem))
    if job is not None:
        live.panel(f"{PAGE}.classes", job, _draw, phase)
        _adopt(job)
    trained: Trained | None = st.session_state.get(f"{PAGE}.trained")
    if trained is not None and not problem and trained.network.classes == tuple(map(classifier.clean_name, wanted)):
        _unfreeze(trained, wanted, going=phase in live.AT_WORK)


def _unfreeze(trained: Trained, wanted: dict[str, list[Photo]], going: bool) -> None:
    """The lesson's next step, for who wants it."""
    with st.expander("Unfreeze the body, too", icon=":material/lock_open:"):
        st.caption(
            "The lesson's next step: everything learns, early layers at a hundredth and late ones at a tenth of the "
            "head's rate, on photos flipped and zoomed at random. With a few photos it is as likely to harm as to help."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            epochs = st.number_input("Epochs", 1, 20, 2, key=f"{PAGE}.classes.epochs", width=120)
            rate = st.select_slider(
                "The head's learning rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], 1e-3, key=f"{PAGE}.classes.rate", width=260
            )
            if st.button("Unfreeze and train", icon=":material/lock_open:", key=f"{PAGE}.classes.tune", disabled=going):
                kept = {name: tuple(photos) for name, photos in wanted.items()}
                title = "Your own classes, unfrozen"
                _submit(jobs.Kind.UNFREEZE, title, lambda job: tune(job, trained, kept, int(epochs), rate))


def _learn(wanted: dict[str, list[Photo]]) -> None:
    kept = {name: tuple(photos) for name, photos in wanted.items()}
    with parts.refusals():
        network = load("dogscats").network
        _submit(jobs.Kind.OWN_CLASSES, "Your own classes", lambda job: work(job, network, kept))


def _submit(kind: jobs.Kind, title: str, what: Callable[[jobs.Job], None]) -> None:
    """Train in the background and draw the page anew, or say why not."""
    with parts.refusals():
        earlier = queue.registry().find(st.session_state.get(f"{PAGE}.classes.job", ""))
        job = queue.registry().submit(jobs.Job(kind, title, what, app.owner()), earlier)
        st.session_state[f"{PAGE}.classes.job"] = job.id
        st.rerun()


def _draw(job: jobs.Job) -> None:
    live.progress(job)
    parts.problem(job)
    if curve := job.results.get("curve"):
        plot.show(head_training(curve), f"{PAGE}.classes.curve.{job.id}", "Loss while the head learns.")
        st.caption("Solid: loss on your photos. Dotted: the share of them told right, soon known by heart.")
    if (trained := job.results.get("trained")) is not None:
        _measured(trained)


def _measured(trained: Trained) -> None:
    columns = st.columns(3)
    left_out = "not measured" if math.isnan(trained.accuracy) else f"{trained.accuracy:.0%}"
    columns[0].metric(
        "Leave-one-out accuracy",
        left_out,
        border=True,
        help="Each photo is asked about by a head that never saw it. With few photos this says more than the curve.",
    )
    columns[1].metric("Photos", " + ".join(map(str, trained.photos)), border=True)
    took = f"{trained.seconds:.0f} s" if trained.tuned else f"{1000 * trained.seconds:.0f} ms"
    columns[2].metric("Training everything" if trained.tuned else "Training the head", took, border=True)
    for sentence in trained.warnings:
        st.warning(parts.escape(sentence), icon=":material/visibility:")


def _adopt(job: jobs.Job) -> None:
    """Once, when it has been trained: the page's answer comes from the visitor's own classifier."""
    trained = job.results.get("trained")
    if trained is None or st.session_state.get(f"{PAGE}.adopted") == trained.stamp:
        return
    _use(trained)
    steps.did(PAGE, "own classes")
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
                "Save the classifier",
                lambda: classifier.save(trained.network, trained.tuned),
                "classes.safetensors",
                icon=":material/download:",
                key=f"{PAGE}.classes.save",
                on_click="ignore",
                help="The head and the names of the classes, and the body where it has learnt; no photo is in it.",
            )
    with st.expander("Load a classifier saved here", icon=":material/upload_file:"):
        widget = f"{PAGE}.classes.load"
        st.file_uploader(
            "A .safetensors file",
            type=["safetensors"],
            key=fresh(widget),
            on_change=_load,
            args=(widget,),
            max_upload_size=parts.upload_limit(classifier.MAX_FILE),
        )
    if problem := st.session_state.pop(f"{PAGE}.classes.load.problem", ""):
        st.error(parts.escape(problem), icon=":material/error:")


def _load(widget: str) -> None:
    """Callback: take a saved classifier; a bad file is named and changes nothing."""
    files = uploaded(fresh(widget))
    for file in files:
        try:
            network, _ = classifier.load(file.getvalue(), file.name, load("dogscats").network)
        except ExplorerError as error:
            st.session_state[f"{PAGE}.classes.load.problem"] = str(error)
        else:
            tuned = network.body is not load("dogscats").network.body
            _use(Trained(f"file-{secrets.token_hex(4)}", network, tuned=tuned))
    taken(widget, files)
