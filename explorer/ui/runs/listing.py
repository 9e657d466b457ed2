"""The table of runs: from the index alone; a run's history is read when it is chosen."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import md5

import streamlit as st

from explorer.data import text
from explorer.runs import queue
from explorer.runs.index import Query, Run
from explorer.runs.words import Kind
from explorer.ui import app, parts, state, steps
from explorer.ui.runs import asked
from explorer.ui.runs.asked import PAGE

ROWS = 100  # of a page


def load(query: Query) -> tuple[list[Run], int]:
    """The runs of this page of the table, and how many there are in all; a disk that cannot be read is a sentence."""
    here = state.runs()
    with parts.refusals():
        total = app.store().count(query)
        if not total:
            _nothing(query)
            return [], 0
        pages = -(-total // ROWS)
        page = 1
        if pages > 1:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                page = int(st.number_input(f"Page of {pages}", 1, pages, key=here.key("page"), width=140))
                st.caption(
                    f"{total:,} runs in all. Search, or choose models and states, to see fewer.", width="content"
                )
        found = app.store().find(query, ROWS, ROWS * (page - 1))
        return [as_it_is_now(run) for run in found if may_be_seen(run)], total
    return [], 0


def _nothing(query: Query) -> None:
    if query == Query(query.owner, not_data=query.not_data, but_of=query.but_of, sort=query.sort):
        words = "No runs yet. Train something on the Character RNN or the CIFAR-10 page; it will be here."
        st.info(words, icon=":material/play_arrow:")
    else:
        st.info("No run is like that. Search for something else.", icon=":material/search_off:")


def may_be_seen(run: Run) -> bool:
    """All but what learns from another visitor's own text."""
    own = app.owner()
    return run.experiment is None or run.owner == own or text.may_see(run.experiment.data, own)


def as_it_is_now(run: Run) -> Run:
    """With the state of its job while there is one: the disk does not hear of every pause."""
    job = queue.registry().find(run.id)
    return replace(run, state=job.state, message=job.message) if job else run


def model_of(run: Run) -> str:
    """The model's name, or those of several."""
    return ", ".join(asked.MODELS.get(key, key) for key in run.model.split(",") if key) or "–"


def differs(run: Run) -> str:
    """The settings in which a run differs from its model's lecture preset."""
    changes = run.experiment.changes() if run.experiment and run.kind == Kind.TRAIN else {}
    return ", ".join(f"{name} {value}" for name, value in changes.items()) or "–"


def choose(runs: Sequence[Run]) -> list[str]:
    """Draw the table; the ids of the runs whose rows are chosen, those that other pages of the table have included."""
    here = state.runs()
    rows = rows_of(runs)
    ids = [run.id for run in runs]
    # Another table where there are other runs in it: a choice is of rows, and they would be other runs'.
    stamp = md5(",".join(ids).encode(), usedforsecurity=False).hexdigest()[:8]
    chosen = [ids.index(run) for run in here.chosen if run in ids]
    picked = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": chosen}},
        key=here.key("table", stamp),
        column_config={
            "accuracy": st.column_config.NumberColumn(format="percent"),
            "validation loss": st.column_config.NumberColumn(format="%.4f"),
            "time": st.column_config.NumberColumn("time, s", format="%.0f"),
        },
        placeholder="–",
        alt="The runs, the best figures of each, and its settings.",
    ).selection.rows
    elsewhere = [run for run in here.chosen if run not in ids]
    here.chosen = tuple([*elsewhere, *(ids[i] for i in picked if i < len(ids))][: asked.MOST])
    if len(here.chosen) > 1:
        steps.did(PAGE, "compared")
    return list(here.chosen) or ids[:1]


def picked(ids: Sequence[str], runs: Sequence[Run]) -> list[Run]:
    """The runs of these ids, from another page of the table or from a link too, where they may be seen."""
    here = {run.id: run for run in runs}
    found = [here.get(run) or app.store().run(run) for run in ids]
    return [as_it_is_now(run) for run in found if run is not None and may_be_seen(run)]


def rows_of(runs: Sequence[Run]) -> list[dict[str, object]]:
    """What the table says of each run; what was not measured is None."""
    return [
        {
            "★": "★" if run.star else "",
            "run": run.label,
            "model": model_of(run),
            "kind": asked.KINDS.get(run.kind, run.kind),
            "state": run.state,
            "epochs": run.epochs or None,
            "validation loss": run.val_loss,
            "accuracy": run.accuracy,
            "time": run.seconds or None,
            "what differs from the lecture": differs(run),
            "began from": run.begun_from or None,
            "started": datetime.fromtimestamp(run.created),
            "by": run.begun_by or None,
            "on": run.device or None,
            "data": run.source or None,
            "note": run.note or None,
        }
        for run in runs
    ]
