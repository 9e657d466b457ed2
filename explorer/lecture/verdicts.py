"""What came out of a claim, as a sentence with its numbers; from the reduced form or from recorded full runs.

No torch here: the home page tells what the recorded runs say before torch is there.
"""

import functools
import itertools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer import paths
from explorer.ladders import UNTRAINED
from explorer.lecture.recorded import Recording, recording
from explorer.training.schedules import cycle_ends

if TYPE_CHECKING:
    from explorer.store.history import Snapshot

Values = Mapping[str, float]  #: what was measured, by name


@dataclass(frozen=True)
class Verdict:
    """What came out, in a sentence with its numbers; ``agrees`` is None where it depends, or is not over yet."""

    agrees: bool | None
    text: str


def _judge_reset(v: Values) -> Verdict:
    kept, lost = v["never.loss"], v["batch.loss"]
    return Verdict(
        lost > kept + 0.02,
        f"Kept, the state gives a training loss of {kept:.2f}; zeroed at every batch {lost:.2f} after as many steps.",
    )


def _judge_bptt(v: Values) -> Verdict:
    slower = v["64.seconds"] / v["8.seconds"]
    costs, better = slower > 1.5, v["8.val_loss"] - v["64.val_loss"]
    return Verdict(
        costs and better > 0,
        f"A step at bptt 64 took {slower:.1f} times as long as at 8 ({slower / 8:.2f} times a character), and after "
        f"as many steps validation loss was {v['64.val_loss']:.2f} against {v['8.val_loss']:.2f}."
        + (" On a GPU that is usual: a network this small waits to be told what to do." if not costs else ""),
    )


def _judge_explosion(v: Values) -> Verdict:
    high8, high64, low64 = (v[f"{name}.gradient"] for name in ("8 at 0.3", "64 at 0.3", "64 at 0.001"))
    return Verdict(
        high64 > 5 * high8,
        f"At a rate of 0.3 the largest gradient norm was {high64:,.0f} with bptt 64 and {high8:,.0f} with 8. At the "
        f"lecture's 0.001 nothing explodes: {low64:.1f} even with bptt 64.",
    )


def _recordings(*keys: str) -> dict[str, Recording]:
    """The recorded runs of all these rungs, or of none."""
    found = {key: run for key in keys if (run := recording(key)) is not None}
    return found if len(found) == len(keys) else {}


def recorded_memory() -> Values | None:
    """Best validation losses of the recorded RNN and GRU, nats."""
    runs = _recordings("stateful", "gru")
    return {f"{key}.val_loss": run.history.best_val_loss for key, run in runs.items()} or None


def _judge_memory(v: Values) -> Verdict:
    text, agrees = "", []
    if "gru.left" in v:
        ratio = v["gru.left"] / v["stateful.left"]
        text = f"Thirty characters back, the shipped GRU's gradient has {ratio:.0f} times as much left as the RNN's. "
        agrees.append(ratio > 1.5)
    if "gru.val_loss" in v:
        text += f"Recorded validation loss: GRU {v['gru.val_loss']:.3f}, RNN {v['stateful.val_loss']:.3f}."
        agrees.append(v["gru.val_loss"] < v["stateful.val_loss"])
    return Verdict(all(agrees), text.strip())


def restarts(history: "Snapshot", cycle_ends: tuple[int, ...]) -> Values:
    """Validation loss at each cycle's end and one epoch later, from a run's history."""
    by_epoch = {row.epoch: row.val_loss for row in history.epochs}
    found = {f"end {end}": by_epoch[end] for end in cycle_ends if end in by_epoch}
    return found | {f"after {end}": by_epoch[end + 1] for end in cycle_ends if end + 1 in by_epoch}


def _recorded_restarts() -> Values | None:
    run = recording("lstm")
    return restarts(run.history, cycle_ends(run.experiment)) if run else None


def _judge_restarts(v: Values) -> Verdict:
    ends = sorted(int(name[4:]) for name in v if name.startswith("end"))
    up = [v[f"after {end}"] > v[f"end {end}"] for end in ends if f"after {end}" in v]
    down = [v[f"end {b}"] < v[f"end {a}"] for a, b in itertools.pairwise(ends)]
    steps = " · ".join(
        f"{v[f'end {end}']:.3f}" + (f" ↑ {v[f'after {end}']:.3f}" if f"after {end}" in v else "") for end in ends
    )
    return Verdict(all(up) and all(down), f"Validation loss at the end of each cycle, and after the restart: {steps}.")


def _judge_weights(v: Values) -> Verdict:
    ratio = v["full.all"] / v["conv.all"]
    return Verdict(
        v["full.weights"] == 122_880 and v["conv.all"] == 560,
        f"Counted in the models: {v['full.weights']:,.0f} weights (the notes round to 122,800) against "
        f"{v['conv.all']:,.0f}, biases included: {ratio:,.0f} to 1.",
    )


def _judge_sides(v: Values) -> Verdict:
    sides = [int(v[name]) for name in sorted(v, key=int)]
    return Verdict(
        sides == [32, 15, 7, 3, 1],
        f"A picture sent through ConvNet measures {' → '.join(map(str, sides))} pixels a side; the last step is the "
        "pooling.",
    )


def _judge_deeper(v: Values) -> Verdict:
    slow, high, normed = v["8 at 0.003.loss"], v["8 at 0.3.loss"], v["8 with BatchNorm.loss"]
    high_words = f"{high:.2f}" if math.isfinite(high) else "no number any more"
    return Verdict(
        slow > UNTRAINED and high > UNTRAINED and normed < UNTRAINED,
        f"Eight layers, equally long: at 0.003 the loss is still {slow:.2f} and at 0.3 it is {high_words} (guessing "
        f"costs 2.30); with BatchNorm, at 0.03, {normed:.2f}.",
    )


def _judge_rate(v: Values) -> Verdict:
    plain = f"{v['plain.loss']:.2f}" if math.isfinite(v["plain.loss"]) else "no number any more"
    return Verdict(
        v["BatchNorm.loss"] < UNTRAINED < v["plain.loss"],
        f"Four layers at a rate of 0.3, equally long: training loss {v['BatchNorm.loss']:.2f} with BatchNorm, {plain} "
        "without (guessing costs 2.30).",
    )


def _judge_depth(v: Values) -> Verdict:
    shallow, deep = v["shallow.accuracy"], v["deep.accuracy"]
    return Verdict(
        deep <= shallow,
        f"Fair, same rate and steps: 3 layers {shallow:.1%} and a training loss of {v['shallow.loss']:.2f}, 15 layers "
        f"{deep:.1%} and {v['deep.loss']:.2f}.",
    )


def _judge_skip(v: Values) -> Verdict:
    deep, skips = v["deep.accuracy"], v["skips.accuracy"]
    return Verdict(
        skips > deep, f"15 layers, same rate and steps: {deep:.1%} without skip connections, {skips:.1%} with."
    )


def _judge_map(v: Values) -> Verdict:
    alone = v["photos"] < 2
    photos = "1 photo" if alone else f"{v['photos']:.0f} photos"
    return Verdict(
        None if alone else v["hottest"] < v["random"],
        f"{photos} of cats: probability of cat {v['whole']:.2f}; with the hottest 40 % greyed {v['hottest']:.2f}, with "
        f"as much greyed at random {v['random']:.2f}."
        + (" One photo says little: with the course's here, more of them are asked." if alone else ""),
    )


def _judge_last_batch(v: Values) -> Verdict:
    tiny, small, whole = (v[f"{size}.accuracy"] for size in (2, 16, 64))
    return Verdict(
        tiny < whole - 0.01,
        f"One network, evaluated with the statistics of one batch: of 2 pictures {tiny:.1%} right, of 16 {small:.1%}, "
        f"of 64 {whole:.1%}. It hurts when the last batch is small.",
    )


JUDGES: dict[str, Callable[[Values], Verdict]] = {
    "reset": _judge_reset,
    "bptt": _judge_bptt,
    "gru": _judge_memory,
    "explode": _judge_explosion,
    "restarts": _judge_restarts,
    "weights": _judge_weights,
    "stride": _judge_sides,
    "deeper": _judge_deeper,
    "rate": _judge_rate,
    "depth": _judge_depth,
    "skip": _judge_skip,
    "map": _judge_map,
    "last-batch": _judge_last_batch,
}  #: by a claim's id
RECORDED: dict[str, Callable[[], Values | None]] = {
    "gru": recorded_memory,
    "restarts": _recorded_restarts,
}  #: values of the recorded runs that ship with the weights, where they tell
CLAIMS = paths.WEIGHTS / "claims.json"  #: what came out of the others; by ``python -m weights.record_claims``


def judge(claim_id: str, values: Values) -> Verdict:
    """What was measured of a claim, in a sentence."""
    return JUDGES[claim_id](values)


@functools.lru_cache(maxsize=64)
def recorded_verdict(claim_id: str) -> Verdict | None:
    """What came out of a claim in its recorded full run; None where none ships."""
    if claim_id in RECORDED:
        values = RECORDED[claim_id]()
        return judge(claim_id, values) if values else None
    told = _told().get(claim_id)
    return Verdict(told["agrees"], told["text"]) if told else None


@functools.cache
def _told() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(CLAIMS.read_text()) if CLAIMS.exists() else {}
    return told
