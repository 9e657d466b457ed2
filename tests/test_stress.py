"""A full class on one server: whatever the others do at that moment, everybody gets the answer one gets alone.

Eight threads explain photos under heads that change, build networks, train two seeds and look at influences, each
several times over. On the CPU with one thread each, every answer is compared to the last bit.
"""

import hashlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from explorer import devices, paths
from explorer.cam import classifier
from explorer.cam.explain import explain as explained
from explorer.cam.network import CamNet
from explorer.data import Source
from explorer.data import text as corpus
from explorer.data.vocabulary import Vocabulary
from explorer.experiment import Experiment
from explorer.models import vision
from explorer.probes import gradients
from explorer.training import checkpoint, lr_finder, prepare
from explorer.training.schedules import plan

SECONDS, ROUNDS, MOST = 6, 4, 60  # at least so long, and until each kind of answer was given so often; at most
CPU = torch.device("cpu")
PHOTOS = [np.random.default_rng(number).integers(0, 255, (240, 320, 3), dtype=np.uint8) for number in range(3)]


def digest(*found: object) -> str:
    """Of the very bits of arrays, tensors and numbers."""
    marks = hashlib.sha256()
    for one in found:
        marks.update(np.ascontiguousarray(one.detach() if isinstance(one, torch.Tensor) else one).tobytes())
    return marks.hexdigest()


def a_head(network: CamNet) -> nn.Conv2d:
    """A classifier of one's own."""
    head = nn.Conv2d(network.head.in_channels, 2, 3, padding=1)
    with torch.no_grad():
        head.weight.fill_(1e-3)
        head.bias.zero_()
    return head


def explain(network: CamNet) -> Iterator[str]:
    """One photo after the other, by both methods, and under a head of one's own."""
    for photo in PHOTOS:
        for method in ("cam", "gradcam"):
            found = explained(network, photo, method=method, class_index=0)
            yield digest(found.probabilities, found.maps, found.heat.values)
        found = explained(network.with_head(a_head(network), ("a", "b")), photo)
        yield digest(found.logits, found.maps)


def build(vocabulary: Vocabulary, network: CamNet) -> Iterator[str]:
    """Networks of a seed, and others: one that draws from wherever torch draws, and heads for the shared body."""

    class Text:
        pass

    Text.vocabulary = vocabulary
    for key in ("lstm", "builder", "gru-cell"):
        experiment = Experiment.of(key, seed=3)
        vision.build(Experiment.of("resnet2"))
        network.with_head(a_head(network), ("a", "b"))
        yield digest(*prepare.model_for(experiment, Text).parameters())


def train(experiment: Experiment, text: corpus.Corpus) -> Iterator[str]:
    """A short run: the losses and where the weights end; with a sweep in the middle."""
    learner = prepare.learner_for(experiment, data=corpus.TextData(text, experiment, CPU))
    steps = learner.steps(plan(experiment))
    losses = [step.loss for step in islice(steps, 12)]
    found = lr_finder.find(learner, 1e-4, 1e-2, steps=10)
    losses += [step.loss for step in islice(steps, 12)]
    yield digest(*losses, found.loss, *learner.model.parameters())


def look_back(model: nn.Module, tokens: torch.Tensor) -> Iterator[str]:
    """What a shared model looked at, at several places of a text, and how far back it reaches."""
    for position in (20, 60, 90):
        found = gradients.influence(model, tokens, position)
        yield digest(found.score, found.probability)
    yield digest(gradients.reach(model, tokens, lags=30, samples=4).hidden)


@pytest.fixture
def works(text, monkeypatch) -> dict[str, Callable[[], Iterator[str]]]:
    """What there is to do, by name; the networks are everybody's."""
    monkeypatch.setattr(devices, "choose", lambda: CPU)
    network, _ = classifier.load((paths.WEIGHTS / "dogscats.safetensors").read_bytes())
    model, story = checkpoint.load(checkpoint.shipped("gru"), CPU)
    tokens = torch.from_numpy(story.vocabulary.encode(text.lower()[:400]))
    short = corpus.prepare(text, Source("Test text", "standin", ""))
    small = dict(n_fac=8, hidden=24, batch_size=16, epochs=9)
    gru = Experiment.of("gru", seed=1, **small)
    lstm = Experiment.of("lstm", seed=2, layers=2, dropout=0.5, lead_epochs=0, **small)
    return {
        "explain": lambda: explain(network),
        "build": lambda: build(story.vocabulary, network),
        "train gru": lambda: train(gru, short),
        "train lstm with dropout": lambda: train(lstm, short),
        "look back": lambda: look_back(model, tokens),
    }


@pytest.fixture
def often_interrupted():
    """Threads take turns fifty times as often as they do, so that a short moment is met, too."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def test_every_answer_beside_seven_others_is_the_answer_alone(works, often_interrupted):
    torch.set_num_threads(1)
    alone = {name: list(work()) for name, work in works.items()}
    again = {name: list(work()) for name, work in works.items()}
    assert again == alone, "not even repeatable alone"
    counts, wrong, failures = Counter(), Counter(), []
    began, rounds = time.monotonic(), Counter()

    def enough() -> bool:
        took = time.monotonic() - began
        return took > MOST or (took > SECONDS and len(rounds) == len(works) and min(rounds.values()) >= ROUNDS)

    def visit(name: str) -> None:
        torch.set_num_threads(1)
        try:
            while not enough():
                rounds[name] += 1
                for found, wanted in zip(works[name](), alone[name], strict=True):
                    counts[name] += 1
                    wrong[name] += found != wanted
        except Exception as error:
            failures.append(f"{name}: {error!r}")

    each = ["explain", "explain", "build", "build", "train gru", "train lstm with dropout", "look back", "look back"]
    threads = [threading.Thread(target=visit, args=(name,)) for name in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and not +wrong, f"{dict(+wrong)} wrong of {dict(counts)}; {failures[:3]}"
    assert set(counts) == set(works) and min(counts.values()) > 1, f"too little was done: {dict(counts)}"
    assert {name: list(work()) for name, work in works.items()} == alone, "something was changed for good"
