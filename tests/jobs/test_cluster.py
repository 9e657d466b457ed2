"""How an app server leaves Ray, which ends the whole process where a thread calls it while it shuts down."""

import threading
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.cluster


class Actor:
    """Answers what it is asked when the test says so; like Ray's, its method has options and a reference a future."""

    def __init__(self):
        self.asked = []

    def __getattr__(self, what):
        def remote(*arguments):
            self.asked.append(Future())
            self.asked[-1].what = what
            return SimpleNamespace(future=lambda: self.asked[-1])

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=remote))


@pytest.fixture
def ray(monkeypatch):
    from explorer.jobs import cluster

    made = SimpleNamespace(ended=[], shuts_down=lambda: None)
    made.get = lambda reference, timeout: ["one"]
    made.worker = Actor()
    made.get_actor = lambda name, space: made.worker
    made.shutdown = lambda: (made.shuts_down(), made.ended.append(True))
    monkeypatch.setattr(cluster, "ray", made)
    return made


@pytest.fixture
def wire(ray):
    from explorer.jobs import cluster

    made = cluster._Ray(Actor(), own=False)
    made._office.asked.clear()  # the workers' names
    return made


def test_an_answer_and_an_error_come_as_they_are(ray, wire):
    answer, error = wire.worker("one", "look", {}), wire.worker("one", "tell", "job", "stop", ())
    answered, failed = ray.worker.asked
    answered.set_result("seen")
    failed.set_exception(ValueError("unknown"))
    assert answer.result(1) == "seen"
    with pytest.raises(ValueError, match="unknown"):
        error.result(1)


def test_who_waits_for_an_answer_is_told_when_the_cluster_is_left(ray, wire):
    answer = wire.worker("one", "look", {})
    told = []
    ray.shuts_down = lambda: told.append(answer.exception(0))  # before, not after
    wire.close(1.0)
    assert isinstance(told[0], ConnectionError) and "left the cluster" in str(told[0])
    ray.worker.asked[0].set_result("too late")
    assert isinstance(answer.exception(1), ConnectionError)


def test_nothing_is_sent_while_ray_shuts_down_or_later(ray, wire):
    """A thread that speaks meanwhile, as a sweep's does that stops its cells, waits and gets an error."""
    found, spoken = [], threading.Event()

    def speak():
        spoken.set()
        found.append(wire.dispatcher("said", "job", "stop").exception(5))

    thread = threading.Thread(target=speak)

    def shuts_down():
        thread.start()
        spoken.wait(5)
        thread.join(0.2)
        assert not wire._office.asked

    ray.shuts_down = shuts_down
    wire.close(1.0)
    thread.join(5)
    assert isinstance(found[0], ConnectionError) and ray.ended and not wire._office.asked
    assert isinstance(wire.worker("one", "look", {}).exception(1), ConnectionError) and not ray.worker.asked


def test_nobody_else_holds_rays_references(ray, wire):
    """Whoever drops one while Ray shuts down ends the process: they stay here until it has."""
    answer = wire.worker("one", "look", {})
    assert wire._open[answer] is ray.worker.asked[0]
    wire.close(1.0)
    assert wire._open[answer] is ray.worker.asked[0]
    later = wire.worker("one", "look", {})
    assert later not in wire._open
