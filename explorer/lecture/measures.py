"""The reduced forms of the lecture's claims: seconds on a CPU, on the same data."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from explorer import devices, paths
from explorer.cam.classifier import shipped
from explorer.cam.explain import explain
from explorer.cam.truth import deletion_curve
from explorer.data import album, dogscats, text
from explorer.data.photos import Photo
from explorer.experiment import Experiment, Norm
from explorer.jobs.job import Job
from explorer.lecture.claims import CLAIMS, Claim
from explorer.lecture.verdicts import Values, Verdict, judge, recorded_memory
from explorer.models.summary import summarise
from explorer.probes import gradients
from explorer.runs.through_time import endless
from explorer.training import prepare
from explorer.training.learner import Epoch, Learner
from explorer.training.schedules import plan

OnProgress = Callable[[float], Any]  #: told the share done between two steps; may raise to stop
TRAIN, VALID = 60_000, 20_000  #: characters of the reduced text
IMAGES, PICTURES = 2_000, 1_000  #: training and validation pictures of the reduced set


def _text_learner(experiment: Experiment, train: int = TRAIN) -> Learner:
    """A learner on the beginning of the text, so that an epoch takes a second."""
    whole = text.load(experiment.data)
    cut = dataclasses.replace(whole, train=whole.train[:train], valid=whole.valid[:VALID])
    return prepare.learner_for(experiment, data=text.TextData(cut, experiment, devices.choose()))


def _picture_learner(experiment: Experiment) -> Learner:
    """A learner that validates on a tenth of the pictures, as many of each class."""
    data = prepare.pictures_for(experiment, devices.choose())
    return prepare.learner_for(experiment, data=data.thinned(len(data.valid_y) // PICTURES))


def _learner(experiment: Experiment) -> Learner:
    return (_text_learner if experiment.rung.is_language else _picture_learner)(experiment)


def _train(learner: Learner, rate: float, steps: int, on_progress: OnProgress) -> dict[str, float]:
    """``steps`` steps at one rate: losses (nats), largest gradient norm, seconds a step; ends where it breaks.

    The seconds are the median's: on a device the first step loads its libraries.
    """
    learner.watch_gradients = learner.recurrent
    losses, largest, times = [], 0.0, []
    batches = endless(learner)
    for number in range(steps):
        began = time.perf_counter()
        learner.model.train()
        step = learner.train_batch(next(batches), rate)
        losses.append(float(step.loss))  # waits for the device
        times.append(time.perf_counter() - began)
        if step.grad_norm is not None:
            largest = max(largest, float(step.grad_norm))
        if not math.isfinite(losses[-1]):
            break
        on_progress((number + 1) / steps)
    last = losses[-max(1, len(losses) // 6) :]
    end = sum(last) / len(last)
    return {"loss": end if math.isfinite(end) else math.inf, "gradient": largest, "seconds": float(np.median(times))}


def _arms(
    arms: Mapping[str, Experiment], steps: int, on_progress: OnProgress, validate: bool = False
) -> dict[str, float]:
    """Train each experiment equally long from the same seed; ``"arm.what"`` → value."""
    found: dict[str, float] = {}
    for place, (name, experiment) in enumerate(arms.items()):
        learner = _learner(experiment)
        values = _train(learner, experiment.lr, steps, functools.partial(_part, on_progress, place, len(arms)))
        if validate:
            values["val_loss"], values["accuracy"] = learner.evaluate()
        found |= {f"{name}.{what}": value for what, value in values.items()}
    return found


def _part(on_progress: OnProgress, place: int, parts: int, share: float) -> None:
    on_progress((place + share) / parts)


def _rnn(**changes: Any) -> Experiment:
    return Experiment.of("stateful", **{"hidden": 128, "lr": 5e-3, "schedule": "constant", **changes})


def _stages(**changes: Any) -> Experiment:
    settings = dict(
        widths="8,16,32,64",
        stem=0,
        depth=1,
        norm=Norm.NONE,
        skip=False,
        images=IMAGES,
        augment=False,
        batch_size=64,
        lr=0.03,
        schedule="constant",
    )
    return Experiment.of("builder", **{**settings, **changes})


def _measure_reset(on_progress: OnProgress) -> Values:
    return _arms({"never": _rnn(), "batch": _rnn(reset="batch")}, 250, on_progress, validate=True)


def _measure_bptt(on_progress: OnProgress) -> Values:
    short, long = _rnn(bptt=8, jitter=False, lr=3e-3), _rnn(bptt=64, jitter=False, lr=3e-3)
    return _arms({"8": short, "64": long}, 80, on_progress, validate=True)


def _measure_explosion(on_progress: OnProgress) -> Values:
    high = {f"{bptt} at 0.3": _rnn(bptt=bptt, jitter=False, lr=0.3) for bptt in (8, 64)}
    return _arms(high | {"64 at 0.001": _rnn(bptt=64, jitter=False, lr=1e-3)}, 40, on_progress)


def _measure_memory(on_progress: OnProgress) -> Values:
    found: dict[str, float] = {}
    for place, key in enumerate(("stateful", "gru")):
        data = prepare.text_for(Experiment.of(key), devices.choose())
        learner = prepare.learner_for(Experiment.of(key), paths.WEIGHTS / f"{key}.safetensors", data)
        on_progress((place + 0.5) / 2)
        curve = gradients.reach(learner.model, data.valid, lags=60, samples=64)
        found[f"{key}.left"] = float(curve.hidden[30] / curve.hidden[0])
        found[f"{key}.horizon"] = float(curve.horizon())
    on_progress(1.0)
    return found | dict(recorded_memory() or {})


def _measure_restarts(on_progress: OnProgress) -> Values:
    experiment = Experiment.of("lstm", "small", hidden=64, epochs=5, batch_size=16, bptt=16, jitter=False, lr=3e-2)
    learner = _text_learner(experiment, 30_000)
    schedule, rows = plan(experiment), {}
    total = schedule.epochs * learner.data.steps_per_epoch
    for event in learner.steps(schedule):
        if isinstance(event, Epoch):
            rows[event.number] = event.val_loss
        else:
            on_progress(min(1.0, event.number / total))
    return {"end 3": rows[3], "after 3": rows[4], "end 5": rows[5]}


def _measure_weights(on_progress: OnProgress) -> Values:
    def first(key: str) -> int:
        model = Experiment.of(key).rung.build(Experiment.of(key))
        row = summarise(model, (3, 32, 32))[0]
        return row.parameters

    full = Experiment.of("simplenet").rung.build(Experiment.of("simplenet"))
    on_progress(1.0)
    return {
        "full.weights": float(next(full.parameters()).numel()),
        "full.all": float(first("simplenet")),
        "conv.all": float(first("convnet")),
    }


def _measure_sides(on_progress: OnProgress) -> Values:
    experiment = Experiment.of("convnet")
    rows = summarise(experiment.rung.build(experiment), (3, 32, 32))
    sides = [rows[0].input[-1], *(row.output[-1] for row in rows if len(row.output) == 3)]
    on_progress(1.0)
    return {str(place): float(side) for place, side in enumerate(sides)}


def _measure_deeper(on_progress: OnProgress) -> Values:
    arms = {
        "8 at 0.003": _stages(depth=2, lr=0.003),
        "8 at 0.3": _stages(depth=2, lr=0.3),
        "8 with BatchNorm": _stages(depth=2, norm=Norm.RUNNING),
    }
    return _arms(arms, 60, on_progress)


def _measure_rate(on_progress: OnProgress) -> Values:
    arms = {"plain": _stages(lr=0.3), "BatchNorm": _stages(lr=0.3, norm=Norm.RUNNING)}
    return _arms(arms, 60, on_progress)


def _depths(on_progress: OnProgress, arms: tuple[str, ...], steps: int) -> Values:
    made = {
        "shallow": _stages(widths="8,16,32", norm=Norm.RUNNING, lr=5e-3),
        "deep": _stages(widths="8,16,32", norm=Norm.RUNNING, lr=5e-3, depth=5),
        "skips": _stages(widths="8,16,32", norm=Norm.RUNNING, lr=5e-3, depth=5, skip=True),
    }
    return _arms({name: made[name] for name in arms}, steps, on_progress, validate=True)


def _measure_depth(on_progress: OnProgress) -> Values:
    return _depths(on_progress, ("shallow", "deep"), 60)


def _measure_skip(on_progress: OnProgress) -> Values:
    return _depths(on_progress, ("deep", "skips"), 140)


def _cats() -> list[Photo]:
    """Three of the course's, else the one that ships."""
    if dogscats.find() is None and (ours := album.photos()):
        return [ours[0][1]]
    return [photo for photo in dogscats.here().photos("valid", 3) if photo.label == "cats"]


def _measure_map(on_progress: OnProgress) -> Values:
    network, rows, photos = shipped(), [], _cats()
    for place, photo in enumerate(photos):
        found = explain(network, photo)
        curve = deletion_curve(network, photo, found, shares=(0.4,), tries=3)
        rows.append((curve.hottest[0], curve.hottest[1], curve.random[1]))
        on_progress((place + 1) / len(photos))
    whole, hottest, random = np.mean(rows, axis=0)
    return {"whole": float(whole), "hottest": float(hottest), "random": float(random), "photos": float(len(rows))}


def _measure_last_batch(on_progress: OnProgress) -> Values:
    learner = _picture_learner(_stages(norm=Norm.LECTURE, widths="8,16,32"))
    _train(learner, 0.03, 62, lambda share: on_progress(0.8 * share))
    generator, found = torch.Generator().manual_seed(0), {}
    batch = next(iter(learner.data.train_batches(generator)))
    for place, size in enumerate((2, 16, 64)):
        accuracies = []
        for start in range(4):
            learner.model.train()
            with torch.no_grad():
                learner.model(batch.x[(start * size) % 64 :][:size])
            accuracies.append(learner.evaluate()[1])
        found[f"{size}.accuracy"] = sum(accuracies) / len(accuracies)
        on_progress(0.8 + 0.2 * (place + 1) / 3)
    return found


MEASURES: dict[str, Callable[[OnProgress], Values]] = {
    "reset": _measure_reset,
    "bptt": _measure_bptt,
    "gru": _measure_memory,
    "explode": _measure_explosion,
    "restarts": _measure_restarts,
    "weights": _measure_weights,
    "stride": _measure_sides,
    "deeper": _measure_deeper,
    "rate": _measure_rate,
    "depth": _measure_depth,
    "skip": _measure_skip,
    "map": _measure_map,
    "last-batch": _measure_last_batch,
}  #: by a claim's id


def measure(claim: Claim, on_progress: OnProgress = lambda share: None) -> tuple[Values, Verdict]:
    """Run the reduced form and judge it.

    Raises:
        ExplorerError: the data or weights it needs cannot be used.
    """
    values = dict(MEASURES[claim.id](on_progress))
    return values, judge(claim.id, values)


def work(job: Job[Verdict], claim: str) -> None:
    """Run :func:`measure` in a job, for the claim of an id."""
    _, verdict = measure(next(one for one in CLAIMS if one.id == claim), job.between_steps)
    job.publish(verdict)
