"""A run that is continued equals one that was never interrupted, bit for bit."""

import os
import signal
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from explorer import paths
from explorer.data import Source
from explorer.errors import OtherDataError, WeightsError
from explorer.experiment import Experiment
from explorer.jobs import queue
from explorer.jobs.job import Job
from explorer.runs import record, train
from explorer.store.store import Store
from explorer.store.words import Kind, State, Stopped
from explorer.training import bookmark, prepare
from explorer.training.learner import Epoch, Step
from explorer.training.schedules import plan
from tests.jobs.working import until
from tests.training.test_learner import equal

LANGUAGE = Experiment.of("lstm", hidden=16, n_fac=8, epochs=2, lead_epochs=0, batch_size=512, clip=0.5)
VISION = Experiment.of(
    "resnet2", data="standin", images=500, batch_size=50, epochs=1, lead_epochs=1, widths="4,8,8,8", lr=0.05
)


def train_whole(store, experiment):
    job = Job(Kind.TRAIN, "whole", lambda job: None, experiment=experiment)
    train.train(job, experiment, store)
    store.settle(job.id, State.DONE)
    return job


def same_weights(store, one, other):
    a, b = (load_file(store.weights(run)) for run in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def same_history(one, other):
    """All but the time it took."""
    for column in ("step", "epoch", "loss", "lr", "momentum", "grad_norm"):
        np.testing.assert_array_equal(one[column], other[column])
    rows = [(r.epoch, r.step, r.train_loss, r.val_loss, r.accuracy, r.sample) for r in one.epochs]
    assert rows == [(r.epoch, r.step, r.train_loss, r.val_loss, r.accuracy, r.sample) for r in other.epochs]
    assert one.marks == other.marks


@pytest.mark.parametrize("experiment", [LANGUAGE, VISION], ids=["language", "vision"])
def test_a_learner_put_back_in_mid_epoch_goes_on_as_if_nothing_had_been(experiment, short, tmp_path):
    """With dropout, momentum or Adam, clipping, jittered lengths, augmentation, hidden state and BatchNorm."""
    whole = prepare.learner_for(experiment)
    expected = [event for event in whole.steps(plan(experiment))]
    per_epoch = sum(isinstance(event, Step) for event in expected) // plan(experiment).epochs
    for at in (3, per_epoch, per_epoch + 5):
        first = prepare.learner_for(experiment)
        steps = first.steps(plan(experiment))
        while first.step < at:
            next(steps)
        path = tmp_path / f"{at}.pt"
        path.write_bytes(bookmark.Bookmark.of(first, experiment, 0, 0.0, {}).to_bytes())
        second = prepare.learner_for(experiment.replace(seed=5))  # other weights, other draws, until it is put back
        second.model.train(False)
        saved = bookmark.read(path)
        saved.put_back(second)
        assert (saved.step, saved.experiment) == (at, experiment)
        rest = list(second.steps(plan(experiment)))
        for mine, theirs in zip(reversed(rest), reversed(expected), strict=False):
            if isinstance(mine, Epoch):
                assert (mine.number, mine.step, mine.val_loss) == (theirs.number, theirs.step, theirs.val_loss)
            else:
                assert (mine.number, mine.epoch, mine.lr) == (theirs.number, theirs.epoch, theirs.lr)
                assert torch.equal(mine.loss, theirs.loss)
        assert sum(isinstance(event, Step) for event in rest) == whole.step - at
        # cuDNN's own state has bytes that nobody sets; what it draws is in the losses.
        left, right = ({**of.capture(), "epoch": 0, "masks": of.masks.get_state()[0]} for of in (second, whole))
        assert equal(left, right)


def begun(experiment, store, steps):
    """A run that holds after some steps; held from the first on, as a loaded machine is slow to say so later."""
    job = train.submit(experiment, "ann", store, paused=True)
    until(lambda: job.state == State.PAUSED, 60)
    job.resume(steps)
    until(lambda: job.state == State.PAUSED and len(job.history.snapshot()) == steps, 60)
    return job


@pytest.mark.parametrize("experiment", [LANGUAGE, VISION], ids=["language", "vision"])
def test_a_run_stopped_in_mid_epoch_and_continued_equals_one_that_ran_through(
    experiment, short, store, registry, monkeypatch
):
    monkeypatch.setattr(queue, "_registry", registry)
    whole = train_whole(store, experiment)
    job = begun(experiment, store, steps=7)
    job.stop()
    until(lambda: job.ended, 60)
    assert store.bookmark(job.id).exists() and store.run(job.id).state == State.STOPPED
    again = train.submit_again(store.run(job.id), store, "ann")
    assert again.id == job.id and len(again.history.snapshot()) == 7, "its curve is there at once"
    with pytest.raises(Exception, match="at work already"):
        train.submit_again(store.run(job.id), store, "ann")
    until(lambda: again.ended, 120)
    assert again.state == State.DONE and registry.find(job.id) is again
    assert same_weights(store, whole.id, job.id)
    same_history(store.history(whole.id), store.history(job.id))
    assert store.run(job.id).state == State.DONE and not store.bookmark(job.id).exists()
    with pytest.raises(WeightsError, match="nothing to continue"):
        train.submit_again(store.run(job.id), store, "ann")


def test_a_live_change_is_continued_too(short, store, registry, monkeypatch):
    monkeypatch.setattr(queue, "_registry", registry)

    def changed(stop):
        job = begun(LANGUAGE, store, steps=4)
        job.change("dropout", 0.2)
        job.change("lr", 2e-3)
        job.resume(steps=3)
        until(lambda: job.state == State.PAUSED and len(job.history.snapshot()) == 7, 60)
        if stop:
            job.stop()
            until(lambda: job.ended)
            job = train.submit_again(store.run(job.id), store, "ann")
        else:
            job.resume()
        until(lambda: job.ended, 60)
        assert job.live == {"dropout": 0.2, "lr": 2e-3}
        return job

    one, other = changed(False), changed(True)
    assert same_weights(store, one.id, other.id)
    same_history(store.history(one.id), store.history(other.id))
    assert [mark.text for mark in store.history(other.id).marks] == ["dropout 0.2", "lr 0.002"]


def test_a_change_that_was_left_before_its_step_is_made_when_it_goes_on(short, store, registry, monkeypatch):
    monkeypatch.setattr(queue, "_registry", registry)
    job = begun(LANGUAGE, store, steps=4)
    job.change("lr", 4 * LANGUAGE.lr)
    job.stop()
    until(lambda: job.ended)
    assert not job.history.snapshot().marks
    job = train.submit_again(store.run(job.id), store, "ann")
    until(lambda: job.ended, 60)
    history = store.history(job.id)
    assert [(mark.step, mark.text) for mark in history.marks] == [(4, f"lr {4 * LANGUAGE.lr:g}")]
    assert history["lr"][4] > 2 * history["lr"][3], "and is what it trains at, as the page says"


OFTEN = 0.3  # seconds between two bookmarks, so that small runs leave some
RUN = (
    "-c",
    f"import sys; from explorer.runs import record; record.BOOKMARK_SECONDS = {OFTEN}; record.BOOKMARK_SHARE = 1.0; "
    "from explorer.__main__ import main; sys.exit(main(sys.argv[1:]))",
)


def typed(experiment):
    """The experiment as one types it."""
    words = [
        word for name, value in experiment.changes().items() for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    return ["train", experiment.model, *words]


@pytest.mark.parametrize(
    "experiment",
    [
        LANGUAGE.replace(data="pydoc", hidden=64, batch_size=128, epochs=1),
        VISION.replace(images=6_000, batch_size=20, lead_epochs=0),  # it must not be over before it is killed
    ],
    ids=["language", "vision"],
)
def test_a_killed_process_is_continued_bit_for_bit(experiment, tmp_path, programs):
    """``kill -9`` in mid-epoch, a new process, ``resume``: only what came after the last bookmark is done again."""
    env = os.environ | {"EXPLORER_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    env.pop("EXPLORER_DATA", None)
    prepare.data_for(experiment, torch.device("cpu"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(paths.cache())  # where shapes are drawn already
    store = Store(tmp_path / "home" / "runs")
    with programs.begin(*RUN, *typed(experiment), "--json", env=env) as process:
        until(lambda: store.runs() and store.bookmark(store.runs()[0].id).exists(), 120)
        time.sleep(2 * OFTEN)
        process.send_signal(signal.SIGKILL)
    (run,) = store.runs()
    saved = bookmark.read(store.bookmark(run.id))
    cut = store.history(run.id)
    assert saved.learner["epoch"][0] > 0, "in mid-epoch"
    assert saved.step <= cut["step"][-1]
    done_again = cut["seconds"][-1] - cut["seconds"][int(np.searchsorted(cut["step"], saved.step))]
    assert done_again < 20 * OFTEN, "and on a machine that does nothing else, twice that time at most"
    for words in (["resume", run.id], typed(experiment)):
        done = programs.run(*RUN, *words, env=env)
        assert done.returncode == 0, done.stderr
    other = next(found for found in store.runs() if found.id != run.id)
    assert same_weights(store, run.id, other.id)
    same_history(store.history(run.id), store.history(other.id))
    assert store.run(run.id).state == State.DONE and store.run(run.id).begun_by == "terminal"


def test_other_data_another_device_or_a_damaged_bookmark_is_a_sentence(tiny, tmp_path):
    learner = tiny("gru")
    saved = bookmark.Bookmark.of(learner, learner.experiment, 0, 0.0, {})
    learner.data.source = Source("Another text", "yours", "")
    with pytest.raises(OtherDataError, match="Another text"):
        saved.put_back(learner)
    other = bookmark.Bookmark(**{**vars(saved), "device": "cuda", "source": learner.data.source})
    with pytest.raises(OtherDataError, match="EXPLORER_DEVICE=cuda"):
        other.put_back(learner)
    path = tmp_path / "b.pt"
    with pytest.raises(WeightsError, match="nothing to continue"):
        bookmark.read(path)
    for content in (b"", b"no bookmark", saved.to_bytes()[:-200]):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="damaged"):
            bookmark.read(path)
    path.write_bytes(saved.to_bytes())
    narrow = tiny("gru", hidden=8)
    narrow.data.source = saved.source
    with pytest.raises(WeightsError, match="does not fit"):
        bookmark.read(path).put_back(narrow)


def test_a_bookmark_that_runs_code_is_refused(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = tmp_path / "b.pt"
    torch.save({"format": bookmark.FORMAT, "experiment": Evil()}, path)
    with pytest.raises(WeightsError, match="damaged"):
        bookmark.read(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError, match="damaged"):
        bookmark.read(path)
    assert not (tmp_path / "ran").exists()


def test_bookmarks_come_every_few_seconds_and_less_often_where_they_cost(tiny, store, monkeypatch):
    learner = tiny("gru")
    job = Job(Kind.TRAIN, "test", lambda job: None, experiment=learner.experiment)
    recorder = record.Recorder(job, learner.experiment, store)
    recorder.begin(learner.data.source)
    now, written = [1000.0], []

    def make():
        written.append(now[0])
        now[0] += cost
        return b"x"

    monkeypatch.setattr(record.time, "monotonic", lambda: now[0])
    recorder._marked = now[0]
    for cost, every in ((0.001, record.BOOKMARK_SECONDS), (0.5, 0.5 / record.BOOKMARK_SHARE)):
        recorder.bookmark(make, now=True)
        written.clear()
        for _ in range(20_000):
            now[0] += 0.01
            recorder.bookmark(make)
        gaps = np.diff(written)
        assert len(gaps) > 3 and (gaps >= every).all() and (gaps < every + cost + 0.1).all()
    assert store.bookmark(job.id).read_bytes() == b"x"


def test_without_a_store_nothing_is_marked(tiny, home):
    learner = tiny("gru", epochs=1)
    job = Job(Kind.TRAIN, "test", lambda job: None, experiment=learner.experiment)
    job.stop_after = 3
    real = job.between_steps

    def between(progress, ended=False):
        if learner.step == 3:
            raise Stopped
        return real(progress, ended)

    job.between_steps = between
    with pytest.raises(Stopped):
        train.train(job, learner.experiment, learner=learner)
    assert not home.exists()


def test_what_a_run_began_from_who_began_it_and_with_which_versions_is_recorded(tiny, store, registry, monkeypatch):
    from explorer import VERSION
    from explorer.training import checkpoint

    monkeypatch.setattr(queue, "_registry", registry)
    learner = tiny("gru", epochs=1)
    path = store.folder / "mine.safetensors"
    checkpoint.save(path, learner.model, prepare.story_of(learner, learner.experiment, 2.0, 0.3))
    job = Job(Kind.TRAIN, "test", lambda job: None, experiment=learner.experiment)
    train.train(job, learner.experiment, store, start=path, learner=learner)
    run = store.run(job.id)
    assert (run.begun_by, run.begun_from) == ("terminal", "mine.safetensors")
    assert (run.torch, run.program) == (str(torch.__version__), VERSION)
    queued = train.submit(Experiment.of("gru", data="own-0123456789ab"), "ann", store, checkpoint.shipped("gru"))
    assert store.run(queued.id).begun_by == "page"
    assert store.run(queued.id).begun_from == "the shipped weights of gru"
