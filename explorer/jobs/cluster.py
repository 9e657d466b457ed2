"""Ray as the engine: a pool of warm workers, and one dispatcher, that any app server finds by name.

The only module that knows Ray, and it is imported only where ``EXPLORER_ENGINE`` asks for it. Ray keeps actors alive,
starts them again and carries calls; whose turn it is, what a run is and how it goes on are this program's own.

Whoever reaches Ray's ports can run any code as its user. So its token authentication is on, without which nobody's
call is taken, its dashboard is off, and it belongs into a private network.
"""

import contextlib
import importlib.metadata
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError, wait
from dataclasses import dataclass
from typing import Any

from explorer import limits
from explorer.errors import SettingsError
from explorer.jobs.dispatch import WATCH, Dispatcher
from explorer.jobs.host import Host, Standing
from explorer.jobs.orders import Order
from explorer.jobs.queue import cores
from explorer.jobs.remote import Remote

os.environ.setdefault("RAY_AUTH_MODE", "token")  # before Ray is imported
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told that it is used
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # a call after the end starts no cluster of its own
os.environ.setdefault("RAY_worker_niceness", "0")  # ours say it themselves; by Ray's 15 they starve beside anything
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a worker without a share sees the GPU as we do

import ray

log = logging.getLogger(__name__)

SPACE = "explorer"  # the namespace of our actors
HEAD = "node:__internal_head__"  # what Ray's head has, and no other machine
DISPATCHER = "dispatcher"
GROUPS = {"control": 1, "look": 2, "ask": 2, "watch": 1}  # threads of a worker for each kind of call, beside its runs
GROUP_OF = {"tell": "control", "submit": "control", "bury": "control", "withdraw": "control", "look": "look"}
OBJECTS = 100_000_000  # bytes of Ray's store of shared objects, of which we make little use
NICE = 5  # workers beside an app server let its pages go first
ANSWER = 5.0  # seconds a worker has to answer the dispatcher
TAKE_IN = 60.0  # and to take a job in: the first one waits for torch to be imported
JOIN = 30.0  # seconds a cluster has to answer an app server
LEFT = "This server has left the cluster."
SAVING = 20.0  # seconds the runs of a cluster of our own have to save


@dataclass(frozen=True)
class Pool:
    """How many workers there are, and what each may take."""

    workers: int
    gpu: float = 0.0  #: share of a GPU; 0: none is asked for
    megabytes: int = 0  #: memory; 0: as much as there is
    nice: int = 0
    threads: int = 0  #: of the processor; 0: as Ray says, one


def start(address: str | None) -> Remote:
    """The engine on a cluster's address; None starts one on this machine, which ends with this process.

    Raises:
        SettingsError: no cluster answers there, or not to our token.
    """
    own = address is None
    pool = _pool(own)
    if own and not (os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    began = time.monotonic()
    try:
        if own:
            own_room = {"num_cpus": pool.workers, "include_dashboard": False, "object_store_memory": OBJECTS}
            _for_good(lambda: ray.init(**own_room, **_QUIET))
        else:
            ray.init(address=address, **_QUIET)
            pool = _pool(own, ray.cluster_resources())
        wire = _Ray(_office(pool), own)
    except Exception as error:
        raise SettingsError(
            "The cluster that EXPLORER_ENGINE names does not answer, or not to this server's token (RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH). Until this server is started again, runs train in its own process.",
            repr(error),
        ) from error
    log.info("Ray %s, up after %.1f s", importlib.metadata.version("ray"), time.monotonic() - began)
    return Remote(wire)


def address() -> str:
    """The address of the cluster that this process is on, for another server's ``EXPLORER_ENGINE``."""
    return str(ray.get_runtime_context().gcs_address)


def _for_good(begin: Callable[[], object]) -> None:
    """Begin something in a thread that stays: Ray's processes end with the *thread* that has started them."""
    begun: Future[None] = Future()

    def stay() -> None:
        try:
            begin()
        except BaseException as error:
            begun.set_exception(error)
            return
        begun.set_result(None)
        threading.Event().wait()

    threading.Thread(target=stay, name="ray", daemon=True).start()
    begun.result()


_QUIET: dict[str, Any] = {"namespace": SPACE, "log_to_driver": False, "logging_level": logging.ERROR}


def _pool(own: bool, resources: Mapping[str, float] | None = None) -> Pool:
    """As the environment says; on a cluster as many workers as there is room for, where it says nothing."""
    share, megabytes = _number("EXPLORER_GPU_SHARE"), int(_number("EXPLORER_WORKER_MB"))
    count = limits.now().workers
    if not own and not os.environ.get(limits.variable("workers")):
        found = resources or {}
        count = int(found.get("GPU", 0.0) / share + 1e-9) if share else int(found.get("CPU", 1.0))
    count = max(1, count)
    return Pool(count, share, megabytes, NICE, max(1, cores() // count)) if own else Pool(count, share, megabytes)


def _number(name: str) -> float:
    word = os.environ.get(name, "").strip()
    try:
        return max(0.0, float(word or 0))
    except ValueError:
        log.warning("%s is %r and is ignored: it is no number", name, word)
        return 0.0


def _office(pool: Pool) -> Any:
    """The cluster's dispatcher; the first server that asks for it makes it, with its workers."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("EXPLORER_")}
    for name in ("EXPLORER_ENGINE", "EXPLORER_TEACHER_TOKEN"):  # workers choose no engine, and let no teacher in
        settings.pop(name, None)
    made = ray.remote(concurrency_groups={"control": 8})(Office)
    words: dict[str, Any] = {"num_cpus": 0, "resources": {HEAD: 0.001}}  # not on an app server, which may end any time
    return made.options(
        name=DISPATCHER, namespace=SPACE, lifetime="detached", get_if_exists=True, max_restarts=-1, **words
    ).remote(pool, settings)


class Office:
    """The dispatcher's actor. Started again it finds the workers that there are, and learns from them."""

    def __init__(self, pool: Pool, settings: Mapping[str, str]) -> None:
        handles = {f"worker-{number}": _worker(f"worker-{number}", pool, settings) for number in range(pool.workers)}
        self.dispatcher = Dispatcher({name: _Worker(handle) for name, handle in handles.items()})
        threading.Thread(target=self._watch, name="watch-workers", daemon=True).start()

    def submit(self, order: Order, instead_of: str) -> tuple[str, str]:
        """See :meth:`Dispatcher.submit`."""
        return self.dispatcher.submit(order, instead_of)

    def said(self, job_id: str, verb: str) -> None:
        """See :meth:`Dispatcher.said`."""
        self.dispatcher.said(job_id, verb)

    def names(self) -> Sequence[str]:
        """See :meth:`Dispatcher.names`."""
        return self.dispatcher.names()

    def _watch(self) -> None:
        while True:
            try:
                self.dispatcher.watch()
            except Exception:
                log.exception("the workers could not be watched")
            time.sleep(WATCH)


def _worker(name: str, pool: Pool, settings: Mapping[str, str]) -> Any:
    """A worker's actor, made where there is none of that name; Ray starts it again when it dies."""
    made = ray.remote(concurrency_groups=GROUPS)(Host)
    words: dict[str, Any] = {"num_gpus": pool.gpu} if pool.gpu else {}
    if pool.megabytes:
        words["memory"] = pool.megabytes * 1_000_000
    return made.options(
        name=name,
        namespace=SPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_task_retries=0,
        num_cpus=1,
        **words,
    ).remote(settings, pool.nice, pool.megabytes, pool.threads)


def _call(actor: Any, what: str, group: str, *arguments: Any) -> Any:
    return getattr(actor, what).options(concurrency_group=group).remote(*arguments)


class _Worker:
    """The dispatcher's way to a worker."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def submit(self, order: Order, instead_of: str) -> tuple[str, str]:
        taken: tuple[str, str] = self._ask("submit", order, instead_of)
        return taken

    def bury(self, order: Order, why: str) -> None:
        self._ask("bury", order, why)

    def withdraw(self, job_id: str) -> bool:
        return bool(self._ask("withdraw", job_id))

    def tell(self, job_id: str, verb: str, values: tuple[object, ...]) -> object:
        return self._ask("tell", job_id, verb, values)

    def standing(self) -> Standing:
        found: Standing = self._ask("standing")
        return found

    def orders(self) -> list[Order]:
        found: list[Order] = self._ask("orders")
        return found

    def _ask(self, what: str, *arguments: Any) -> Any:
        patience = TAKE_IN if what in ("submit", "bury") else ANSWER
        return ray.get(_call(self.actor, what, GROUP_OF.get(what, "watch"), *arguments), timeout=patience)


class _Ray:
    """An app server's way to the dispatcher and the workers.

    Ray ends the whole process where a thread calls it, or drops a reference, while it shuts down. So nobody else holds
    its references, and once it is being left each call is answered by an error instead of being sent.
    """

    def __init__(self, office: Any, own: bool) -> None:
        self._office, self._own = office, own
        self._names: Sequence[str] = ray.get(_call(office, "names", "control"), timeout=JOIN)
        self._actors = {name: ray.get_actor(name, SPACE) for name in self._names}
        self._sending, self._left = threading.Lock(), False
        self._open: dict[Future[Any], Any] = {}  # answers that are waited for, and Ray's futures with its references

    def workers(self) -> Sequence[str]:
        return self._names

    def worker(self, name: str, what: str, *arguments: Any) -> "Future[Any]":
        return self._send(self._actors[name], what, GROUP_OF.get(what, "ask"), *arguments)

    def dispatcher(self, what: str, *arguments: Any) -> "Future[Any]":
        return self._send(self._office, what, "control", *arguments)

    def close(self, timeout: float) -> None:
        """Leave the cluster; one of our own stops and saves its runs first, and ends."""
        if self._own:
            closing = [self.worker(name, "close") for name in self._names]
            wait(closing, max(timeout, SAVING))
        with self._sending:
            self._left = True
            for answer in list(self._open):
                _answer(answer, error=ConnectionError(LEFT))
            ray.shutdown()

    def _send(self, actor: Any, what: str, group: str, *arguments: Any) -> "Future[Any]":
        answer: Future[Any] = Future()
        with self._sending:
            if self._left:
                answer.set_exception(ConnectionError(LEFT))
                return answer
            asked = self._open[answer] = _call(actor, what, group, *arguments).future()
        asked.add_done_callback(lambda done: self._answered(answer, done))
        return answer

    def _answered(self, answer: "Future[Any]", done: "Future[Any]") -> None:
        self._open.pop(answer, None)
        error = done.exception()
        _answer(answer, error=error) if error else _answer(answer, done.result())


def _answer(answer: "Future[Any]", result: Any = None, error: BaseException | None = None) -> None:
    with contextlib.suppress(InvalidStateError):  # answered already, or nobody wants it any more
        answer.set_result(result) if error is None else answer.set_exception(error)
