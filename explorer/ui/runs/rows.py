"""One chosen run: its name, star and note; open it, go on with it, begin it again, take it away, delete it."""

from collections.abc import Sequence

import streamlit as st

from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.export import files, recipe, script
from explorer.jobs import queue
from explorer.store.index import Run
from explorer.store.store import Which, cycle
from explorer.store.words import ENDED, Kind
from explorer.ui import app, parts, state, steps, transport
from explorer.ui.runs import listing, outcomes, save
from explorer.ui.runs.asked import PAGE

MOST = 6  # chosen runs that get a row


def show(runs: Sequence[Run]) -> None:
    """A row a chosen run."""
    for run in runs[:MOST]:
        with st.container(border=True), parts.refusals():
            _row(run)
    if len(runs) > MOST:
        st.caption(f"And {len(runs) - MOST} more.")


def _row(run: Run) -> None:
    mine = run.owner == app.owner()
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.state_badge(run.state, run.message)
        star = "★ " if run.star else ""
        st.markdown(f"{star}**{parts.escape(run.label)}** · {parts.escape(listing.model_of(run))}", width="content")
        words = [f"begun by {'the terminal' if run.begun_by == 'terminal' else 'a page'}"] if run.begun_by else []
        words += [f"from {run.begun_from}"] if run.begun_from else []
        words += [f"torch {run.torch}"] if run.torch else []
        st.caption(parts.escape(" · ".join(words)), width="content")
    if run.note:
        st.caption(f":material/sticky_note_2: {parts.escape(run.note)}")
    if run.kind != Kind.TRAIN:
        outcomes.show(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.kind == Kind.TRAIN and run.experiment is not None:
            _training(run, run.experiment, mine)
        if mine:
            _words(run)
            if st.button("Delete", icon=":material/delete:", key=state.key("del", run.id)):
                _delete([run])


def _training(run: Run, experiment: Experiment, mine: bool) -> None:
    page = experiment.rung.page
    if st.button("Open", icon=":material/open_in_new:", key=state.key("open", run.id)):
        steps.did(PAGE, "opened")
        state.open(page, experiment, run.id)
    if mine and run.state in ENDED:
        transport.go_on(page, run.id, experiment)
    if st.button(
        "Train again",
        icon=":material/replay:",
        key=state.key("again", run.id),
        help="A new run with exactly these settings and this seed"
        + (f", from fresh weights: this one began from {run.begun_from}." if run.begun_from else "."),
    ):
        state.open(page, experiment, transport.submit(page, experiment).id)
    with st.popover(
        "Take away", icon=":material/download:", key=state.key("take", run.id), on_change="rerun"
    ) as popover:
        if popover.open:  # what is offered is only made then
            _take_away(run, experiment)


def _take_away(run: Run, experiment: Experiment) -> None:
    made = recipe.of_run(run, app.store())
    name = f"{experiment.model}-{run.id}"
    save.button("As a script", lambda: script.as_script(made), f"{name}.py", state.key("py", run.id), "code")
    save.button("As a notebook", lambda: script.as_notebook(made), f"{name}.ipynb", state.key("ipynb", run.id), "book")
    st.caption("Both repeat the run without this program: they need torch and NumPy.")
    past = app.history(run.id, run.updated)
    save.button("Epochs (CSV)", lambda: files.epochs_csv(past), f"{name}-epochs.csv", state.key("csv", run.id))
    save.button("Steps (CSV)", lambda: files.steps_csv(past), f"{name}-steps.csv", state.key("steps", run.id))
    weights = [app.store().weights(run.id, which) for which in (*Which, *map(cycle, app.store().snapshots(run.id)))]
    kept = [path for path in weights if path.exists()]
    for path in kept:
        key = state.key("w", run.id, path.stem)
        save.button(f"Weights: {path.stem}", path.read_bytes, f"{name}-{path.name}", key, "download")
    if kept:
        last = next((path for path in kept if path.stem == Which.FINAL), kept[0])
        if st.button("As ONNX …", icon=":material/deployed_code:", key=state.key("onnx", run.id)):
            with parts.refusals():
                content = files.as_onnx(last)
                save.button("Save it", lambda: content, f"{name}.onnx", state.key("onnx-file", run.id), "save")
        st.caption("Ten lines that read the weights anywhere:")
        st.code(files.LOADER, language="python")


def _words(run: Run) -> None:
    """Its owner's name, note and star for it."""
    star = "Unstar" if run.star else "Star"
    if st.button(star, icon=":material/star:", key=state.key("star", run.id)):
        app.store().describe(run.id, star=not run.star)
        st.rerun()
    with st.popover("Name and note", icon=":material/edit:", key=state.key("words", run.id)):
        name = st.text_input("Name", run.name, max_chars=60, key=state.key("name", run.id))
        note = st.text_area("Note", run.note, max_chars=1000, key=state.key("note", run.id))
        if st.button("Keep", type="primary", key=state.key("keep", run.id)):
            app.store().describe(run.id, name=name.strip(), note=note.strip())
            st.rerun()


def _delete(runs: Sequence[Run]) -> None:
    for run in runs:
        if (job := queue.registry().find(run.id)) is not None:
            job.stop("Deleted.")
    app.store().remove([run.id for run in runs])
    st.rerun()


def undo() -> None:
    """What was deleted lately, and the button that brings it back."""
    try:
        removed = app.store().removed(app.owner())
    except ExplorerError:
        return  # the table says so
    if not removed:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        names = ", ".join(run.label for run in removed[:3]) + (
            f" and {len(removed) - 3} more" if len(removed) > 3 else ""
        )
        st.caption(f":material/delete: Deleted: {parts.escape(names)}. Gone for good after an hour.", width="content")
        if st.button("Undo", icon=":material/undo:", key=state.runs().key("undo")):
            with parts.refusals():
                latest = removed[0]
                together = [run.id for run in removed if latest.sweep and run.sweep == latest.sweep]
                app.store().restore(together or [latest.id])
                st.rerun()
