"""What an app server sees of its workers: one thread looks at all of them, and none holds it up."""

from concurrent.futures import Future
from types import SimpleNamespace

from explorer.jobs import remote
from tests.jobs.wiring import wired


def test_workers_that_do_not_answer_are_waited_for_together_and_not_one_after_another(monkeypatch):
    engine = wired(workers=4)
    engine.close()  # its thread: the test looks in its place
    now, waited = [0.0], []

    class Silent(Future):
        def result(self, timeout=None):
            waited.append(timeout)
            now[0] += timeout
            raise TimeoutError

    monkeypatch.setattr(engine.wire, "worker", lambda name, what, *arguments: Silent())
    monkeypatch.setattr(remote, "time", SimpleNamespace(monotonic=lambda: now[0]))
    engine._round()
    assert len(waited) == 4 and sum(waited) <= remote.FIRST
