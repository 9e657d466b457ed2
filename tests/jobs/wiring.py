"""Engines to test: this process's threads, workers at the end of a wire in this process, and Ray's."""

import contextlib
import pickle
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from explorer.jobs.dispatch import Dispatcher
from explorer.jobs.host import Host
from explorer.jobs.remote import Remote


class Gone(Exception):
    """What a dead worker answers."""


class Wire:
    """Hosts and a dispatcher in this process; whatever goes over the wire is pickled, as Ray does."""

    def __init__(self, workers=2, watch=True):
        self.hosts = {f"worker-{number}": Host() for number in range(workers)}
        self.office = Dispatcher({name: Post(self, name) for name in self.hosts})
        self.calls = []
        self._pool = ThreadPoolExecutor(16)
        self._closing = threading.Event()
        self.office.watch()
        if watch:
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while not self._closing.wait(0.05):
            self.office.watch()

    def workers(self):
        return list(self.hosts)

    def call(self, name, what, *arguments):
        host = self.hosts[name]
        if host is None:
            raise Gone(name)
        self.calls.append((name, what))
        return pickle.loads(pickle.dumps(getattr(host, what)(*pickle.loads(pickle.dumps(arguments)))))

    def worker(self, name, what, *arguments) -> Future:
        return self._pool.submit(self.call, name, what, *arguments)

    def dispatcher(self, what, *arguments) -> Future:
        return self._pool.submit(getattr(self.office, what), *pickle.loads(pickle.dumps(arguments)))

    def kill(self, name):
        """Nobody hears from it any more; its threads end, as those of a killed process do, without a last word."""
        dead, self.hosts[name] = self.hosts[name], None
        for job in dead.registry.all():
            job.on_unbegun = None
        return dead

    def start_again(self, name):
        self.hosts[name] = Host()

    def close(self, timeout):
        self._closing.set()
        for host in self.hosts.values():
            with contextlib.suppress(Exception):
                host.close()


class Post:
    """The dispatcher's way to one of them."""

    def __init__(self, wire, name):
        self.wire, self.name = wire, name

    def __getattr__(self, what):
        return lambda *arguments: self.wire.call(self.name, what, *arguments)


def wired(**how):
    wire = Wire(**how)
    return Remote(wire)
