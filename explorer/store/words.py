"""The words for jobs: what there is to do, what state one is in, and how its work says that it ended early."""

from enum import StrEnum

from explorer.errors import ExplorerError, explain


class State(StrEnum):
    """What a job is doing, or how it ended."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    DIVERGED = "diverged"


ENDED = frozenset({State.DONE, State.STOPPED, State.FAILED, State.DIVERGED})


NOBODY_LOOKING = "Stopped because nobody was looking any more."
LONGEST = "the longest that this server lets a run go on."
REPLACED = "Stopped because you started it again."
WAITS = "Has not begun: the sweep was ended before its turn."
GONE = "This has ended; what it left is on disk."


class Kind(StrEnum):
    """What a job does."""

    TRAIN = "train"
    LR_FIND = "lr-find"
    RACE = "race"
    MAP = "map"
    REACH = "reach"
    EXPLODE = "explode"
    EVALUATE = "evaluate"
    CLAIM = "claim"
    OWN_CLASSES = "own-classes"
    UNFREEZE = "unfreeze"
    CATS_DOGS = "cats-dogs"


class Stopped(Exception):
    """Raised between two steps of a job that was asked to stop."""


class Diverged(ExplorerError):
    """Raised when the loss is no longer a number, or has exploded. The message says what to try."""


def ending(error: Exception) -> tuple[State, str]:
    """How a job has ended whose work raised this, and what to say about it."""
    if isinstance(error, Stopped):
        return State.STOPPED, ""
    if isinstance(error, Diverged):
        return State.DIVERGED, str(error)
    return State.FAILED, str(error) if isinstance(error, ExplorerError) else explain(error)
