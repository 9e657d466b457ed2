"""The lecture's two fits: only the head learns, once at a constant rate and once along a cosine."""

import copy

import numpy as np
import pytest
import torch

from explorer.cam import pair
from explorer.cam.classifier import shipped
from explorer.data import Source, dogscats
from explorer.jobs.job import Job
from explorer.runs import two_fits
from explorer.store.words import Kind, State
from explorer.training.learner import Epoch, Step


@pytest.fixture
def small():
    """Reddish and bluish noise: two classes anybody can tell apart."""
    rng = np.random.default_rng(0)

    def made(count: int) -> tuple[np.ndarray, ...]:
        pictures = rng.integers(0, 120, (count, 40, 40, 3), np.uint8)
        for i, picture in enumerate(pictures):
            picture[:, :, 0 if i % 2 else 2] += 120
        return tuple(pictures)

    labels = [np.arange(count) % 2 for count in (24, 8)]
    return pair.Pair(made(24), labels[0], made(8), labels[1], ("blue", "red"), Source("Made", "standin", ""))


def test_only_the_head_learns_and_the_second_fit_follows_a_cosine(small) -> None:
    ours = shipped()
    before = copy.deepcopy(ours.body.state_dict())
    network = ours.with_head(torch.nn.Conv2d(1280, 2, 3, padding=1), small.classes)
    head = network.head.weight.detach().clone()
    events = list(two_fits.two_fits(network, small, batch_size=8, lr=1e-3))
    steps = [event for event in events if isinstance(event, Step)]
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [type(event) for event in events] == [*[Step] * 3, Epoch] * 2
    assert [step.lr for step in steps] == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3, 7.5e-4, 2.5e-4])
    assert all(torch.equal(before[name], tensor) for name, tensor in ours.body.state_dict().items())
    assert not torch.equal(head, network.head.weight) and not network.training
    assert epochs[-1].accuracy == 1.0 and epochs[-1].val_loss < float(steps[0].loss)


def test_the_validation_is_what_the_network_says_of_the_pictures(small) -> None:
    from explorer.cam.maps import forward
    from explorer.cam.view import prepare

    network = shipped().with_head(torch.nn.Conv2d(1280, 2, 3, padding=1), small.classes)
    last = [event for event in two_fits.two_fits(network, small, batch_size=24, lr=1e-3) if isinstance(event, Epoch)][
        -1
    ]
    logits = torch.cat([forward(network, prepare(rgb, network)[0])[2] for rgb in small.valid])
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(small.valid_y))
    assert float(loss) == pytest.approx(last.val_loss, abs=1e-3)


def test_a_job_leaves_a_curve_and_a_classifier(small, monkeypatch) -> None:
    monkeypatch.setattr(two_fits, "read", lambda count, looked: small)
    job = Job(Kind.CATS_DOGS, "test", lambda job: two_fits.work(job, "mobilenet_v2", 12, 1e-3))
    job.run()
    history = job.history.snapshot()
    assert job.state == State.DONE and job.source.name == "Made" and len(history) == 2 == len(history.epochs)
    assert job.result.parameters[0] == 1280 * 9 * 2 + 2 < job.result.parameters[1]
    assert job.result.trained.network.classes == ("blue", "red") and job.result.trained.photos == (12, 12)


def test_without_the_courses_photos_the_small_cats_and_dogs_stand_in_and_say_so(home) -> None:
    found = pair.read(30)
    assert len(found.train) == 60 and found.classes == dogscats.CLASSES and found.source.notice
    assert found.train[0].shape == (32, 32, 3) and {*found.valid_y.tolist()} == {0, 1}
    assert not pair.photos_here()


@pytest.mark.data
def test_the_courses_photos_are_cut_to_the_square_that_every_view_is_cut_from() -> None:
    shares = []
    found = pair.read(4, shares.append)
    assert len(found.train) == 8 and len(found.valid) == 2 * pair.VALID and found.source.kind == "real"
    assert {picture.shape for picture in found.train} == {(pair.SIDE, pair.SIDE, 3)}
    assert found.train_y.tolist().count(0) == 4 and shares == sorted(shares) and shares[-1] <= 1
