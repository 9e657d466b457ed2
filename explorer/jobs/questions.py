"""What is asked in one thread and answered in another: of a work, that only its own thread may touch."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from explorer.errors import ExplorerError


class Unanswered(ExplorerError):
    """What was asked of a job cannot be answered any more, or this job's work does not know it."""


class Questions:
    """Those that are open, in the order they were asked."""

    def __init__(self) -> None:
        self._open: deque[tuple[str, Future[Any]]] = deque()

    def __bool__(self) -> bool:
        """Whether any is open."""
        return bool(self._open)

    def ask(self, name: str) -> Future[Any]:
        """Ask for something by its name; from any thread."""
        question: Future[Any] = Future()
        self._open.append((name, question))
        return question

    def answer(self, answer_to: Callable[[str], Any]) -> None:
        """Answer all that are open, each with ``answer_to(name)`` or with what that raises."""
        while True:
            try:
                name, question = self._open.popleft()
            except IndexError:  # none is left: two threads may answer, where a work has just ended
                return
            if not question.set_running_or_notify_cancel():
                continue  # whoever asked has given up
            try:
                question.set_result(answer_to(name))
            except Exception as error:
                question.set_exception(error)
