"""What a run will take is known before it starts: checked against autograd and against real processes."""

import gc
import json
import sys
import threading
import time
import weakref

import pytest
import torch

from explorer import devices, ladders
from explorer.data import text
from explorer.errors import SettingsError, explain
from explorer.experiment import Experiment
from explorer.runs import sweep
from explorer.store.words import State
from explorer.training import memory, prepare
from explorer.training.learner import Learner, cross_entropy

CPU = torch.device("cpu")
VOCABULARY = 55
HUGE = Experiment.of("lstm", hidden=1024, layers=4, batch_size=2048, bptt=100)

LANGUAGE = [Experiment.of(rung.key, hidden=128, batch_size=16) for rung in ladders.LANGUAGE]
LANGUAGE += [
    Experiment.of(key, hidden=128, batch_size=16, layers=3, dropout=0.5) for key in ("stateful", "gru", "lstm")
]
VISION = [Experiment.of(key, batch_size=8) for key in ("simplenet", "convnet", "convnet2")]
VISION += [
    Experiment.of(key, batch_size=8, norm=norm)
    for key in ("bn", "deep-bn", "resnet", "resnet2")
    for norm in memory.MAPS
]
VISION += [
    Experiment.of("builder", batch_size=8, norm=norm, stem=stem, depth=depth, skip=skip, size=size, widths=widths)
    for norm, stem, depth, skip, size, widths in [
        ("running", 5, 3, True, 32, "20,40"),
        ("torch", 0, 2, False, 64, "64"),
        ("none", 7, 2, True, 48, "8,16,32"),
        ("lecture", 7, 1, False, 32, "30"),
        ("none", 3, 4, False, 32, "16,8"),
    ]
]


def kept_by_autograd(experiment, x, *sizes):
    """The model's parameters, and numbers of four bytes that a forward pass keeps for the way back."""
    model = experiment.rung.build(experiment, *sizes)
    Learner(model, None, experiment, CPU).model.train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        logits = model(x, None)[0] if sizes else model(x)
        cross_entropy(logits, torch.zeros(logits.shape[:-1], dtype=torch.long))
    return sum(p.numel() for p in model.parameters()), sum(kept.values()) / memory.FLOAT


def named(experiments):
    return pytest.mark.parametrize("experiment", experiments, ids=lambda e: " ".join(e.to_query().values()))


@pytest.mark.filterwarnings("ignore:TF32")
@named(LANGUAGE)
def test_a_language_models_count_is_what_autograd_keeps(experiment):
    experiment = experiment.replace(jitter=False, bptt=16)
    steps = experiment.bptt if experiment.rung.cut == "stream" else experiment.window
    x = torch.zeros(steps, experiment.batch_size, dtype=torch.long)
    with torch.backends.mkldnn.flags(enabled=False):  # it keeps an LSTM's in a room of its own
        weights, kept = kept_by_autograd(experiment, x, VOCABULARY)
    count = memory.count_language(experiment, VOCABULARY, 1_000)
    assert count.weights == pytest.approx(weights, rel=0.01)
    assert 0.9 < count.kept / kept < 1.1


@named(VISION)
def test_a_vision_models_count_is_what_autograd_keeps(experiment):
    x = torch.zeros(experiment.batch_size, experiment.size, experiment.size, 3).permute(0, 3, 1, 2)
    weights, kept = kept_by_autograd(experiment, x if experiment.model != "simplenet" else x.contiguous())
    count = memory.count_vision(experiment, 500)
    assert count.weights == pytest.approx(weights, rel=0.03)
    assert 0.95 < count.kept / kept < 1.02


MEASURE = """
import gc, json, sys
import torch
from explorer.data import Batch
from explorer.experiment import Experiment
from explorer.training import memory
from explorer.training.learner import Learner

torch.set_num_threads(1)

def status(word):
    line = next(line for line in open("/proc/self/status") if line.startswith(word))
    return int(line.split()[1]) * 1024

def train(experiment):
    text = experiment.rung.is_language
    torch.manual_seed(0)
    learner = Learner(experiment.rung.build(experiment, *([55] if text else [])), None, experiment, torch.device("cpu"))
    if text:
        x = y = torch.zeros(experiment.bptt, experiment.batch_size).long()
    else:
        x = torch.zeros(experiment.batch_size, experiment.size, experiment.size, 3).permute(0, 3, 1, 2)
        y = torch.zeros(experiment.batch_size).long()
    learner.model.train()
    for _ in range(2):
        learner.train_batch(Batch(x, y), 1e-3)

model, settings, small = json.loads(sys.argv[1])
train(Experiment.of(model, **settings | small))  # what torch loads at its first step is nobody's need
gc.collect()
open("/proc/self/clear_refs", "w").write("5")  # the peak is measured from here
before = status("VmRSS")
experiment = Experiment.of(model, **settings)
train(experiment)
print(json.dumps([status("VmHWM") - before, memory.estimate(experiment, vocabulary=55, pictures=1).total]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("lstm", {"batch_size": 128, "hidden": 512, "bptt": 30, "jitter": False}),
        ("gru", {"batch_size": 256, "hidden": 256, "bptt": 50, "jitter": False, "layers": 2}),
        ("resnet", {"batch_size": 384}),
        ("builder", {"batch_size": 32, "widths": "128,128", "size": 64, "norm": "torch"}),
    ],
)
def test_a_process_takes_about_what_was_said(model, settings, programs):
    small = {"hidden": 16, "batch_size": 16} if "bptt" in settings else {"batch_size": 2}
    done = programs.run("-c", MEASURE, json.dumps([model, settings, small]))
    assert done.returncode == 0, done.stderr
    taken, said = json.loads(done.stdout)
    assert taken > 150e6  # large enough to tell
    assert 0.4 < taken / said < 1.2


def test_every_slider_at_its_end_is_told_without_torchs_dry_runs(programs):
    """No tensor as large as the run is made, and no compiler is imported."""
    program = (
        "import sys, torch\n"
        "from explorer.experiment import Experiment\n"
        "from explorer.training import memory\n"
        "before = set(sys.modules)\n"
        "e = Experiment.of('lstm', hidden=1024, layers=4, batch_size=2048, bptt=256)\n"
        "assert memory.estimate(e, 55, 100_000).total > 50e9\n"
        "v = Experiment.of('builder', widths='512,512', size=64, batch_size=2048)\n"
        "assert memory.estimate(v).total > 50e9\n"
        "assert set(sys.modules) == before and 'torch._dynamo' not in before, set(sys.modules) - before\n"
    )
    done = programs.run("-c", program)
    assert done.returncode == 0, done.stderr


@pytest.fixture(autouse=True)
def nothing_promised(monkeypatch):
    """Learners that earlier tests left alive promise nothing here."""
    monkeypatch.setattr(memory, "_promised", weakref.WeakSet())


@pytest.mark.parametrize(
    ("experiment", "free", "advice"),
    [
        (HUGE.replace(data="pydoc", batch_size=1024), 4e9, "a batch size of"),
        (HUGE.replace(data="pydoc", batch_size=1024), 0.3e9, "fewer hidden units"),
        (Experiment.of("builder", widths="512,512", size=64, batch_size=2048, data="standin"), 16e9, "a batch size of"),
        (Experiment.of("builder", widths="512,512", size=64, batch_size=1, data="standin"), 1e9, "narrower widths"),
    ],
)
def test_what_cannot_fit_is_refused_before_anything_is_built(experiment, free, advice, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda place: int(free))
    monkeypatch.setattr(prepare, "model_for", lambda *_: pytest.fail("it was built"))
    with pytest.raises(SettingsError, match="would need about") as refused:
        prepare.learner_for(experiment)
    assert advice in str(refused.value) and str(refused.value).endswith(".")
    assert f"{free / 1e9:.1f} GB" in str(refused.value) or "300 MB" in str(refused.value)
    assert not memory._promised


def test_the_batch_size_it_names_fits_and_a_tenth_more_does_not(tiny, monkeypatch):
    data, free = tiny("lstm").data, 4_000_000_000
    monkeypatch.setattr(devices, "free_memory", lambda place: free)
    with pytest.raises(SettingsError) as refused:
        memory.reserve(HUGE, data, CPU)
    named = int(str(refused.value).split("a batch size of ")[1].split(" ")[0].replace(",", ""))
    known = {"vocabulary": len(data.vocabulary), "valid": len(data.valid)}
    assert memory.estimate(HUGE.replace(batch_size=named), **known).total <= free
    assert memory.estimate(HUGE.replace(batch_size=named + max(1, named // 10)), **known).total > free


def test_memory_promised_to_one_run_is_not_promised_to_another(monkeypatch):
    """Two workers, the lanes of a race: what one of them has not taken yet is not there for the next."""
    experiment = Experiment.of("gru", data="pydoc")
    need = memory.estimate(experiment, 60, 100_000).total
    monkeypatch.setattr(devices, "free_memory", lambda place: int(1.5 * need))
    first = prepare.learner_for(experiment)
    with pytest.raises(SettingsError, match="of which other runs may take"):
        prepare.learner_for(experiment)
    del first
    gc.collect()
    assert prepare.learner_for(experiment).need.total == pytest.approx(need, rel=0.2)


def test_a_race_needs_the_memory_of_all_its_networks(monkeypatch):
    from explorer.runs.race import Race

    experiment = Experiment.of("builder", data="standin", images=500, widths="8,16", depth=1)
    need = memory.estimate(experiment).total
    lanes = {name: experiment for name in ("one", "two", "three")}
    monkeypatch.setattr(devices, "free_memory", lambda place: int(2.5 * need))
    with pytest.raises(SettingsError, match="of which other runs may take"):
        Race(lanes)
    gc.collect()
    monkeypatch.setattr(devices, "free_memory", lambda place: int(3.5 * need))
    assert len(Race(lanes).lanes) == 3


def test_sweeping_several_models_needs_the_memory_of_one(monkeypatch):
    from explorer.jobs.job import Job
    from explorer.store.words import Kind

    experiment = Experiment.of("gru", data="pydoc", hidden=16, batch_size=64)
    need = memory.estimate(experiment, 60, 100_000).total
    monkeypatch.setattr(devices, "free_memory", lambda place: int(1.5 * need))
    job = Job(Kind.LR_FIND, "", lambda job: None)
    sweep.work(job, {"one": experiment, "two": experiment, "three": experiment}, 1e-3, 1e-2, 2, 0.9)
    assert set(job.result.curves) == {"one", "two", "three"}


def test_a_run_that_has_ended_holds_no_memory_any_more(tmp_path):
    from explorer.runs import train
    from explorer.store.store import Store

    experiment = Experiment.of("gru", data="pydoc", hidden=16, batch_size=512, bptt=64, epochs=1)
    job = train.submit(experiment, "ann", Store(tmp_path))
    until = time.monotonic() + 120
    while not job.ended and time.monotonic() < until:
        time.sleep(0.05)
    for thread in threading.enumerate():
        if thread.name == f"job-{job.id}":
            thread.join(30)
    gc.collect()
    assert job.state == State.DONE and not memory._promised


def test_where_nothing_is_known_nothing_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda place: None)
    assert memory.reserve(HUGE, tiny("lstm").data, CPU).total > 10e9


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:80] . DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    ],
)
def test_an_allocators_words_become_a_sentence(error):
    assert explain(error).startswith("The device ran out of memory.")


def test_asked_before_it_is_queued_it_counts_as_if_nothing_else_were_at_work(monkeypatch):
    experiment = Experiment.of("gru", data="pydoc")
    corpus = text.of(experiment)
    need = memory.estimate(experiment, len(corpus.vocabulary), len(corpus.valid))
    monkeypatch.setattr(devices, "free_memory", lambda place: need.total // 2)
    with pytest.raises(SettingsError, match="would need about"):
        memory.ask(experiment)
    memory._promised.add(need)  # another run holds as much: it will have ended
    memory.ask(experiment)
    assert list(memory._promised) == [need], "asking promises nothing"
    monkeypatch.setattr(devices, "free_memory", lambda place: None)
    memory.ask(HUGE)


def test_the_networks_of_a_race_are_asked_for_together(monkeypatch):
    networks = [Experiment.of("bn", batch_size=256), Experiment.of("deep-bn", batch_size=256)]
    needs = [memory.estimate(network).total for network in networks]
    monkeypatch.setattr(devices, "free_memory", lambda place: sum(needs))
    memory.ask(*networks)
    monkeypatch.setattr(devices, "free_memory", lambda place: sum(needs) - 1)
    for network in networks:
        memory.ask(network)
    with pytest.raises(SettingsError, match=r"This race would need about .*batch size of"):
        memory.ask(*networks)


def test_the_pictures_are_there_when_it_is_asked_what_is_free(monkeypatch):
    experiment = Experiment.of("convnet", data="standin", images=500)
    data = prepare.data_for(experiment, CPU)
    asked = []
    monkeypatch.setattr(devices, "free_memory", lambda place: asked.append("train_x" in vars(data)))
    memory.reserve(experiment, data, CPU)
    assert asked == [True]
