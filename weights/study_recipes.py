"""Why the notes' recipes end lower here than in the notes: one thing changed at a time, kept in recipes.json.

EXPLORER_DATA=../shared/data python -m weights.study_recipes simplenet deep-bn resnet2 --seeds 0 1 2
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from explorer import devices, paths
from explorer.data import Batch, Pictures, cifar10
from explorer.data.pictures import PAD, VisionData, augmentation, crop
from explorer.experiment import Experiment
from explorer.training import prepare
from explorer.training.learner import Epoch, Learner
from explorer.training.optimisers import make_optimiser
from explorer.training.schedules import plan

KEPT = paths.WEIGHTS / "recipes.json"
LEAKED = 950  # cars that the notes' loop leaves in both parts
WARM_UP = 1 / 20  # of an epoch: how long the second fit's slow start lasts


@dataclasses.dataclass(frozen=True)
class Variation:
    """What is done otherwise than here, as the notes' software did or may have done it."""

    name: str
    split: str = "here"  #: "official": all 50,000 to train, the test set to validate; "leak": cars in both parts
    crops: int = 9  #: rows and columns of crops that are drawn; the notes' loader rounds down and never draws the ninth
    reset: bool = False  #: the optimiser forgets its momentum between the two fits
    slow: bool = False  #: the second fit begins at a hundredth of its rate


VARIATIONS = (
    Variation("as here"),
    Variation("50,000 and the test set", split="official"),
    Variation("950 cars in both parts", split="leak"),
    Variation("crops 0 to 7", crops=8),
    Variation("momentum reset between the fits", reset=True),
    Variation("slow start of the second fit", slow=True),
    Variation("all but the cars", split="official", crops=8, reset=True, slow=True),
)


def split(whole: Pictures, kind: str) -> Pictures:
    """The pictures, divided as ``kind`` says; class by class, as they are here."""
    if kind == "here":
        return whole
    if kind == "official":
        x, y = np.concatenate([whole.train_x, whole.valid_x]), np.concatenate([whole.train_y, whole.valid_y])
        valid = {"valid_x": whole.test_x, "valid_y": whole.test_y}
    else:
        cars = np.flatnonzero(whole.valid_y == whole.classes.index("car"))[:LEAKED]
        x = np.concatenate([whole.train_x, whole.valid_x[cars]])
        y, valid = np.concatenate([whole.train_y, whole.valid_y[cars]]), {}
    order = np.argsort(y, kind="stable")
    return dataclasses.replace(whole, train_x=x[order], train_y=y[order], **valid)


class Data(VisionData):
    """All pictures of a split, with as many rows and columns of crops as asked for."""

    def __init__(self, pictures: Pictures, experiment: Experiment, device: torch.device, crops: int) -> None:
        super().__init__(pictures, experiment.replace(images=500), device)
        self.crops = crops
        padded = np.pad(pictures.train_x, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD)), "symmetric")
        self.train_x = torch.from_numpy(np.ascontiguousarray(padded.transpose(0, 2, 3, 1))).to(device)
        self.train_y = torch.from_numpy(np.array(pictures.train_y)).to(device)
        self.steps_per_epoch = -(-len(self.train_y) // self.batch_size)

    def train_batches(self, generator: torch.Generator) -> Iterator[Batch]:
        """One epoch in a new order."""
        n = len(self.train_y)
        order = torch.randperm(n, generator=generator)
        down, right, mirrored = augmentation(n, generator)
        if self.crops < 2 * PAD + 1:
            down, right = torch.randint(self.crops, (2, n), generator=generator)
        for at in range(0, n, self.batch_size):
            part = slice(at, at + self.batch_size)
            x = crop(self.train_x, order[part], down[part], right[part], mirrored[part])
            yield Batch(self._normalised(x), self.train_y[order[part]], at / n)


def run(key: str, seed: int, varied: Variation, whole: Pictures) -> Iterator[dict[str, Any]]:
    """One run with the notes' recipe: what is known of it after each epoch, and at the end."""
    device = devices.choose()
    experiment = Experiment.of(key, "lecture", seed=seed)
    data = Data(split(whole, varied.split), experiment, device, varied.crops)
    learner = Learner(prepare.model_for(experiment, data), data, experiment, device)
    schedule, lead = plan(experiment), experiment.lead_epochs
    if varied.slow:
        usual = schedule.lr
        schedule = dataclasses.replace(
            schedule, lr=lambda done: experiment.lr / 100 if lead <= done < lead + WARM_UP else usual(done)
        )
    told: dict[str, Any] = {"model": key, "seed": seed, "varied": varied.name, "accuracy": [], "val_loss": []}
    for event in learner.steps(schedule):
        if isinstance(event, Epoch):
            told["accuracy"].append(round(event.accuracy, 4))
            told["val_loss"].append(round(event.val_loss, 4))
            yield told
            if varied.reset and event.number == lead:
                learner.optimiser = make_optimiser(learner.model, experiment, device)
    yield {**told, "over_batches": round(over_batches(learner), 4)}


@torch.no_grad()
def over_batches(learner: Learner) -> float:
    """Accuracy as the notes' software prints it: the mean over batches of 256, of which the last has 16 pictures."""
    learner.model.eval()
    x, y = (torch.cat([getattr(batch, name) for batch in learner.data.valid_batches()]) for name in "xy")
    right = (learner.forward(part).argmax(1) == wanted for part, wanted in zip(x.split(256), y.split(256), strict=True))
    return float(np.mean([float(part.float().mean()) for part in right]))


def keep(told: dict[str, Any]) -> None:
    """Put a run among those that are kept, in place of an earlier one of the same kind."""

    def kind(row: dict[str, Any]) -> list[Any]:
        return [row["model"], row["varied"], row["seed"]]

    rows = json.loads(KEPT.read_text()) if KEPT.exists() else []
    rows = [*(row for row in rows if kind(row) != kind(told)), told]
    KEPT.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def main() -> None:
    """Every variation of every model named, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--only", nargs="+", default=[variation.name for variation in VARIATIONS])
    parser.add_argument("--until", type=int, default=0, help="the epoch after which a run is cut off")
    options = parser.parse_args()
    whole = cifar10.load()
    if whole.source.kind != "real":
        raise SystemExit(f"This would be measured on {whole.source.name}, not on CIFAR-10.")
    for key in options.models:
        for seed in options.seeds:
            for varied in (variation for variation in VARIATIONS if variation.name in options.only):
                for told in run(key, seed, varied, whole):
                    print(key, seed, varied.name, told["accuracy"], flush=True)
                    if len(told["accuracy"]) == options.until:
                        break
                keep(told)


if __name__ == "__main__":
    main()
