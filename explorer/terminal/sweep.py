"""``sweep``: one experiment over some of its settings, each cell an ordinary run; what came out as one table."""

import argparse
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError, SettingsError
from explorer.experiment import SETTINGS
from explorer.terminal.bar import EVERY, Bar, duration
from explorer.terminal.train import experiment_of
from explorer.terminal.words import INTERRUPTED, ends_when_interrupted, let_go_of_output, say

if TYPE_CHECKING:
    from explorer.runs.sweeping import Sweeping
    from explorer.runs.sweeps import Group, Plan
    from explorer.store.index import Run
    from explorer.store.store import Store


def sweep(options: argparse.Namespace) -> int:
    """Run the cells of a new sweep, or what is left of one; print a line a cell, and what came out."""
    if options.jobs is not None and options.jobs < 1:
        raise SettingsError(f"--jobs is how many cells run at once: 1 at least, not {options.jobs}.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError("A sweep needs no torchrun: --jobs runs several cells at once, a process each.")
    if options.resume:
        return _go_on(options)
    plan = _plan(options)
    from explorer.runs import cells
    from explorer.store.store import Store

    store = Store()
    cells.check(plan.cells)
    _announce(str(plan), [cell.experiment for cell in plan.cells], store, options.jobs or 1)
    return 0 if options.dry_run else _run(cells.enter(plan, store), store, options)


def _plan(options: argparse.Namespace) -> "Plan":
    """What was typed, every cell of it checked against the table of settings; without torch."""
    if options.key is None:
        raise SettingsError("Which model? python -m explorer sweep gru --over lr=1e-4:1e-1:log:8")
    from explorer.runs.sweeps import Plan

    return Plan.of(experiment_of(options), options.over, options.seeds, _typed(options))


def _typed(options: argparse.Namespace) -> list[str]:
    return [name for name in SETTINGS if getattr(options, name) is not None]


def _go_on(options: argparse.Namespace) -> int:
    """What is left of a sweep. What it is was said when it began."""
    words = [*(["--over"] if options.over else []), *(f"--{name.replace('_', '-')}" for name in _typed(options))]
    words += ["--seeds"] if options.seeds != 1 else []
    words += ["--preset"] if options.preset else []
    if options.key is not None or words:
        raise SettingsError(f"A sweep goes on as it began: leave {options.key or words[0]} out beside --resume.")
    from explorer.runs import cells
    from explorer.store.store import Store

    store = Store()
    runs = cells.unfinished(store, options.resume)
    if options.dry_run:
        cells.leave(store, runs)
    _announce(f"{len(store.cells([options.resume]))} in all", [e for run in runs if (e := run.experiment)], store, 1)
    if not runs:
        _show(store, options.resume, options.json)
    return 0 if options.dry_run or not runs else _run(runs, store, options)


def _announce(what: str, experiments: Sequence[Any], store: "Store", jobs: int) -> None:
    """How many cells, and about how long they take."""
    from explorer.runs import cells

    if not experiments:
        print(f"All cells are over ({what}).", file=sys.stderr)
        return
    seconds = cells.seconds(experiments, store, min(jobs, len(experiments)))
    takes = f"about {duration(seconds)} by runs like them here" if seconds else "how long is seen after the first"
    print(f"{len(experiments)} cell{'s' * (len(experiments) > 1)} ({what}): {takes}", file=sys.stderr)


def _run(runs: "Sequence[Run]", store: "Store", options: argparse.Namespace) -> int:
    from explorer.store.words import State

    group, bar, failed = runs[0].sweep, Bar(), 0
    work = _sweeping(runs, store, options.jobs)
    if not options.json:
        print(f"sweep {group}\n{'cell':>7} {'valid':>8} {'accuracy':>8} {'seconds':>8}", flush=True)
    try:
        with ends_when_interrupted(work.stop), _following(bar, work):
            for number, (run, state, message) in enumerate(work, 1):
                bar.clear()
                failed += state == State.FAILED
                _line(store, run, state, message, f"{number}/{len(runs)}", options.json)
    except (ExplorerError, KeyboardInterrupt):
        _how_to_go_on(group)
        raise
    except BrokenPipeError:
        let_go_of_output()
        _how_to_go_on(group)
        return 1
    _show(store, group, options.json)
    if work.interrupted or failed:
        _how_to_go_on(group)
    return INTERRUPTED if work.interrupted else 1 if failed else 0


def _sweeping(runs: "Sequence[Run]", store: "Store", jobs: int | None) -> "Sweeping":
    """In this process and in those it begins; on the workers of the engine, where another one is chosen."""
    from explorer.jobs import engine
    from explorer.runs.sweeping import Sweeping

    if engine.chosen() != engine.THREADS:
        from explorer.jobs.queue import registry
        from explorer.runs.enqueued import Enqueued

        made = registry()
        if not (why := engine.problem()):
            return Enqueued(runs, store, made, jobs or 0)
        say(why)
    return Sweeping(runs, store, jobs or 1)


def _how_to_go_on(group: str) -> None:
    with contextlib.suppress(OSError):
        print(f"Go on with it: python -m explorer sweep --resume {group}", file=sys.stderr)


@contextlib.contextmanager
def _following(bar: Bar, work: "Sweeping") -> Iterator[None]:
    """Draw how far all cells together are, and how long they take yet, while the block runs."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            eta = work.eta
            done = f"{sum(share >= 1 for share in work.shares)}/{len(work.runs)} cells"
            bar.draw(work.share, done + (f" · {duration(eta)} left" if eta is not None else ""))

    thread = threading.Thread(target=look, name="progress-bar", daemon=True)
    if bar.seen:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if bar.seen:
            thread.join()
        bar.clear()


def _line(store: "Store", run: "Run", state: str, message: str, place: str, as_json: bool) -> None:
    """One cell that is over."""
    from explorer.runs.sweeps import in_words
    from explorer.store.words import State

    now, rows = store.run(run.id) or run, store.epochs(run.id)
    last = rows[-1] if rows else None
    if as_json:
        words = {
            "sweep": run.sweep,
            "run": run.id,
            "cell": run.at,
            "state": state,
            "message": message,
            "epochs": now.epochs,
            "val_loss": last.val_loss if last else None,
            "accuracy": last.accuracy if last else None,
            "best_val_loss": now.val_loss,
            "best_accuracy": now.accuracy,
            "seconds": round(now.seconds, 2),
        }
        print(json.dumps(words), flush=True)
        return
    figures = f"{last.val_loss:8.5f} {last.accuracy:8.5f}" if last else f"{'–':>8} {'–':>8}"
    print(f"{place:>7} {figures} {now.seconds:8.1f}  {state:<8}  {in_words(run.at)}", flush=True)
    if message and state != State.DIVERGED:  # which says enough
        say(f"{in_words(run.at)}: {message}")


def _show(store: "Store", sweep: str, as_json: bool) -> None:
    """What came out, a line a combination of values, the seeds taken together."""
    from explorer.runs.sweeps import Group

    if as_json:
        return
    group = Group.of(store.cells([sweep]), store.ends([sweep]))
    print()
    for row in table(group):
        print("  ".join(row).rstrip())
    sys.stdout.flush()


def table(group: "Group") -> list[list[str]]:
    """Columns of equal width: the axes, validation loss and accuracy after the last epoch, and what to note."""
    from explorer.runs.sweeps import word

    names = [axis.name for axis in group.axes]
    rows = [[*names, "validation loss", "accuracy", ""]]
    for point in group.points:
        values = [word(point.at[name]) for name in names]
        rows.append([*values, point.val_loss.text(), point.accuracy.text(percent=True), _note(group, point)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [[cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)] + row[-1:] for row in rows]


def _note(group: "Group", point: Any) -> str:
    """That it is the best, broke, or is not over."""
    if point is group.best:
        return "best"
    states = [str(run.state) for run in point.runs if run.state != "done"]
    one = len(point.runs) == 1
    return ", ".join(word if one else f"{states.count(word)} {word}" for word in dict.fromkeys(states))
