"""Work for jobs, which a test lets happen step by step."""

import threading
import time

from explorer.jobs.job import Job
from explorer.store.words import Kind


def until(true, seconds=180.0, say=lambda: ""):
    """Wait until something is so; ``say`` gives what there is to know where it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it did not happen in time {say()}"
        time.sleep(0.002)


class Work:
    """Steps that a test lets happen one by one, or all at once."""

    def __init__(self, steps=10**9, epoch=10, free=True):
        self.steps, self.epoch, self.free = steps, epoch, free
        self.done, self.changes, self.began = 0, [], threading.Event()
        self.gate = threading.Semaphore(0)

    def __call__(self, job):
        job.ready()
        self.began.set()
        while self.done < self.steps:
            if not self.free:
                self.gate.acquire()
            self.done += 1
            self.changes += [(self.done, *c) for c in job.between_steps(self.done / self.steps)]
            if self.done % self.epoch == 0:
                job.between_steps(self.done / self.steps, epoch_ended=True)
            time.sleep(0.0005)


def start(registry, work=None, owner="", **fields):
    return registry.submit(Job(Kind.TRAIN, "test", work or Work(), owner, **fields))
