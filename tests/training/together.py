"""Small trainings, each in one process or in several: ``torchrun --nproc-per-node=2 -m tests.training.together FILE``
writes what came out in two, by name, where :func:`alone` gives what one comes to."""

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from explorer.data import Pictures, Source, SourceKind, text
from explorer.data.pictures import VisionData
from explorer.experiment import Experiment
from explorer.training import parallel, prepare
from explorer.training.learner import Epoch, Learner, Step
from explorer.training.schedules import plan

CPU = torch.device("cpu")
WORDS = dict(hidden=16, n_fac=8, batch_size=16, epochs=2, schedule="constant", lead_epochs=0, dropout=0.0)
# Of 503 pictures the last batch has 3, which two processes cannot share evenly.
PICTURES = dict(data="standin", images=503, batch_size=50, epochs=1, schedule="constant", lead_epochs=0)
CASES = {
    "gru": Experiment.of("gru", **WORDS, lr=1e-2, weight_decay=1e-4),
    "gru, clipped": Experiment.of("gru", **WORDS, lr=1e-2, clip=0.05),
    "lstm": Experiment.of("lstm", **{**WORDS, "layers": 2}, lr=1e-2),
    "char3": Experiment.of("char3", hidden=16, n_fac=8, batch_size=64, epochs=1, lr=1e-2),
    "convnet": Experiment.of("convnet", **PICTURES, widths="4,8,8", lr=1e-2),
    "resnet": Experiment.of("resnet", **PICTURES, widths="4,8,8", lr=1e-2),
    "resnet, double": Experiment.of("resnet", **PICTURES, widths="4,8,8", lr=0.1),
    "resnet, running, double": Experiment.of("resnet", **PICTURES, widths="4,8,8", lr=1e-2, norm="running"),
    "resnet, by parts": Experiment.of("resnet", **PICTURES, widths="4,8,8", lr=1e-2),
}
STEPS = 6  # of the first epoch, before it goes back


def noise() -> Pictures:
    """Pictures of nothing, the same every time."""
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (703, 3, 32, 32), np.uint8), np.arange(703) % 10
    source = Source("Noise", SourceKind.STANDIN, "")
    return Pictures(x[:503], y[:503], x[503:], y[503:], x[:1], y[:1], tuple("abcdefghij"), source)


@contextlib.contextmanager
def precisely(name: str) -> Iterator[None]:
    """In double precision where the name says so: in a deep net a rounding error of single precision soon is a large
    one, and an error of the program could hide behind it."""
    if not name.endswith("double"):
        yield
        return
    torch.set_default_dtype(torch.float64)
    try:
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            yield
    finally:
        torch.set_default_dtype(torch.float32)


def learner_of(name: str, make: Callable[..., Learner] = Learner) -> Learner:
    """A case's learner, on a few thousand characters or a few hundred pictures."""
    from pydoc_data.topics import topics

    torch.set_num_threads(1)
    experiment = CASES[name]
    if experiment.rung.is_language:
        words = "\n".join(topics[topic] for topic in sorted(topics))[:6_000]
        corpus = text.prepare(words, Source("Test text", SourceKind.STANDIN, ""))
        data = text.TextData(corpus, experiment, CPU)
    else:
        data = VisionData(noise(), experiment, CPU)
    return make(prepare.model_for(experiment, data), data, experiment, CPU)


def came_to(name: str, learner: Learner) -> dict[str, object]:
    """The losses of the first epoch, going back once in its middle, its validation, and the weights after it."""
    events = learner.steps(plan(CASES[name]))
    losses = [event.loss.item() for event in islice(events, STEPS) if isinstance(event, Step)]
    place = learner.capture()
    list(islice(events, 2))
    learner.restore(place)
    valid = float("nan")
    for event in learner.steps(plan(CASES[name])):
        if isinstance(event, Epoch):
            valid = event.val_loss
            break
        losses.append(event.loss.item())
    state = learner.capture()["state"]
    return {
        "losses": losses,
        "valid": valid,
        "weights": float(sum(p.detach().abs().sum() for p in learner.model.parameters())),
        "state": [list(part.shape) for part in (state if isinstance(state, tuple) else [state]) if part is not None],
    }


def alone(name: str) -> dict[str, object]:
    """What one process comes to."""
    with precisely(name):
        return came_to(name, learner_of(name))


def main(path: Path) -> None:
    """What the processes of torchrun come to, in JSON."""
    group, found = parallel.join(), {}
    for name in CASES:
        how = parallel.Statistics.SHARD if name.endswith("parts") else parallel.Statistics.SYNC
        with precisely(name):
            learner = learner_of(name, functools.partial(parallel.Shared, group=group, statistics=how))
            assert isinstance(learner, parallel.Shared)
            if group.leads:
                found[name] = {**came_to(name, learner), "company": learner.company}
                learner.dismiss()
            else:
                learner.follow(plan(CASES[name]))
    group.leave()
    if group.leads:
        path.write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
