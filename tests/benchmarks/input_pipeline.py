"""How much faster an epoch is than with ``ImageFolder`` and ``DataLoader``: same pictures, network and optimiser.

``python -m tests.benchmarks.input_pipeline --json`` prints one line. Both ways train the lecture's ConvNet with
its augmentation, epoch about epoch in one run, so that whatever else the machine does slows both. The reference
is given warm workers that stay alive between epochs.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from explorer import devices
from explorer.data import SIDE, cifar10
from explorer.data.pictures import MEAN, PAD, STD, VisionData, balanced
from explorer.experiment import Experiment

WORKERS = 2


def write_folder(x: np.ndarray, y: np.ndarray, folder: Path) -> None:
    """The pictures as PNG files, one folder a class."""
    for number, (picture, label) in enumerate(zip(x, y, strict=True)):
        path = folder / cifar10.FOLDERS[label] / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(path)


def reference_loader(folder: Path, batch_size: int, pin: bool) -> torch.utils.data.DataLoader:
    """What the course's library amounts to today: files, workers, a transform a picture."""
    from torchvision import datasets, transforms

    steps = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomCrop(SIDE, padding=PAD, padding_mode="symmetric"),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return torch.utils.data.DataLoader(
        datasets.ImageFolder(folder, steps),
        batch_size,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        pin_memory=pin,
    )


def trainer(experiment: Experiment, device: torch.device) -> Callable[[Iterable], float]:
    """A function that trains one epoch on (x, y) batches and returns its seconds."""
    torch.manual_seed(0)
    model = experiment.rung.build(experiment).to(device)
    optimiser = torch.optim.SGD(model.parameters(), experiment.lr, momentum=0.9)

    def epoch(batches: Iterable) -> float:
        started = time.perf_counter()
        for x, y in batches:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            loss = F.cross_entropy(model(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        loss.item()  # waits for the device
        return time.perf_counter() - started

    return epoch


def measure(pictures: int, rounds: int) -> dict:
    """The benchmark's figures; ``ratio`` is the reference's seconds an epoch over ours, the best of each."""
    experiment, device = Experiment.of("convnet").replace(images=pictures), devices.choose()
    found = cifar10.load()
    chosen = balanced(found.train_y, pictures)
    data = VisionData(found, experiment, device)
    ours, theirs = trainer(experiment, device), trainer(experiment, device)
    generator = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        write_folder(found.train_x[chosen], found.train_y[chosen], Path(folder))
        loader = reference_loader(Path(folder), experiment.batch_size, device.type == "cuda")
        seconds: dict[str, list[float]] = {"ours": [], "reference": []}
        for _ in range(rounds + 1):
            seconds["reference"].append(theirs(loader))
            seconds["ours"].append(ours((batch.x, batch.y) for batch in data.train_batches(generator)))
        del loader
    best = {name: min(times[1:]) for name, times in seconds.items()}  # the first warms up
    return {
        "benchmark": "input_pipeline",
        "ratio": round(best["reference"] / best["ours"], 2),
        "ours_pictures_per_s": round(len(chosen) / best["ours"]),
        "reference_pictures_per_s": round(len(chosen) / best["reference"]),
        "compared": f"training epochs of ConvNet, batches of {experiment.batch_size}, with flip and crop: one uint8 "
        f"tensor against ImageFolder + DataLoader({WORKERS} workers) + torchvision transforms",
        "pictures": len(chosen),
        "rounds": rounds,
        "source": found.source.name,
        "device": devices.describe(),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--pictures", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    figures = measure(options.pictures, options.rounds)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
