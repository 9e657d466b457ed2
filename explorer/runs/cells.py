"""The cells of a sweep at work: entered into the record together, then run one by one, here or in another process.

A cell is an ordinary run. Until its turn comes it is *queued*; whoever ends the sweep early leaves it *stopped*, so
that ``unfinished`` finds it, with those that broke off in the middle and left a bookmark.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from explorer.errors import ExplorerError, SettingsError, StorageError
from explorer.experiment import Experiment
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.runs import estimate, train
from explorer.runs.record import Recorder
from explorer.runs.sweeps import OVER, Cell, Plan, alike
from explorer.runs.train import Training
from explorer.store.index import TERMINAL, By, Run
from explorer.store.store import Store
from explorer.store.words import WAITS, Kind, State, ending
from explorer.training import prepare
from explorer.training.memory import reserve


def check(cells: Sequence[Cell]) -> None:
    """Make what each cell needs, and let go of it: data that can be cut so, a network, memory for both.

    Raises:
        ExplorerError: a cell could not run; it says which, and why.
    """
    from explorer import devices

    device, seen = devices.choose(), set()
    for cell in cells:
        if (one := alike(cell.experiment)) in seen:
            continue
        seen.add(one)
        try:
            data = prepare.data_for(cell.experiment, device)
            reserve(cell.experiment, data, device)
            prepare.model_for(cell.experiment, data)
        except ExplorerError as error:
            raise SettingsError(f"{cell}: {error} No cell has begun.", error.detail) from error


def seconds(experiments: Sequence[Experiment], store: Store | None, at_once: int = 1) -> float | None:
    """How long they would take, by runs like them that were measured here; None where one is like none of those."""
    known = estimate.each(experiments, store) if store is not None else []
    return sum(known) / at_once if known and len(known) == len(experiments) else None


def enter(plan: Plan, store: Store, owner: str = TERMINAL) -> list[Run]:
    """Enter a new sweep's cells into the record, all of them waiting."""
    by = By.TERMINAL if owner == TERMINAL else By.PAGE
    sweep, now = secrets.token_hex(4), time.time()
    runs = []
    for number, cell in enumerate(plan.cells):
        run = Run(
            secrets.token_hex(4),
            owner,
            Kind.TRAIN,
            f"{plan.base.rung.title} {cell}",
            cell.experiment,
            State.QUEUED,
            "",
            "",
            "",
            now + number / 1000,  # in the order in which they begin
            now,
            begun_by=by,
            sweep=sweep,
            cell=json.dumps(dict(cell.at)),
        )
        store.begin(run)
        runs.append(run)
    return runs


def unfinished(store: Store, sweep: str) -> list[Run]:
    """The cells of a sweep that are not over, taken by this process to go on with.

    Raises:
        StorageError: there is no such sweep; nothing is left to do; or it is at work, here or in another process.
    """
    store.runs(limit=1)  # settles those whose process is gone
    runs = store.cells([sweep])
    if not runs:
        raise StorageError(f"There is no sweep {sweep!r} on this machine. python -m explorer runs lists them.")
    left = [run.id for run in runs if run.state not in OVER]
    taken = {run for run in left if store.claim(run)}
    if left and not taken:
        raise StorageError(f"The sweep {sweep} is at work already, in another process.")
    return [run for run in store.cells([sweep]) if run.id in taken]


def waits(run: Run, found: Run | None) -> bool:
    """Whether the record has a cell as ``run``, waiting: nobody has stopped its sweep since, nor gone on with it."""
    return found is not None and (found.state, found.updated) == (State.QUEUED, run.updated)


def leave(store: Store, runs: Sequence[Run], why: str = WAITS) -> None:
    """Settle those whose turn has not come: they wait for whoever goes on."""
    for run in runs:
        if waits(run, store.run(run.id)):
            store.settle(run.id, State.STOPPED, why)


def job(run: Run, store: Store) -> Job[Training]:
    """A cell as a job for an engine, which goes on from its bookmark if it left one."""
    assert run.experiment is not None
    work, owner = call(train.work, run.experiment), run.owner
    made: Job[Training] = Job(
        Kind.TRAIN, run.title, work, owner, run.experiment, id=run.id, created=run.created, spare=True
    )
    made.record = call(train.record, store.address, go_on=True)
    return made


def work(run: Run, store: Store, begun: Callable[[Job[Any]], object] = lambda job: None) -> tuple[State, str]:
    """Run a cell to its end in this thread, from its bookmark if it left one; how it ended, and what to say about it.

    Args:
        begun: is given the job, which shows how far it is and can be stopped.
    """
    assert run.experiment is not None
    experiment = run.experiment
    made: Job[Training] = Job(Kind.TRAIN, run.title, experiment=experiment, id=run.id, created=run.created)
    recorder = Recorder(made, experiment, store, line=run)
    go_on = store.bookmark(run.id).exists()
    if not go_on:
        with contextlib.suppress(StorageError):
            store.rewind(run.id, 0, 0, 0)  # it may have been killed before its first bookmark
    made.began = True
    made.pace.go()
    begun(made)
    try:
        train.train(made, experiment, recorder=recorder, go_on=go_on)
        return State.DONE, made.message
    except Exception as error:
        return ending(error)
