"""What BatchNorm's choice of statistics costs, measured in a job: on weights that ship, or on some trained for it."""

from collections.abc import Generator
from dataclasses import dataclass

from explorer import devices
from explorer.errors import OtherDataError
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.probes.bn_statistics import Evaluation, evaluation_statistics
from explorer.runs.drive import Moment, Moments, drive, given
from explorer.training import checkpoint, prepare
from explorer.training.learner import Learner, Step
from explorer.training.schedules import plan

KEY = "bn"  # the rung that is measured
SHIPPED_BATCH, TRAINED_BATCH = 256, 64  # training pictures in a batch, where weights ship and where not
SIZES = (1, 8, 256)  # pictures in a batch that is normalised by itself
TRAINING = 0.7  # share of the work that is training, where there has to be some


@dataclass(frozen=True)
class Evaluated:
    """The measurements so far."""

    found: tuple[Evaluation, ...]
    weights: str  #: whose they are, in words
    batch: int  #: training pictures in a batch


def work(job: Job[Evaluated], pictures: int) -> None:
    """Measure with each kind of statistics on at most so many validation pictures."""
    drive(job, _moments(pictures))


def _moments(pictures: int) -> Moments[Evaluated]:
    yield Moment(0.0)
    share, words, learner, batch = 0.0, "the shipped weights of ConvBnNet", _shipped(), SHIPPED_BATCH
    if learner is None:
        share, words = TRAINING, "a ConvBnNet trained just now on 5,000 pictures, 2 epochs"
        learner, batch = (yield from _trained()), TRAINED_BATCH
    total = 2 + len(SIZES)
    for number, found in enumerate(evaluation_statistics(learner, SIZES, pictures), 1):
        result = Evaluated(found, words, batch)
        done = min(0.999, share + (1 - share) * number / total)
        yield Moment(done, given(result), source=learner.data.source)


def _shipped() -> Learner | None:
    """The shipped ConvBnNet; None where there is none, or where other pictures stand in for those it knows."""
    path = checkpoint.shipped(KEY)
    if not path.exists():
        return None
    try:
        return prepare.learner_for(checkpoint.read_story(path).experiment.replace(batch_size=SHIPPED_BATCH), path)
    except OtherDataError:
        return None


def _trained() -> Generator[Moment[Evaluated], None, Learner]:
    """A small one, trained on the pictures here; it is what the generator returns."""
    experiment = Experiment.of(KEY, images=5_000, batch_size=TRAINED_BATCH, lr=0.03, epochs=2, schedule="constant")
    data = prepare.pictures_for(experiment, devices.choose())
    data = data.thinned(len(data.valid_y) // 1_000)
    learner = prepare.learner_for(experiment, data=data)
    steps = data.steps_per_epoch * experiment.total_epochs
    for event in learner.steps(plan(experiment)):
        if isinstance(event, Step):
            yield Moment(TRAINING * event.number / steps)
    return learner
