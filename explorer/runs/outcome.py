"""What a job that is no training came to, as plain data: a few words, curves, a table. Kept, shown and taken away."""

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import StorageError
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.runs.record import Recorder
from explorer.series import spread
from explorer.store.store import Store
from explorer.store.words import State, Stopped, ending

if TYPE_CHECKING:
    from explorer.experiment import Experiment
    from explorer.runs.evaluation import Evaluated
    from explorer.runs.grid import GridView
    from explorer.runs.own_classes import Learnt
    from explorer.runs.race import Raced
    from explorer.runs.sweep import Sweeps
    from explorer.runs.through_time import Exploded, Reached

POINTS = 400  # of a curve


@dataclass(frozen=True)
class Outcome:
    """What came out."""

    settings: Mapping[str, Any] = field(default_factory=dict)  #: what was asked for
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)  #: name → x and y
    x: str = "steps"
    y: str = "loss"
    log_x: bool = False
    rows: Sequence[Mapping[str, Any]] = ()  #: a table

    def to_json(self) -> str:
        """As JSON; what is no number is null."""
        return json.dumps(_plain(asdict(self)))

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        """The inverse; an empty text is an empty outcome."""
        return cls(**json.loads(text)) if text else cls()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def curve(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """A curve's points, at most :data:`POINTS`."""
    keep = spread(len(x), POINTS)
    return np.asarray(x)[keep].tolist(), np.asarray(y)[keep].tolist()


# -- what each kind of job leaves ----------------------------------------------------------------------


def of_sweeps(result: "Sweeps") -> Outcome:
    """Loss over rate."""
    curves = {name: curve(sweep.lr, sweep.smooth) for name, sweep in result.curves.items()}
    return Outcome(curves=curves, x="learning rate", y="loss", log_x=True)


def of_race(result: "Raced") -> Outcome:
    """Each network's training loss, and where it broke."""
    lanes = result.view.lanes if result.view else ()
    curves = {lane.name: curve(lane.history["step"], lane.history.smoothed()) for lane in lanes}
    rows = [
        {
            "network": lane.name,
            "parameters": lane.parameters,
            "steps": len(lane.history),
            "final loss": lane.final_loss,
            "validation loss": lane.history.best_val_loss,
            "accuracy": lane.history.best_accuracy,
            "broke": str(lane.broke) if lane.broke else "",
        }
        for lane in lanes
    ]
    return Outcome(curves=curves, y="training loss, smoothed", rows=rows)


def of_map(result: "GridView") -> Outcome:
    """The loss reached in each cell that has run."""
    rows = [
        {
            "norm": norm,
            "convolutions": depth * result.stages,
            "learning rate": rate,
            "loss": float(result.loss[n, d, r]),
        }
        for n, norm in enumerate(result.norms)
        for d, depth in enumerate(result.depths)
        for r, rate in enumerate(result.rates)
        if not np.isnan(result.loss[n, d, r])
    ]
    return Outcome({"steps": result.steps}, rows=rows)


def of_reach(result: "Reached") -> Outcome:
    """How far back gradients reach, model by model, as they learn."""
    curves = {
        f"{model.name}, step {step}": curve(found.lags, found.hidden)
        for model in result.models
        for step, found in model.curves.items()
    }
    return Outcome(curves=curves, x="characters back", y="gradient")


def of_explosions(result: "Exploded") -> Outcome:
    """Gradient norms of the short runs."""
    curves = {}
    for run in result.runs:
        name = f"{run.setting} {run.value:g}" + (f", clipped at {run.clip:g}" if run.clip else "")
        curves[name] = curve(np.arange(1, len(run.grad_norm) + 1), run.grad_norm)
    return Outcome(curves=curves, y="gradient norm")


def of_evaluation(result: "Evaluated") -> Outcome:
    """What each kind of statistics gave."""
    return Outcome({"weights": result.weights, "batch": result.batch}, rows=[asdict(found) for found in result.found])


def of_classes(result: "Learnt") -> Outcome:
    """How the head's loss fell, and how far to trust it; no photo, and no name of one."""
    rows = [{"photos": sum(t.photos), "classes": len(t.photos), "accuracy": t.accuracy} for t in [result.trained] if t]
    steps = [_numbers(step) for step in result.curve]
    losses = [step["loss"] for step in steps if "loss" in step]
    return Outcome(curves={"loss": curve(np.arange(1, len(losses) + 1), np.array(losses))} if losses else {}, rows=rows)


def of_anything(result: Any) -> Outcome:
    """Whatever numbers and words a result has by itself, in one line."""
    return Outcome(rows=[_numbers(result)]) if result is not None else Outcome()


def _numbers(thing: Any) -> dict[str, Any]:
    found = vars(thing) if is_dataclass(thing) and not isinstance(thing, type) else {}
    return {name: value for name, value in found.items() if isinstance(value, str | int | float | bool)}


def settings_of(experiment: "Experiment") -> str:
    """What decides a run, in a line: the model and what differs from its lecture preset."""
    return ", ".join([experiment.model, *(f"{name} {value}" for name, value in experiment.changes().items())])


# -- keeping it ----------------------------------------------------------------------------------------


def recorded(
    job: Job[Any],
    store: Store,
    tell: Callable[[Any], Outcome] = of_anything,
    models: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    experiment: "Experiment | None" = None,
) -> Job[Any]:
    """The same job, entered into the record of runs; before it is submitted.

    Args:
        job: any that is no training.
        store: where it is recorded; where that cannot be, the job goes on with a notice.
        tell: what its result comes to: a function of this module.
        models: the keys of the rungs it is about.
        settings: what was asked for, by name.
        experiment: what it is about, where that is one.
    """
    job.record = call(record, store.address, tell.__name__, tuple(models), dict(settings or {}), experiment)
    return job


def record(
    job: Job[Any],
    store: str,
    tell: str,
    models: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    experiment: "Experiment | None" = None,
) -> None:
    """Have a job written down; as :func:`recorded`, with the store's address and the name of what tells."""
    there = Store.at(store)
    recorder = Recorder(job, experiment, there, models=models)
    told = functools.partial(_conclude, job, there, globals()[tell], settings or {})
    job.work = functools.partial(_and_record, recorder=recorder, work=job.work, conclude=told)
    job.on_queued, job.on_unbegun = recorder.queue, lambda: recorder.end(job.state, job.message)


def _and_record(
    job: Job[Any], recorder: Recorder, work: Callable[[Job[Any]], object], conclude: Callable[[], None]
) -> None:
    """Do the work, and write down how it went."""
    state, message = State.STOPPED, ""
    try:
        recorder.begin(job.source)
        work(job)
        state, message = State.DONE, job.message
    except Stopped:
        message = job.message
        raise
    except Exception as ended:
        state, message = ending(ended)
        raise
    finally:
        recorder.end(state, message)
        conclude()


def _conclude(job: Job[Any], store: Store, tell: Callable[[Any], Outcome], settings: Mapping[str, Any]) -> None:
    """Keep what there is to see; without it the record is poorer, and that is all."""
    found = tell(job.result) if job.result is not None else Outcome()
    try:
        store.conclude(
            job.id, replace(found, settings={**found.settings, **settings}).to_json(), _source(job), job.pace.seconds
        )
    except StorageError as error:
        job.trouble({**job.troubles, "outcome": str(error)})


def _source(job: Job[Any]) -> str:
    return job.source.name if job.source else ""
