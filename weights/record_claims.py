"""What came out of each claim in its full run, for its card: made on the whole data, after the races.

EXPLORER_DATA=../shared/data python -m weights.record_claims [ID …]
"""

import json
import sys
from typing import Any

from explorer import devices
from explorer.data.dogscats import find
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.lecture import races, recorded
from explorer.lecture.claims import BY_ID, Claim
from explorer.lecture.measures import measure
from explorer.lecture.outcomes import Ran, outcome
from explorer.lecture.verdicts import CLAIMS, RECORDED, Verdict
from explorer.runs import train
from explorer.runs.race import RaceView
from explorer.store.words import Kind, State
from explorer.training import prepare

MEASURED = ("bptt", "explode", "weights", "stride", "map")  #: two arms side by side, counted, or nothing to train


def ran(experiment: Experiment) -> Ran:
    """What *make it happen* starts, to its end."""
    learner = prepare.learner_for(experiment)
    job: Job[train.Training] = Job(
        Kind.TRAIN,
        experiment.rung.title,
        lambda job: train.train(job, experiment, None, learner=learner),
        experiment=experiment,
    )
    job.run()
    if job.state == State.FAILED:
        sys.exit(job.message)
    return Ran(experiment, job.history.snapshot(), job.state == State.DIVERGED, learner.data.source.kind == "real")


def depth(race: RaceView) -> Verdict:
    """The fair race judged for its claim alone; whether skip connections help is another claim's."""
    shallow, deep, resnet = race.lanes
    first, second, third = (lane.history.best_accuracy for lane in race.lanes)
    return Verdict(
        bool(second <= first),
        f"On all pictures, at the same rate, epochs and seed: {shallow.name} {first:.1%}, twice as deep ({deep.name}) "
        f"{second:.1%}; three times as deep with skip connections ({resnet.name}) {third:.1%} after as many epochs.",
    )


def of(claim: Claim) -> tuple[Verdict, str]:
    """What came out, and how it was got."""
    if claim.race:
        found = recorded.race(claim.race)
        if found is None:
            sys.exit(f"Record the race first: python -m weights.record_races {claim.race}")
        how = f"the race “{races.BY_KEY[claim.race].title}”"
        return depth(found[0]) if claim.id == "depth" else races.BY_KEY[claim.race].verdict(found[0]), how
    if claim.id in MEASURED or claim.experiment is None:
        return measure(claim)[1], "counted" if claim.seconds < 2 else "measured side by side"
    told = ran(claim.experiment)
    verdict = outcome(claim, told)
    if verdict is None or not told.real:
        sys.exit(f"{claim.id} says nothing, or not about the lecture's data")
    if claim.id == "last-batch":  # the run shows what it does to a curve; that it is kept shows side by side
        found = measure(claim)[1]
        seen = "In the full run it shows" if verdict.agrees else "In the full run, with batches of 37, it does not show"
        verdict = Verdict(found.agrees, f"{found.text} {seen}: {verdict.text[0].lower()}{verdict.text[1:]}")
    return verdict, f"a run of {claim.experiment.total_epochs} epochs"


def main(ids: list[str]) -> None:
    """Those claims, or all that no shipped run tells about, beside what is recorded already."""
    if find() is None:
        sys.exit("The course's photos of dogs and cats are needed for the claim about maps.")
    record: dict[str, Any] = json.loads(CLAIMS.read_text()) if CLAIMS.exists() else {}
    for claim in (BY_ID[one] for one in ids or BY_ID if one not in RECORDED):
        verdict, how = of(claim)
        experiment = json.loads(claim.experiment.to_json()) if claim.experiment else None
        record[claim.id] = {
            "agrees": verdict.agrees,
            "text": verdict.text,
            "how": how,
            "device": devices.describe(),
            "experiment": experiment,
        }
        CLAIMS.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        print(claim.id, verdict)


if __name__ == "__main__":
    main(sys.argv[1:])
