"""On a real CUDA device: every rung trains without waiting for it, is seen through,
answers photos, and runs out of memory.

Without one these are skipped; elsewhere fake tensors watch that nothing lies on the wrong device.
"""

import itertools

import numpy as np
import pytest
import torch

from explorer import devices, errors, ladders
from explorer.cam.explain import explain
from explorer.cam.head import Fit, extract
from explorer.cam.maps import Method
from explorer.cam.network import build
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.probes.activations import ActivationProbe
from explorer.runs.train import train
from explorer.store.words import Kind
from explorer.training import prepare
from tests.cam.made import PHOTO, finished, photo
from tests.runs import test_resume

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
VISION = [rung.key for rung in ladders.VISION]


@pytest.fixture(autouse=True)
def cuda(monkeypatch):
    """CUDA is what the program itself chooses."""
    monkeypatch.delenv("EXPLORER_DEVICE", raising=False)
    devices.choose.cache_clear()
    assert devices.choose().type == "cuda"
    yield torch.device("cuda", torch.cuda.current_device())
    devices.choose.cache_clear()


def of(key, **changes):
    return Experiment.of(key, data="standin", images=2000, batch_size=64, epochs=1, **changes)


@pytest.mark.parametrize("key", VISION)
def test_every_vision_rung_trains_without_waiting_for_the_device(key):
    learner = prepare.learner_for(of(key))
    batches = learner.data.train_batches(learner.generator)
    losses = [learner.train_batch(next(batches), 2e-3).loss]  # the first may choose kernels
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses += [learner.train_batch(batch, 2e-3).loss for batch in itertools.islice(batches, 25)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert losses[0].is_cuda and learner.autocast == torch.cuda.is_bf16_supported(including_emulation=False)
    assert sum(losses[-3:]) / 3 < losses[0] and learner.evaluate()[0] < 10


@pytest.mark.parametrize("key", [*(rung.key for rung in ladders.LANGUAGE), *VISION])
def test_every_rung_comes_to_the_same_weights_each_time(key):
    """A large batch of text has more than the 3,072 characters up to which torch adds in order by itself."""
    experiment = of(key) if key in VISION else Experiment.of(key, data="pydoc", batch_size=512, epochs=1)

    def trained():
        learner = prepare.learner_for(experiment)
        batches = learner.data.train_batches(learner.generator)
        for batch in itertools.islice(batches, 40):
            learner.train_batch(batch, 2e-3)
        return learner.model.state_dict()

    one, other = trained(), trained()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("experiment", [test_resume.LANGUAGE, test_resume.VISION], ids=["language", "vision"])
def test_a_run_that_is_continued_equals_one_that_ran_through(experiment, short, tmp_path):
    test_resume.test_a_learner_put_back_in_mid_epoch_goes_on_as_if_nothing_had_been(experiment, short, tmp_path)


def test_a_network_that_is_watched_does_not_wait_either():
    learner = prepare.learner_for(of("bn"))
    batches = learner.data.train_batches(learner.generator)
    with ActivationProbe(learner, 1) as probe:
        learner.train_batch(next(batches), 1e-2)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for batch in itertools.islice(batches, 10):
                learner.train_batch(batch, 1e-2)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        probe.drain()
        assert len(probe.snapshot()) == 11


@pytest.mark.parametrize("key", ["gru", "bn"])
def test_a_whole_run_ends_with_its_weights_and_history(key):
    experiment = of(key) if key == "bn" else Experiment.of(key, data="pydoc", epochs=1, hidden=64)
    job = Job(Kind.TRAIN, "here", lambda job: None, experiment=experiment)
    job.began = True
    learner = train(job, experiment)
    seen = job.history.snapshot()
    assert learner.step > 5 and seen["step"][-1] == learner.step and np.isfinite(seen["loss"]).all()
    assert all(p.is_cuda for p in learner.model.parameters())


@pytest.mark.parametrize("method", list(Method))
def test_maps_are_those_of_the_host(method, cuda):
    network = randomness_free()
    here = explain(network, PHOTO, method=method, class_index=1)
    there = explain(network.to(cuda), PHOTO, method=method, class_index=1)
    scale = max(np.abs(here.raw).max(), 1e-6)  # a GPU's convolutions round to ten bits
    np.testing.assert_allclose(there.raw / scale, here.raw / scale, atol=3e-2)


def randomness_free():
    torch.manual_seed(3)
    return build("mobilenet_v2", ("cats", "dogs"))


def test_a_head_is_taught_on_the_device(cuda):
    network = randomness_free().to(cuda)
    classes = {name: [photo(c) for _ in range(4)] for name, c in (("red", (200, 30, 30)), ("blue", (30, 30, 200)))}
    features = extract(network, classes)
    fit = Fit(features)
    finished(fit)
    taught = network.with_head(fit.head(), features.classes)
    assert taught.device.type == "cuda"
    for index, colour in enumerate(((200, 30, 30), (30, 30, 200))):
        assert explain(taught, photo(colour).rgb).winner == index


def test_a_run_that_does_not_fit_is_refused_and_the_next_one_trains(cuda):
    torch.cuda.empty_cache()
    others = torch.empty(max(torch.cuda.mem_get_info(cuda)[0] - 10**9, 1), dtype=torch.uint8, device=cuda)
    with pytest.raises(SettingsError, match=r"batch size of .* would fit"):
        prepare.learner_for(Experiment.of("lstm", data="pydoc", hidden=1024, layers=4, batch_size=512, bptt=64))
    learner = prepare.learner_for(of("convnet"))
    assert torch.isfinite(learner.train_batch(next(iter(learner.data.train_batches(learner.generator))), 1e-2).loss)
    del others


def test_a_device_that_is_full_after_all_says_what_to_do_and_goes_on(cuda):
    """Somebody else takes the memory after the sum was done: the run ends in a sentence, its memory comes back."""
    learner = prepare.learner_for(of("resnet"))
    batch = next(iter(learner.data.train_batches(learner.generator)))
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info(cuda)[1]
    taken = torch.cuda.memory_reserved(cuda)
    torch.cuda.set_per_process_memory_fraction((taken + 2**20) / total, cuda)
    try:
        big = torch.randn(4096, 3, 32, 32)
        with pytest.raises(torch.OutOfMemoryError) as ended:
            learner.forward(big.to(cuda))
        assert "ran out of memory" in errors.explain(ended.value)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, cuda)
    assert torch.isfinite(learner.train_batch(batch, 1e-2).loss)
