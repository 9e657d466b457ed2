"""The lecture's two fits on cats and dogs: only the head learns, one epoch at 0.01 and one along a cosine."""

import functools
import math
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from explorer.cam.classifier import shipped
from explorer.cam.head import MOMENTUM, taps_of
from explorer.cam.network import CamNet, build
from explorer.cam.pair import Pair, read
from explorer.cam.view import normalised, picture_of
from explorer.data import Source, dogscats
from explorer.jobs.job import Job
from explorer.models import randomness
from explorer.runs.drive import Moment, Moments, drive
from explorer.runs.own_classes import Trained
from explorer.store.history import EpochRow
from explorer.training.learner import Epoch, Step
from explorer.training.schedules import Schedule, constant, cosine

LR, BATCH = 0.01, 64  #: the lecture's
SHARED = "mobilenet_v2"  # the backbone that everybody's answers come through: it is in memory already
READING = 0.25  #: share of the work that is reading photos


@dataclass(frozen=True)
class Fit:
    """One call of the notes: an epoch along a schedule."""

    call: str
    schedule: Schedule


FITS = (Fit("learn.fit(0.01, 1)", constant()), Fit("learn.fit(0.01, 1, cycle_len=1)", cosine()))


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the two fits leave for their page, besides the history."""

    photos: tuple[int, int]  #: training and validation
    parameters: tuple[int, int]  #: that learn, and in all
    trained: Trained | None = None  #: once they are over


def two_fits(
    network: CamNet,
    data: Pair,
    *,
    lr: float = LR,
    batch_size: int = BATCH,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Step | Epoch]:
    """Train the head of ``network``, which must be the caller's own (its body may be shared: it is not touched).

    Every picture is flipped and zoomed at random, as the lecture's ``transforms_side_on`` do. A step is yielded after
    each batch, an epoch after each fit. SGD with momentum, as the lecture's library uses.
    """
    network.freeze_to(-4)
    network.train()
    optimiser = torch.optim.SGD(network.head.parameters(), lr=lr, momentum=MOMENTUM)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.from_numpy(data.train_y).to(network.device)
    judge = _judge(network, data)
    batches = math.ceil(len(data.train) / batch_size)
    step = 0
    for number, fit in enumerate(FITS):
        began = clock()
        order = torch.randperm(len(data.train), generator=generator)
        for batch, chosen in enumerate(torch.split(order, batch_size)):
            rate = lr * fit.schedule(batch / batches)
            optimiser.param_groups[0]["lr"] = rate
            pictures = [dogscats.augmented(data.train[int(i)], network.size, generator) for i in chosen]
            loss = F.cross_entropy(network(normalised(np.stack(pictures), network)), labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types
            optimiser.step()
            step += 1
            yield Step(step, number + batch / batches, loss.detach(), rate, MOMENTUM, None)
        val_loss, accuracy = judge()
        yield Epoch(number + 1, step, val_loss, accuracy, clock() - began)
    network.eval()


def _judge(network: CamNet, data: Pair) -> Callable[[], tuple[float, float]]:
    """Loss and accuracy on the validation pictures. The body never changes, so it looks at them once."""
    answers = torch.from_numpy(data.valid_y)

    @functools.cache
    def taps() -> torch.Tensor:
        return taps_of(network, (picture_of(rgb, network)[0] for rgb in data.valid))

    @torch.no_grad()
    def judge() -> tuple[float, float]:
        head = network.head
        logits = F.linear(taps(), head.weight.flatten(1).cpu(), head.bias.cpu() if head.bias is not None else None)
        return float(F.cross_entropy(logits, answers)), float((logits.argmax(1) == answers).float().mean())

    return judge


def work(job: Job[Fitted], body: str, per_class: int, lr: float = LR) -> None:
    """Read the pictures and run the two fits, in a job, on a backbone of that name, whose weights are not touched.

    Raises:
        DataError: there are no pictures. WeightsError: no body. Stopped: the job was asked to stop.
    """
    data = read(per_class, lambda share: job.between_steps(READING * share))
    taken = shipped() if body == SHARED else build(body, dogscats.CLASSES, fetch=False)
    with randomness.drawing_from(torch.Generator().manual_seed(0)):
        fresh = torch.nn.Conv2d(taken.head.in_channels, len(data.classes), 3, padding=1)
    network = taken.with_head(fresh, data.classes)
    drive(job, _moments(job, network, data, lr))


def _moments(job: Job[Fitted], network: CamNet, data: Pair, lr: float) -> Moments[Fitted]:
    learn = sum(p.numel() for p in network.head.parameters())
    counts = (len(data.train), len(data.valid)), (learn, sum(p.numel() for p in network.parameters()))
    source: Source = data.source
    yield Moment(READING, lambda: Fitted(*counts), source=source)
    pace = job.pace  # neither a pause nor others' turns are training
    clock, started = lambda: pace.now, pace.now
    job.history.time_by(clock)
    total = len(FITS) * math.ceil(len(data.train) / BATCH)
    for event in two_fits(network, data, lr=lr, clock=clock):
        if isinstance(event, Step):
            job.history.add(event)
            job.history.drain()
            yield Moment(READING + (1 - READING) * event.number / total)
            continue
        last = (event.val_loss, event.accuracy, event.seconds)
        job.history.end_epoch(EpochRow(event.number, event.step, job.history.smooth_loss, *last))
        yield Moment(READING + (1 - READING) * event.step / total, epoch_ended=True)
    taught = tuple(int((data.train_y == i).sum()) for i in range(len(data.classes)))
    trained = Trained(
        secrets.token_hex(4), network, taught, job.history.snapshot().epochs[-1].accuracy, (), (), pace.now - started
    )
    yield Moment(1.0, lambda: Fitted(*counts, trained))
