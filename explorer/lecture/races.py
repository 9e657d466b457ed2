"""The lecture's claims about depth, BatchNorm and skip connections, as races; what came out is measured, not told."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from explorer.experiment import Experiment, Norm
from explorer.ladders import UNTRAINED
from explorer.lecture.claims import BY_ID
from explorer.lecture.verdicts import Verdict
from explorer.runs.race import LaneView, RaceView

CLEAR = 0.03  #: nats; runs that differ by less are called equal


@dataclass(frozen=True)
class Preset:
    """A claim and the race that tests it."""

    key: str
    title: str
    claim: str
    words: str  #: the lecture's own
    note: str  #: what is compared, and how fairly
    experiments: Mapping[str, Experiment]
    judge: Callable[[RaceView], Verdict]
    seconds: int  #: about how long on two CPU cores

    def race(self, **changes: Any) -> dict[str, Experiment]:
        """The experiments, with ``changes`` (``images``, ``epochs``, ``seed``, …) made to all alike."""
        return {name: experiment.replace(**changes) for name, experiment in self.experiments.items()}

    def verdict(self, race: RaceView, numbers: bool = True) -> Verdict:
        """What the race says so far; judged only when it has finished. ``numbers``: with what it was judged by."""
        if any(len(lane.history) == 0 for lane in race.lanes):
            return Verdict(None, "")
        measured = ", ".join(f"{lane.name}: {_loss(lane)}" for lane in race.lanes)
        if not race.finished:
            return Verdict(None, f"So far, in training loss: {measured}.")
        found = self.judge(race)
        return (
            Verdict(found.agrees, f"{found.text} Training loss at the end, in nats: {measured}.") if numbers else found
        )


def _loss(lane: LaneView) -> str:
    return f"broke at step {lane.broke.step}" if lane.broke else f"{lane.final_loss:.2f}"


def _quick(**changes: Any) -> Experiment:
    """A small network that shows the effect in under a minute, without schedule or augmentation."""
    settings = dict(
        widths="16,32,64,128",
        stem=0,
        depth=1,
        norm=Norm.NONE,
        skip=False,
        images=10_000,
        augment=False,
        batch_size=64,
        lr=0.03,
        schedule="constant",
        epochs=2,
    )
    return Experiment.of("builder", **{**settings, **changes})


def _deeper(race: RaceView) -> Verdict:
    shallow, deep, normed = race.lanes
    stuck, trained = deep.final_loss > UNTRAINED, normed.final_loss < UNTRAINED
    if stuck and trained and shallow.final_loss < UNTRAINED:
        return Verdict(
            True, "As the lecture says: twice as deep, the plain network learns nothing; with BatchNorm it does."
        )
    if not stuck:
        return Verdict(False, "Not here: the deep network without BatchNorm trained too, only later or worse.")
    return Verdict(False, "Not here: at this rate one of the others did not train either.")


def _ten_times(race: RaceView) -> Verdict:
    plain, plain_high, _, normed_high = race.lanes
    if normed_high.final_loss < UNTRAINED < plain_high.final_loss:
        more = "" if plain.final_loss < UNTRAINED else " (Without it even the low rate did not train.)"
        return Verdict(True, f"As the lecture says: at ten times the rate only the one with BatchNorm trains.{more}")
    if plain_high.final_loss < UNTRAINED:
        return Verdict(False, "Not here: the network without BatchNorm trained at the high rate as well.")
    return Verdict(False, "Not here: ten times the rate was too much even with BatchNorm.")


def _skip(race: RaceView) -> Verdict:
    """The last two networks are equally deep, without and with skip connections; the first is shallow."""
    shallow, deep, skip = race.lanes[0], race.lanes[-2], race.lanes[-1]
    deeper_helps = deep.final_loss < shallow.final_loss - CLEAR
    skip_helps = skip.final_loss < deep.final_loss - CLEAR
    first = "Deeper helped here, against the lecture" if deeper_helps else "Just deeper did not help"
    if not skip_helps:
        return Verdict(False, f"{first}; and skip connections did not make the deep network better in so few steps.")
    ahead = "ahead of" if skip.final_loss < shallow.final_loss else "but not yet ahead of"
    return Verdict(not deeper_helps, f"{first}; skip connections did help the deep network, {ahead} the shallow one.")


def _accuracies(race: RaceView, fair: bool) -> Verdict:
    shallow, deep, resnet = (lane.history.best_accuracy for lane in race.lanes)
    said = f"Validation accuracy {shallow:.1%} → twice as deep {deep:.1%} → ResNet {resnet:.1%}."
    held = bool(deep <= shallow < resnet)
    if held:
        return Verdict(True, f"As in the lecture's notes, depth alone did not help and the ResNet did. {said}")
    if deep > shallow:
        why = "at the same rate and epochs" if fair else "even with its shorter, slower schedule"
        return Verdict(False, f"Against the notes: twice as deep was better, {why}. {said}")
    return Verdict(False, f"Depth alone did not help, as in the notes, but the ResNet was not better either. {said}")


def _same(depth: int, skip: bool = False) -> Experiment:
    return Experiment.of(
        "builder", depth=depth, skip=skip, norm=Norm.LECTURE, lr=3e-2, epochs=4, schedule="cosine", cycle_len=4
    )


PRESETS: tuple[Preset, ...] = (
    Preset(
        "deeper",
        "Deeper, without BatchNorm",
        "A deeper network without BatchNorm does not train.",
        BY_ID["deeper"].quote,
        "Same rate, batches and seed. Watch the deep network's spread shrink to nothing.",
        {"4 layers": _quick(), "8 layers": _quick(depth=2), "8 layers, BatchNorm": _quick(depth=2, norm=Norm.RUNNING)},
        _deeper,
        30,
    ),
    Preset(
        "ten-times",
        "Ten times the rate",
        "BatchNorm takes a ten times higher learning rate.",
        BY_ID["rate"].quote,
        "The same four layers, batches and seed, at 0.03 and at 0.3.",
        {
            "plain, 0.03": _quick(),
            "plain, 0.3": _quick(lr=0.3),
            "BatchNorm, 0.03": _quick(norm=Norm.RUNNING),
            "BatchNorm, 0.3": _quick(norm=Norm.RUNNING, lr=0.3),
        },
        _ten_times,
        30,
    ),
    Preset(
        "skip",
        "Just deeper, or with skips",
        "Just deeper does not help; skip connections do.",
        f"{BY_ID['depth'].quote} … we are adding the original signal along with the convolution of the input.",
        "Fair: same rate, batches, epochs and seed, BatchNorm everywhere. Judged by training loss, since a deeper "
        "network that trains worse is the puzzle that residual networks solved (He et al. 2015).",
        {
            "3 layers": _quick(widths="8,16,32", norm=Norm.RUNNING, lr=5e-3, epochs=4),
            "18 layers": _quick(widths="8,16,32", norm=Norm.RUNNING, lr=5e-3, epochs=4, depth=6),
            "18 layers, skips": _quick(widths="8,16,32", norm=Norm.RUNNING, lr=5e-3, epochs=4, depth=6, skip=True),
        },
        _skip,
        40,
    ),
    Preset(
        "notes",
        "The notes' own comparison",
        "Deep BatchNorm 0.65, so depth does not help; ResNet 0.71.",
        f"Now the this is twice as deep, an should be able to help us out … {BY_ID['depth'].quote}",
        "Not fair: 0.68 came from 6 epochs at up to 0.1, 0.65 from 4 epochs at 0.01, 0.71 from 9 epochs. The same "
        "recipes here.",
        {"ConvBnNet": Experiment.of("bn"), "ConvBnNet2": Experiment.of("deep-bn"), "Resnet": Experiment.of("resnet")},
        functools.partial(_accuracies, fair=False),
        330,
    ),
    Preset(
        "fair",
        "The same, fairly",
        "At the same rate, epochs and seed: does depth help, do skip connections?",
        BY_ID["depth"].quote,
        "The notes' three networks, all with 4 epochs of one cosine from 0.03, no weight decay. One seed is one "
        "draw: run it with others too.",
        {"ConvBnNet": _same(1), "ConvBnNet2": _same(2), "Resnet": _same(3, skip=True)},
        functools.partial(_accuracies, fair=True),
        200,
    ),
)
BY_KEY = {preset.key: preset for preset in PRESETS}
