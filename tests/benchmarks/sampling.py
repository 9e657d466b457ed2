"""What sampling costs: our sampler over a bare loop over the model's cell.

    python -m tests.benchmarks.sampling --json

The reference feeds the prompt, then steps the state one character at a time, softmax and ``multinomial``, and
keeps the tokens: the least that any sampler of one text does. Ours is ``generate.sample``, which also keeps
every character's surprise, never draws ``<unk>``, and hands over each character as it comes. ``ratio``: the
median over alternated runs of one's time over the other's, the worst of the models; ``cpu``: in processor time.
"""

import argparse
import json
import statistics
import time

import torch

from explorer import devices
from explorer.data.vocabulary import Vocabulary
from explorer.experiment import Experiment
from explorer.models import generate
from explorer.models.sampling import Sampling

KEYS = ("gru", "lstm", "gru-cell")
PROMPT = "for thos"


@torch.no_grad()
def bare(model, vocabulary, length: int, seed: int) -> str:
    """The loop by hand."""
    place = next(model.parameters()).device
    generator = torch.Generator(place).manual_seed(seed)
    x = torch.from_numpy(vocabulary.encode(PROMPT))[:, None].to(place)
    state, text = None, []
    for _ in range(length):
        logits, state = model(x, state)
        x = torch.multinomial((logits[-1] / 0.8).softmax(-1), 1, generator=generator)
        text.append(vocabulary.itos[int(x)])
    return "".join(text)


def ours(model, vocabulary, length: int, seed: int) -> str:
    drawn = generate.sample(model, vocabulary, Sampling(PROMPT, length, 0.8, seed=seed))
    return "".join(character.text for character in drawn)


def measure(key: str, rounds: int, length: int) -> dict[str, float]:
    """Microseconds a character of both, and their ratio."""
    vocabulary = Vocabulary(("<unk>", "<pad>", *" etaonisrhldcufmpgywbvk,x-jqz.;"))
    torch.manual_seed(0)
    experiment = Experiment.of(key)
    model = experiment.rung.build(experiment, len(vocabulary)).to(devices.choose()).eval()
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    for number in range(rounds + 1):
        for name, work in (("ours", ours), ("bare", bare)) if number % 2 else (("bare", bare), ("ours", ours)):
            wall, cpu = time.perf_counter(), time.process_time()
            work(model, vocabulary, length, number)
            if number:
                times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    pairs = list(zip(times["ours"], times["bare"], strict=True))
    each = {name: statistics.median(wall for wall, _ in spent) / length * 1e6 for name, spent in times.items()}
    return {
        "ratio": round(statistics.median(ours[0] / bare[0] for ours, bare in pairs), 4),
        "cpu": round(statistics.median(ours[1] / bare[1] for ours, bare in pairs), 4),
        "ours_us": round(each["ours"], 1),
        "bare_us": round(each["bare"], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=30, help="alternations")
    parser.add_argument("--length", type=int, default=200, help="characters")
    options = parser.parse_args()
    found = {key: measure(key, options.rounds, options.length) for key in KEYS}
    result = {
        "ratio": max(model["ratio"] for model in found.values()),
        "compares": "generate.sample over a bare loop over the cell, time a character",
        **found,
        "device": devices.describe(),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
