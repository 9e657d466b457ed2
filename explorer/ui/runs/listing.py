"""The table of runs: from the index alone; a run's history is read when it is chosen."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import md5

import streamlit as st

from explorer.data import text
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.runs.sweeps import Group
from explorer.store.index import Query, Run
from explorer.store.words import Kind
from explorer.ui import app, parts, state, steps
from explorer.ui.runs import asked, tables
from explorer.ui.runs.asked import PAGE

ROWS = 100  # of a page


@dataclass(frozen=True)
class Listed:
    """The lines of a table: runs, and sweeps, each standing there as its best cell."""

    runs: Sequence[Run] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)  #: the sweeps that are one line, by their ids

    def entry(self, run: Run) -> str:
        """What the line is chosen by: the id of a run or of a sweep."""
        return run.sweep if run.sweep in self.groups else run.id


def load(query: Query) -> Listed:
    """This page of the table; a disk that cannot be read is a sentence."""
    here = state.runs()
    with parts.refusals():
        total = app.store().count(query)
        if not total:
            _nothing(query)
            return Listed()
        pages = -(-total // ROWS)
        page = 1
        if pages > 1:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                page = int(st.number_input(f"Page of {pages}", 1, pages, key=here.key("page"), width=140))
                st.caption(
                    f"{total:,} runs in all. Search, or choose models and states, to see fewer.", width="content"
                )
        found = app.store().find(query, ROWS, ROWS * (page - 1))
        runs = [as_it_is_now(run) for run in found if may_be_seen(run)]
        groups = groups_of([run.sweep for run in runs if run.sweep]) if query.folded else {}
        return Listed([groups[run.sweep].best_run if run.sweep in groups else run for run in runs], groups)
    return Listed()


def groups_of(sweeps: Sequence[str]) -> dict[str, Group]:
    """Sweeps by their ids, as far as there are any."""
    cells: dict[str, list[Run]] = {}
    for run in app.store().cells(sweeps) if sweeps else []:
        cells.setdefault(run.sweep, []).append(run)
    ends = app.store().ends(list(cells)) if cells else {}
    return {sweep: Group.of(runs, ends) for sweep, runs in cells.items()}


def _nothing(query: Query) -> None:
    if query == Query(query.owner, not_data=query.not_data, but_of=query.but_of, sort=query.sort, folded=True):
        words = "No runs yet. Train something on the Character RNN or the CIFAR-10 page; it will be here."
        st.info(words, icon=":material/play_arrow:")
    else:
        st.info("No run is like that. Search for something else.", icon=":material/search_off:")


def may_be_seen(run: Run) -> bool:
    """All but what learns from another visitor's own text."""
    return run.experiment is None or text.may_see(run.experiment.data, app.owner())


def as_it_is_now(run: Run) -> Run:
    """With the state of its job while there is one: the disk does not hear of every pause."""
    job = queue.registry().find(run.id)
    return replace(run, state=job.state, message=job.message) if job else run


def model_of(run: Run) -> str:
    """The model's name, or those of several."""
    return ", ".join(asked.MODELS.get(key, key) for key in run.model.split(",") if key) or "–"


def differs(run: Run) -> str:
    """The settings in which a run differs from its model's lecture preset."""
    return _changes(run.experiment) if run.experiment and run.kind == Kind.TRAIN else "–"


@functools.lru_cache(maxsize=1000)
def _changes(experiment: Experiment) -> str:
    return ", ".join(f"{name} {value}" for name, value in experiment.changes().items()) or "–"


def choose(listed: Listed) -> list[str]:
    """Draw the table; the ids of the lines that are chosen, those that other pages of the table have included."""
    here = state.runs()
    ids = [listed.entry(run) for run in listed.runs]
    # Another table where there are other runs in it: a choice is of rows, and they would be other runs'.
    stamp = md5(",".join(ids).encode(), usedforsecurity=False).hexdigest()[:8]
    chosen = [ids.index(run) for run in here.chosen if run in ids]
    picked = st.dataframe(
        tables.arrow(rows_of(listed)),
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


def picked(ids: Sequence[str], listed: Listed) -> tuple[list[Run], list[Group]]:
    """What has these ids, on another page of the table or in a link too, where it may be seen: runs, and sweeps."""
    here = {run.id: run for run in listed.runs if listed.entry(run) == run.id}
    found = {id: here.get(id) or app.store().run(id) for id in ids if id not in listed.groups}
    groups = {**listed.groups, **groups_of([id for id, run in found.items() if run is None])}
    return (
        [as_it_is_now(run) for run in found.values() if run is not None and may_be_seen(run)],
        [groups[id] for id in ids if id in groups and may_be_seen(groups[id].runs[0])],
    )


def called(group: Group) -> str:
    """What a sweep is called on screen."""
    experiment = group.runs[0].experiment
    return f"{experiment.rung.title if experiment else ''} · sweep {group.id[:4]}"


def rows_of(listed: Listed) -> list[dict[str, object]]:
    """What the table says of each line; what was not measured is None."""
    return [
        {**_row(run), **(_of_group(listed.groups[run.sweep]) if run.sweep in listed.groups else {})}
        for run in listed.runs
    ]


def _row(run: Run) -> dict[str, object]:
    return {
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


def _of_group(group: Group) -> dict[str, object]:
    """Where the line of a sweep says other things than that of its best cell."""
    return {
        "run": called(group),
        "kind": f"sweep of {len(group.runs)}",
        "state": group.state if group.done == len(group.runs) else f"{group.state}, {group.done} over",
        "time": sum(run.seconds for run in group.runs) or None,
        "what differs from the lecture": str(group),
        "started": datetime.fromtimestamp(group.runs[0].created),
    }
