"""A job that has not begun, as data: what an app server sends to a worker, and a worker makes a job of."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from explorer.errors import SettingsError
from explorer.jobs.calls import Call
from explorer.jobs.job import Job
from explorer.store.words import Kind, State

if TYPE_CHECKING:
    from explorer.experiment import Experiment


@dataclass(frozen=True, eq=False)
class Order:
    """Everything that a job is made of."""

    id: str
    kind: Kind
    title: str
    work: Call
    owner: str
    experiment: "Experiment | None"
    record: Call | None
    place: str
    created: float
    budget: int | None
    result: Any  #: what there is to see before it begins
    moved: int = 0
    spare: bool = False
    attempt: str = ""

    @classmethod
    def of(cls, job: Job[Any]) -> "Order":
        """What a job that has not been queued yet is made of.

        Raises:
            SettingsError: its work is no named call, and can be done in this process only.
        """
        if not isinstance(job.work, Call):
            raise SettingsError("This work can only be done in the server's own process.", repr(job.work))
        return cls(
            *(job.id, job.kind, job.title, job.work, job.owner, job.experiment, job.record),
            *(job.place, job.created, job.budget, job.result, job.moved, job.spare, job.attempt),
        )

    def again(self, held: bool, place: str = "") -> "Order":
        """The same for another worker, after the one that had it is gone; where it was held, it is held again."""
        return replace(self, moved=self.moved + 1, budget=0 if held else None, place=place or self.place)

    def job(self) -> Job[Any]:
        """The job."""
        return Job(
            self.kind,
            self.title,
            self.work,
            self.owner,
            self.experiment,
            self.place,
            self.record,
            self.id,
            State.QUEUED,
            result=self.result,
            created=self.created,
            budget=self.budget,
            moved=self.moved,
            spare=self.spare,
            attempt=self.attempt,
        )
