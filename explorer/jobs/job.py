"""A piece of background work, and everything a page may ask of it.

A job's work runs in a worker thread and never touches Streamlit. Pages read its history and send it messages
(stop, pause, a new rate), which it picks up between two steps.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from explorer import limits
from explorer.errors import ExplorerError
from explorer.jobs.calls import Call, nothing
from explorer.jobs.courtesy import COURTESY
from explorer.jobs.lane import Lane
from explorer.jobs.pace import Pace
from explorer.jobs.questions import Questions, Unanswered
from explorer.store.history import History
from explorer.store.words import ENDED, GONE, LONGEST, NOBODY_LOOKING, Kind, State, Stopped, ending

if TYPE_CHECKING:
    from explorer.data import Source
    from explorer.experiment import Experiment

log = logging.getLogger(__name__)

R = TypeVar("R")  # what a job leaves for its page: one frozen dataclass for each kind


@dataclass(eq=False)
class Job(Generic[R]):
    """One piece of background work and everything a page may ask of it.

    ``work(job)`` does it: it calls :meth:`between_steps` often, fills ``history`` and leaves what there is to see
    in ``result``, as a whole each time (:meth:`publish`). Pages give a :class:`~explorer.jobs.calls.Call`.
    """

    kind: Kind
    title: str
    work: "Callable[[Job[R]], object]" = nothing
    owner: str = ""  #: the browser session's token; empty for the terminal, which needs no lease
    experiment: "Experiment | None" = None
    place: str = ""  #: the page, or the section of one, that shows it
    record: Call | None = None  #: how it is written down: made once, by :meth:`prepare`
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    state: State = State.QUEUED
    message: str = ""  #: why it failed, or what to try
    history: History = field(default_factory=History)
    result: R | None = None  #: what there is to see so far
    moved: int = 0  #: how often it lost the worker that ran it, and went on elsewhere
    spare: bool = False  #: a cell of a sweep: beside others of its owner, where a worker has nothing else to do
    source: "Source | None" = None  #: the data it works on, once they are read
    troubles: dict[str, str] = field(default_factory=dict)  #: what the disk refused, a sentence each, by what it was
    live: dict[str, float] = field(default_factory=dict)  #: live settings changed since it began, as last asked for
    progress: float = 0.0  #: share done, in [0, 1]
    pace: Pace = field(default_factory=Pace)  #: its steps, and the time they took
    created: float = field(default_factory=time.time)
    attempt: str = field(default_factory=lambda: secrets.token_hex(4))  #: which of the jobs that had this id
    version: int = 0  #: grows when state, message or what is published change
    budget: int | None = None  #: steps left before it pauses by itself
    lane: "Lane[Job[Any]] | None" = None  #: where its place to run comes from; None in the terminal
    has_place: bool = False  #: whether it holds a place of the lane now
    on_queued: Callable[[], None] | None = None  #: called once it has been taken into the queue
    on_unbegun: Callable[[], None] | None = None  #: called when it ends without having begun
    unfinished: Callable[[], bool] | None = None  #: what its end left to do (a full disk); tried until it says True
    before_hold: Callable[[], None] | None = None  #: called by the work's thread before it pauses
    answers: dict[str, Callable[[], Any]] = field(default_factory=dict)  #: set by the work: what one may ask of it

    def __post_init__(self) -> None:
        self._wake = threading.Condition()
        self._changes: list[tuple[str, float]] = []
        self._questions = Questions()
        self.began = False  # whether its work has, in a thread of its own
        self._stop = self._pause = self._until_epoch = False
        self.touched = time.monotonic()  # when a page last looked

    # -- asked by pages ----------------------------------------------------------------------------
    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    @property
    def eta(self) -> float | None:
        """Seconds to the end at the pace so far; None before there is a pace."""
        return None if self.ended or self.state == State.STOPPING else self.pace.left(self.progress)

    @property
    def notice(self) -> str:
        """What the disk refused, in sentences for the page; "" where all is written."""
        return " ".join(self.troubles.values())

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever there is something new to draw. Read it before what is drawn, which may change meanwhile."""
        return self.version, self.history.version

    def touch(self) -> None:
        """Say that somebody is looking; a session's job whose page is gone for long stops by itself."""
        self.touched = time.monotonic()

    @property
    def forgotten(self) -> bool:
        """Whether the page of a session's job has been gone for long."""
        return bool(self.owner) and time.monotonic() - self.touched > 60 * limits.now().lease_minutes

    def before(self) -> "list[Job[Any]]":
        """The jobs that run, or will, before this one; none if it does not wait for a place."""
        return self.lane.before(self) if self.lane else []

    @property
    def wait(self) -> float | None:
        """About how many seconds until it has its turn; None where that cannot be told."""
        return self.lane.wait(self, lambda other: other.eta) if self.lane else None

    def stop(self, why: str = "") -> None:
        """Ask it to end after the current step; one that has not begun ends at once, having nothing to wind up."""
        with self._wake:
            if self.ended:
                return
            self._stop = True
            if self.began:
                self._set_state(State.STOPPING, why)
                self._wake.notify_all()
                return
        self.end_unbegun(State.STOPPED, why)

    def end_unbegun(self, state: State, why: str = "") -> None:
        """End a job whose work has not begun and will not."""
        with self._wake:
            if self.ended or self.began:
                return
            self._stop = True
            self._set_state(state, why)
        if self.lane:
            self.lane.leave(self)
        self.let_go()
        self._answer()
        if self.on_unbegun:
            self.on_unbegun()

    def let_go(self) -> None:
        """Forget what the work holds, its model and its data: there is nothing left to do."""
        self.work = nothing

    def prepare(self) -> None:
        """Have it written down, where it shall be; whoever is to run it calls this once before it is queued."""
        record, self.record = self.record, None
        if record is not None:
            record(self)

    def pause(self) -> None:
        """Ask it to hold after the current step."""
        with self._wake:
            self._pause = True

    def resume(self, steps: int | None = None, until_epoch: bool = False) -> None:
        """Go on; for ``steps`` steps, or until the epoch ends, and then pause again."""
        with self._wake:
            self._pause, self.budget, self._until_epoch = False, steps, until_epoch
            self._wake.notify_all()

    def change(self, name: str, value: float) -> None:
        """Change a live setting (``lr``, ``dropout``, ``clip``, ``weight_decay``) from the next step on."""
        with self._wake:
            self._changes.append((name, value))
            self.live = {**self.live, name: value}

    def ask(self, name: str) -> "Future[Any]":
        """Ask the work for something only its own thread may touch, such as the weights it is changing.

        It is answered between two steps, or while the job holds: wait with ``result(timeout)``. The future fails
        with :class:`Unanswered` when the job ends first, or its work has no such answer. A job that has not begun
        answers once it has.
        """
        with self._wake:
            question = self._questions.ask(name)
            self._wake.notify_all()
        if self.ended:  # nobody else will
            self._answer()
        return question

    # -- called by the work, in its own thread -------------------------------------------------------
    def between_steps(self, progress: float, epoch_ended: bool = False) -> list[tuple[str, float]]:
        """Follow what was asked; the live changes to make. Call it after every step.

        Raises:
            Stopped: the job was asked to stop.
        """
        self.progress = progress
        with self._wake:  # a page may be changing the budget just now
            self.pace.passed(steps=0 if epoch_ended else 1)
            if self.budget is not None and not epoch_ended:
                self.budget -= 1
            if self.budget == 0 or (epoch_ended and self._until_epoch):
                self._pause, self.budget, self._until_epoch = True, None, False
        self.breathe()
        if not self._stop and progress < 1 and (self._pause or (self.lane and self.lane.due(self))):
            self._hold()  # at the end there is nothing to hold back
        if self.forgotten:
            self.message = NOBODY_LOOKING
            raise Stopped
        if self.owner and (minutes := limits.now().run_minutes) and self.pace.lately > 60 * minutes:
            self.message = f"Ended after {minutes} minutes, {LONGEST}"
            raise Stopped
        if self._stop:
            raise Stopped
        with self._wake:
            changes, self._changes = self._changes, []
        return changes

    def breathe(self) -> None:
        """Answer what is asked of the work, and let short questions to other models go first.

        For the work's thread, wherever its model is whole: between two steps, and in the middle of a validation.
        """
        if self._questions:
            self._answer()
        while self.lane and COURTESY.let_pass(lambda: self._stop or bool(self._questions)) and not self._stop:
            self._answer()

    def ready(self) -> None:
        """Call before the first step: holds here a job that was submitted paused."""
        with self._wake:  # a page may be resuming it just now
            if self.budget == 0:
                self._pause, self.budget = True, None
        if self._pause:
            self._hold()
        if self._stop:
            raise Stopped

    def _hold(self) -> None:
        """Wait, without a place to run in, until resumed or stopped; then, or as its turn is over, for the next turn.

        A job that is stopped does not wait for a place again: what it has left to do is to save.
        """
        if self.before_hold:
            self.before_hold()
        waiting = State.QUEUED if self.lane else State.RUNNING
        with self._wake:
            self._set_state(State.STOPPING if self._stop else State.PAUSED if self._pause else waiting)
        self.leave_place()
        self._wait(lambda: self._stop or not self._pause)
        with self._wake:
            self._set_state(State.STOPPING if self._stop else waiting)
        if not self._stop:
            self._wait_for_place()
        self.pace.go()
        with self._wake:
            self._set_state(State.STOPPING if self._stop else State.RUNNING)

    def leave_place(self) -> None:
        """Give the place to run in back, if it has one."""
        if self.lane and self.has_place:
            self.has_place = False
            self.lane.release(self)

    def _wait_for_place(self) -> None:
        """Until there is one, or it is stopped."""
        if self.lane is None:
            return
        self.lane.ask(self, self._take_place)
        self._wait(lambda: self._stop or self.has_place)
        if not self.has_place and not self.lane.leave(self):  # stopped, but a place is on its way
            self._wait(lambda: self.has_place)

    def _take_place(self) -> bool:
        with self._wake:
            self.has_place = True
            self._wake.notify_all()
        return True

    def _wait(self, until: Callable[[], bool]) -> None:
        """Sleep until something is so, answering meanwhile; one nobody looks at is stopped."""
        while True:
            self._answer()
            with self._wake:
                if until():
                    return
                if not self._questions:
                    self._wake.wait(timeout=1.0)
                if self.forgotten and not self._stop:
                    self._stop, self.message = True, NOBODY_LOOKING

    def _answer(self) -> None:
        """Answer what was asked: here nobody else touches what the work holds."""
        self._questions.answer(self._answer_to)

    def _answer_to(self, name: str) -> Any:
        if self.ended:
            raise Unanswered(GONE)
        if name not in self.answers:
            raise Unanswered(f"This {self.kind} has no {name} to hand out.")
        return self.answers[name]()

    def publish(self, result: R) -> None:
        """Leave what there is to see for the page, in place of what was left before."""
        with self._wake:
            self.result = result
            self.version += 1

    def works_on(self, source: "Source") -> None:
        """Say which data it works on."""
        with self._wake:
            if source != self.source:
                self.source = source
                self.version += 1

    def trouble(self, troubles: dict[str, str]) -> None:
        """Say what the disk refuses by now: a sentence for each thing that could not be written."""
        with self._wake:
            self.troubles = troubles
            self.version += 1

    def _set_state(self, state: State, message: str = "") -> None:
        with self._wake:
            if self.ended:  # a stop that comes too late must not wake the dead
                return
            self.state, self.message = state, message or self.message
            self.version += 1

    def run(self) -> None:
        """Do the work in this thread and settle how it ended; never raises."""
        try:
            self._run()
        finally:
            self.answers = {}  # lets go of what they answered from
            self._answer()

    def _run(self) -> None:
        with self._wake:
            if self.ended:  # stopped just as its thread began
                return
            self.began = True
            self._set_state(State.RUNNING)
        self.pace.go()
        try:
            self.work(self)
            self.progress = 1.0
            self._set_state(State.DONE)
        except Exception as error:
            state, message = ending(error)
            if isinstance(error, ExplorerError) and state == State.FAILED:
                log.warning("%s %s: %s (%s)", self.kind, self.id, error, error.detail)
            self._set_state(state, message)
