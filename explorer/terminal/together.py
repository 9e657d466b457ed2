"""``torchrun … -m explorer train``: the same command in several processes, which train one model together.

The first process drives, prints and records as ``train`` does; the others follow it. When one ends, torchrun ends the
rest and begins all anew: they go on from the run's bookmark.
"""

import argparse
import functools
import hashlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import ExplorerError, SettingsError
from explorer.terminal.train import experiment_of, store_or_none, target_of, to_its_end, train
from explorer.terminal.words import say

if TYPE_CHECKING:
    from explorer.experiment import Experiment
    from explorer.jobs.job import Job
    from explorer.runs.record import Recorder
    from explorer.runs.train import Training
    from explorer.training.parallel import Shared

SHARDED = ("sync", "shard")  #: what --batchnorm may say
SWITCH = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"  #: else who comes back is sent to an address where nobody is any more
HOW = "torchrun --nproc-per-node=2 -m explorer train …"


def fit(options: argparse.Namespace) -> int:
    """``train``, in this process alone or as one of those that torchrun began."""
    size, rank = (int(os.environ.get(name, default)) for name, default in (("WORLD_SIZE", "1"), ("RANK", "0")))
    if options.batchnorm and options.batchnorm not in SHARDED:
        raise SettingsError(f"--batchnorm must be one of {', '.join(SHARDED)}, not {options.batchnorm!r}.")
    if size < 2:
        if options.batchnorm:
            raise SettingsError(f"--batchnorm is for several processes that train one model: {HOW}")
        return train(options)
    try:
        return _together(options, size, rank)
    except ExplorerError:
        if rank == 0:
            raise
        return 1  # the first process says it


def _together(options: argparse.Namespace, size: int, rank: int) -> int:
    if options.key.startswith("dogscats"):
        raise SettingsError(f"{options.key} is trained in seconds, by one process: leave torchrun out.")
    experiment = experiment_of(options)
    target = target_of(options) if rank == 0 else None
    from explorer.training import parallel, prepare
    from explorer.training.schedules import plan

    parallel.check(experiment, size)
    if rank:  # they end with the first, which ends after its step
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    group = parallel.join()
    statistics = parallel.Statistics(options.batchnorm or parallel.Statistics.SYNC)
    make = functools.partial(parallel.Shared, group=group, statistics=statistics)
    learner = prepare.learner_for(experiment, options.start, make=make)
    assert isinstance(learner, parallel.Shared)
    if rank:
        learner.follow(plan(experiment))
        group.leave()
        return 0
    kind = "streams" if learner.recurrent else "pictures"
    each = f"{experiment.batch_size // size} of {experiment.batch_size} {kind} a step in each"
    print(f"{learner.company}; {each}, on {learner.device.type.upper()}", file=sys.stderr, flush=True)
    if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) and os.environ.get(SWITCH) != "1":
        say(f"torchrun cannot begin anew after a process ended unless {SWITCH}=1 is set (pytorch#135712).")
    try:
        job, recorder = _record(options, experiment, learner)
        return to_its_end(job, learner, recorder, options, target)
    finally:
        learner.dismiss()
        group.leave()


def _record(
    options: argparse.Namespace, experiment: "Experiment", learner: "Shared"
) -> "tuple[Job[Training], Recorder]":
    """A new run, or the one that the processes before these have left, and the learner where it was left."""
    from explorer.jobs.job import Job
    from explorer.runs.record import Recorder
    from explorer.runs.train import continued, take_up
    from explorer.store.words import Kind
    from explorer.training import own_weights

    store, number, before = None if options.no_record else store_or_none(), _number(), None
    if store is not None and (before := store.run(number)) is not None:
        if store.bookmark(number).exists():
            job, recorder = take_up(before, store)
            continued(job, experiment, recorder, learner)
            say(f"Goes on with {number} after step {learner.step:,}.")
            return job, recorder
        store.claim(number)  # it was left before its first bookmark
        store.rewind(number, 0, 0, 0)
    job = Job(Kind.TRAIN, experiment.rung.title, experiment=experiment, id=number)
    return job, Recorder(job, experiment, store, own_weights.origin_of(options.start), before)


def _number() -> str:
    """The run's id: the same in all the processes that one torchrun begins, first and later."""
    agent = os.getppid()
    try:  # a number may be another program's one day, but not one that began in the same moment
        began = Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        began = ""
    words = (os.environ.get("TORCHELASTIC_RUN_ID", ""), socket.gethostname(), str(agent), began)
    return hashlib.md5("/".join(words).encode(), usedforsecurity=False).hexdigest()[:8]
