"""A sweep on a page: begun, watched while its cells train, stopped, gone on with; what it came to as a figure."""

from typing import Any

import streamlit as st

from explorer import limits
from explorer.figures import cells
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.runs.advance import Advance
from explorer.runs.sweeps import OVER, Group, Plan, in_words
from explorer.store.index import TERMINAL, Query
from explorer.store.words import WAITS, Kind, State
from explorer.ui import app, live, parts, plot, runbar, state
from explorer.ui.runbar import Number

LATELY = 50  # runs and sweeps of a model's among which a plan's own is looked for
UNTIL = "You may leave: it stops when nobody has looked at it for {} minutes, and goes on when you say so."


def begin(plan: Plan) -> str:
    """Begin a sweep for this browser; its id.

    Raises:
        ExplorerError: it cannot be begun now; says why.
    """
    app.engine().wait()
    from explorer.runs import enqueued

    return enqueued.start(plan, app.store(), app.owner())


def announce(plan: Plan) -> None:
    """How many cells a sweep has, and about how long they take here."""
    takes = _takes(plan, str(app.store().folder))
    known = f"about {parts.seconds(takes)} by runs like them here" if takes else "how long is seen after the first"
    st.caption(f"**{len(plan.cells)} cells** ({parts.escape(str(plan))}): {known}.")


@st.cache_data(ttl=20, max_entries=64, show_spinner=False, hash_funcs={Plan: lambda plan: repr((plan.base, plan.axes))})
def _takes(plan: Plan, folder: str) -> float | None:
    app.engine().wait()
    from explorer.runs.cells import seconds

    return seconds([cell.experiment for cell in plan.cells], app.store(), queue.registry().places)


def find(sweep: str) -> Group | None:
    """A sweep as the record has it now; None without a cell."""
    runs = app.store().cells([sweep])
    return Group.of(runs, app.store().ends([sweep])) if runs else None


def latest(plan: Plan) -> Group | None:
    """The last sweep of this browser's that is of this plan; None without one."""
    asked = Query(app.owner(), (plan.base.model,), kinds=(Kind.TRAIN,), folded=True)
    planned = {cell.experiment for cell in plan.cells}
    names = {axis.name for axis in plan.axes}
    for run in app.store().find(asked, limit=LATELY):
        if run.sweep and run.experiment in planned and set(run.at) == names:
            return find(run.sweep)
    return None


def show(place: str, group: Group) -> None:
    """What a sweep came to; while it is at work again and again, with how far it is and, for its owner, Stop.

    Args:
        place: the page or section that shows it.
    """
    if group.state != State.RUNNING:
        _outcome(place, group)
        return

    @st.fragment(run_every=live.POLL_CROWDED, key=state.key(place, "sweep-live", group.id))
    def at_work() -> None:
        now = find(group.id)
        if now is None or now.state != State.RUNNING:
            live.redraw()
        if now is not None:
            _advancement(place, now)
            _outcome(place, now)

    at_work()


def _advancement(place: str, group: Group) -> None:
    jobs = {run.id: job for run in group.runs if (job := queue.registry().find(run.id)) is not None and not job.ended}
    for job in jobs.values():
        job.touch()
    found = Advance.of(group, jobs)
    left = [f"{parts.seconds(found.eta)} left"] if found.eta is not None else []
    numbers = [Number("cells over", f"{group.done} of {len(group.runs)}")]
    if found.training:
        first, *others = found.training
        numbers.append(Number("now", in_words(first.at), f"and {len(others)} more" if others else ""))
    runbar.row(State.RUNNING, " · ".join([f"{found.share:.0%}", *left]), numbers, found.share)
    _waits(jobs)
    if group.runs[0].owner == app.owner() != TERMINAL:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Stop the sweep", icon=":material/stop:", key=state.key(place, "sweep-stop", group.id)):
                with parts.refusals():
                    end(group)
                    st.rerun()
            st.caption(UNTIL.format(limits.now().lease_minutes), width="content")


def _waits(jobs: dict[str, Job[Any]]) -> None:
    """What its next cell waits for, where none trains."""
    if jobs and all(job.state == State.QUEUED for job in jobs.values()):
        st.caption(parts.escape(queue.waits_for(next(iter(jobs.values())))))


def end(group: Group) -> None:
    """Stop a sweep, if it is at work.

    Raises:
        ExplorerError: the record cannot be written.
    """
    if group.state == State.RUNNING:
        app.engine().wait()
        from explorer.runs import enqueued

        enqueued.stop(group.id, app.store())


def go_on(place: str, group: Group) -> None:
    """Where something is left of a sweep that has ended: the button that goes on, or how the terminal does."""
    if group.state not in (State.STOPPED, State.FAILED):
        return
    owner = group.runs[0].owner
    if owner == TERMINAL:
        st.caption("What is left of it goes on in the terminal:")
        st.code(f"python -m explorer sweep --resume {group.id}", language="bash")
    elif owner == app.owner():
        left = [run for run in group.runs if run.state not in OVER]
        why = next((run.message for run in left if run.message not in ("", WAITS)), "")
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Go on",
                type="primary",
                icon=":material/resume:",
                key=state.key(place, "sweep-go-on", group.id),
                help="What is over is left alone; what was interrupted continues from its bookmark.",
            ):
                with parts.refusals():
                    app.engine().wait()
                    from explorer.runs import enqueued

                    enqueued.go_on(group.id, app.store(), owner)
                    st.rerun()
            words = f"{len(left)} cell{'s' * (len(left) > 1)} left. {why}".strip()
            st.caption(parts.escape(words), width="content")


def _outcome(place: str, group: Group) -> None:
    """The figure of what it came to so far, and the best of it."""
    _picture(place, group)
    _best(group)


def _picture(place: str, group: Group) -> None:
    if not group.axes or not group.ends:
        st.caption("There is nothing to draw yet." if not group.ends else "It has no axis but the seed.")
        return
    judged = "Mean of the seeds after the last epoch" if group.seeds > 1 else "After the last epoch"
    how = {1: "", 2: f" Greener is better, {cells.BEST} best."}.get(len(group.axes), " Blue did better.")
    plot.chart(
        place,
        f"sweep-{group.id}",
        (group.id, *((run.id, run.epochs, run.state) for run in group.runs)),
        lambda: cells.drawing(group, key=group.id),
        f"{cells.metric(group)} over {' and '.join(axis.name for axis in group.axes)}.".capitalize(),
        f"{judged}: {cells.metric(group)}.{how}",
    )


def _best(group: Group) -> None:
    if (found := group.best) is None:
        return
    loss, accuracy = found.val_loss.text(), found.accuracy.text(percent=True)
    seeds = f", mean ± deviation of {len(found.runs)} seeds" if len(found.runs) > 1 else ""
    where = in_words(found.at) or "the only point"
    st.markdown(f"Best: **{parts.escape(where)}** · validation loss {loss}, accuracy {accuracy}{seeds}.")
