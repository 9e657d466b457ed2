"""The lecture's claims as data: what is claimed, where it is said, how to make it happen, what came out.

Every claim has two sizes. *Make it happen* opens a page with the settings set and the run started. ``measure``
is the reduced form: seconds on a CPU, on the same data; the home page runs it on a click and the tests run it
always. ``verdict`` turns what was measured into a sentence, and says whether it agrees with the lecture.

No torch at import: measuring imports it.
"""

import dataclasses
import functools
import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.experiment import Experiment
from explorer.lecture.recorded import recording

if TYPE_CHECKING:
    from explorer.runs.history import Snapshot
    from explorer.training.learner import Learner

Values = Mapping[str, float]
Tick = Callable[[float], Any]  #: told the share done between two steps; may raise to stop
GUESSING = 2.2  #: nats a picture; ln 10 = 2.303 is what guessing all ten classes alike costs
TRAIN, VALID = 60_000, 20_000  #: characters of the reduced text
IMAGES, PICTURES = 2_000, 1_000  #: training and validation pictures of the reduced set


@dataclass(frozen=True)
class Verdict:
    """What came out, in a sentence with its numbers; ``agrees`` is None where it depends."""

    agrees: bool | None
    text: str


@dataclass(frozen=True)
class Claim:
    """One claim of the lecture."""

    id: str
    title: str  #: the claim in our words, one line
    group: str  #: the heading it stands under
    quote: str  #: the notes' own words
    line: int  #: where they stand in the notes, for who has them beside the app
    page: str  #: char_rnn, cifar10, batchnorm or cam
    look: str  #: what to look at there
    measure: Callable[[Tick], Values]  #: the reduced form
    verdict: Callable[[Values], Verdict]
    seconds: int  #: about how long measuring takes on two CPU cores
    model: str = ""  #: the rung to train there
    preset: str = "lecture"
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: the sliders to move
    race: str = ""  #: the race preset of explorer.lecture.races to start instead of a run
    recorded: Callable[[], Values | None] = lambda: None  #: values of recorded full runs, where they tell
    caution: str = ""  #: what the reduced form cannot show

    @property
    def experiment(self) -> Experiment | None:
        """What *make it happen* trains; None where there is a race or nothing to train."""
        return Experiment.of(self.model, self.preset, **self.changes) if self.model else None


# -- measuring -----------------------------------------------------------------------------------------


def _text_learner(experiment: Experiment, train: int = TRAIN) -> "Learner":
    """A learner on the beginning of the text, so that an epoch takes a second."""
    from explorer import devices
    from explorer.data import text
    from explorer.training import prepare

    whole = text.load(experiment.data)
    cut = dataclasses.replace(whole, train=whole.train[:train], valid=whole.valid[:VALID])
    return prepare.learner_for(experiment, data=text.TextData(cut, experiment, devices.choose()))


def _picture_learner(experiment: Experiment) -> "Learner":
    """A learner that validates on a tenth of the pictures, as many of each class."""
    from explorer.training import prepare

    learner = prepare.learner_for(experiment)
    every = max(1, len(learner.data.valid_y) // PICTURES)
    learner.data.valid_x, learner.data.valid_y = learner.data.valid_x[::every], learner.data.valid_y[::every]
    return learner


def _learner(experiment: Experiment) -> "Learner":
    return (_text_learner if experiment.rung.ladder == "language" else _picture_learner)(experiment)


def _train(learner: "Learner", rate: float, steps: int, tick: Tick) -> dict[str, float]:
    """``steps`` steps at one rate: losses (nats), largest gradient norm, seconds a step; ends where it breaks."""
    from explorer.probes.gradients import endless

    learner.watch_gradients = learner.recurrent
    losses, largest = [], 0.0
    batches, started = endless(learner), time.perf_counter()
    for number in range(steps):
        learner.model.train()
        step = learner.train_batch(next(batches), rate)
        losses.append(float(step.loss))
        if step.grad_norm is not None:
            largest = max(largest, float(step.grad_norm))
        if not math.isfinite(losses[-1]):
            break
        tick((number + 1) / steps)
    seconds = (time.perf_counter() - started) / len(losses)
    last = losses[-max(1, len(losses) // 6) :]
    end = sum(last) / len(last)
    return {"loss": end if math.isfinite(end) else math.inf, "gradient": largest, "seconds": seconds}


def _arms(arms: Mapping[str, Experiment], steps: int, tick: Tick, validate: bool = False) -> dict[str, float]:
    """Train each experiment equally long from the same seed; ``"arm.what"`` → value."""
    found: dict[str, float] = {}
    for place, (name, experiment) in enumerate(arms.items()):
        learner = _learner(experiment)
        values = _train(learner, experiment.lr, steps, lambda share, at=place: tick((at + share) / len(arms)))
        if validate:
            values["val_loss"], values["accuracy"] = learner.evaluate()
        found |= {f"{name}.{what}": value for what, value in values.items()}
    return found


def _rnn(**changes: Any) -> Experiment:
    return Experiment.of("stateful", **{"hidden": 128, "lr": 5e-3, "schedule": "constant", **changes})


def _stages(**changes: Any) -> Experiment:
    settings = dict(
        widths="8,16,32,64",
        stem=0,
        depth=1,
        norm="none",
        skip=False,
        images=IMAGES,
        augment=False,
        batch_size=64,
        lr=0.03,
        schedule="constant",
    )
    return Experiment.of("builder", **{**settings, **changes})


def _measure_reset(tick: Tick) -> Values:
    return _arms({"never": _rnn(), "batch": _rnn(reset="batch")}, 250, tick, validate=True)


def _judge_reset(v: Values) -> Verdict:
    kept, lost = v["never.loss"], v["batch.loss"]
    return Verdict(
        lost > kept + 0.02,
        f"Kept, the state gives a training loss of {kept:.2f}; zeroed at every batch {lost:.2f} after as many steps.",
    )


def _measure_bptt(tick: Tick) -> Values:
    short, long = _rnn(bptt=8, jitter=False, lr=3e-3), _rnn(bptt=64, jitter=False, lr=3e-3)
    return _arms({"8": short, "64": long}, 80, tick, validate=True)


def _judge_bptt(v: Values) -> Verdict:
    slower = v["64.seconds"] / v["8.seconds"]
    better = v["8.val_loss"] - v["64.val_loss"]
    return Verdict(
        slower > 1.5 and better > 0,
        f"A step at bptt 64 took {slower:.1f} times as long as at 8 ({slower / 8:.2f} times a character), and after "
        f"as many steps validation loss was {v['64.val_loss']:.2f} against {v['8.val_loss']:.2f}.",
    )


def _measure_explosion(tick: Tick) -> Values:
    high = {f"{bptt} at 0.3": _rnn(bptt=bptt, jitter=False, lr=0.3) for bptt in (8, 64)}
    return _arms(high | {"64 at 0.001": _rnn(bptt=64, jitter=False, lr=1e-3)}, 40, tick)


def _judge_explosion(v: Values) -> Verdict:
    high8, high64, low64 = (v[f"{name}.gradient"] for name in ("8 at 0.3", "64 at 0.3", "64 at 0.001"))
    return Verdict(
        high64 > 5 * high8,
        f"At a rate of 0.3 the largest gradient norm was {high64:,.0f} with bptt 64 and {high8:,.0f} with 8. At the "
        f"lecture's 0.001 nothing explodes: {low64:.1f} even with bptt 64.",
    )


def _measure_memory(tick: Tick) -> Values:
    from explorer import paths
    from explorer.probes import gradients
    from explorer.training import prepare

    found: dict[str, float] = {}
    for place, key in enumerate(("stateful", "gru")):
        learner = prepare.learner_for(Experiment.of(key), paths.WEIGHTS / f"{key}.safetensors")
        tick((place + 0.5) / 2)
        curve = gradients.reach(learner.model, learner.data.valid, lags=60, samples=64)
        found[f"{key}.left"] = float(curve.hidden[30] / curve.hidden[0])
        found[f"{key}.horizon"] = float(curve.horizon())
    tick(1.0)
    return found | dict(_recorded_memory() or {})


def _recorded_memory() -> Values | None:
    runs = {key: recording(key) for key in ("stateful", "gru")}
    if not all(runs.values()):
        return None
    return {f"{key}.val_loss": run.history.best_val_loss for key, run in runs.items()}


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


def _measure_restarts(tick: Tick) -> Values:
    from explorer.training.learner import Epoch
    from explorer.training.schedules import plan

    experiment = Experiment.of("lstm", "small", hidden=64, epochs=5, batch_size=16, bptt=16, jitter=False, lr=3e-2)
    learner = _text_learner(experiment, 30_000)
    schedule, rows = plan(experiment), {}
    total = schedule.epochs * learner.data.steps_per_epoch
    for event in learner.steps(schedule):
        if isinstance(event, Epoch):
            rows[event.number] = event.val_loss
        else:
            tick(min(1.0, event.number / total))
    return {"end 3": rows[3], "after 3": rows[4], "end 5": rows[5]}


def _recorded_restarts() -> Values | None:
    run = recording("lstm")
    lead = run.experiment.lead_epochs if run else 0
    return restarts(run.history, (lead + 1, lead + 3, lead + 7, lead + 15)) if run else None


def _judge_restarts(v: Values) -> Verdict:
    ends = sorted(int(name[4:]) for name in v if name.startswith("end"))
    up = [v[f"after {end}"] > v[f"end {end}"] for end in ends if f"after {end}" in v]
    down = [v[f"end {b}"] < v[f"end {a}"] for a, b in itertools.pairwise(ends)]
    steps = " · ".join(
        f"{v[f'end {end}']:.3f}" + (f" ↑ {v[f'after {end}']:.3f}" if f"after {end}" in v else "") for end in ends
    )
    return Verdict(all(up) and all(down), f"Validation loss at the end of each cycle, and after the restart: {steps}.")


def _measure_weights(tick: Tick) -> Values:
    from explorer.models.summary import summarise

    def first(key: str) -> int:
        model = Experiment.of(key).rung.build(Experiment.of(key))
        row = summarise(model, (3, 32, 32))[0]
        return row.parameters

    full = Experiment.of("simplenet").rung.build(Experiment.of("simplenet"))
    tick(1.0)
    return {
        "full.weights": float(next(full.parameters()).numel()),
        "full.all": float(first("simplenet")),
        "conv.all": float(first("convnet")),
    }


def _judge_weights(v: Values) -> Verdict:
    ratio = v["full.all"] / v["conv.all"]
    return Verdict(
        v["full.weights"] == 122_880 and v["conv.all"] == 560,
        f"Counted in the models: {v['full.weights']:,.0f} weights (the notes round to 122,800) against "
        f"{v['conv.all']:,.0f}, biases included: {ratio:,.0f} to 1.",
    )


def _measure_sides(tick: Tick) -> Values:
    from explorer.models.summary import summarise

    experiment = Experiment.of("convnet")
    rows = summarise(experiment.rung.build(experiment), (3, 32, 32))
    sides = [rows[0].input[-1], *(row.output[-1] for row in rows if len(row.output) == 3)]
    tick(1.0)
    return {str(place): float(side) for place, side in enumerate(sides)}


def _judge_sides(v: Values) -> Verdict:
    sides = [int(v[name]) for name in sorted(v, key=int)]
    return Verdict(
        sides == [32, 15, 7, 3, 1],
        f"A picture sent through ConvNet measures {' → '.join(map(str, sides))} pixels a side; the last step is the "
        "pooling.",
    )


def _measure_deeper(tick: Tick) -> Values:
    arms = {
        "8 at 0.003": _stages(depth=2, lr=0.003),
        "8 at 0.3": _stages(depth=2, lr=0.3),
        "8 with BatchNorm": _stages(depth=2, norm="running"),
    }
    return _arms(arms, 60, tick)


def _judge_deeper(v: Values) -> Verdict:
    slow, high, normed = v["8 at 0.003.loss"], v["8 at 0.3.loss"], v["8 with BatchNorm.loss"]
    high_words = f"{high:.2f}" if math.isfinite(high) else "no number any more"
    return Verdict(
        slow > GUESSING and high > GUESSING and normed < GUESSING,
        f"Eight layers, equally long: at 0.003 the loss is still {slow:.2f} and at 0.3 it is {high_words} (guessing "
        f"costs 2.30); with BatchNorm, at 0.03, {normed:.2f}.",
    )


def _measure_rate(tick: Tick) -> Values:
    arms = {"plain": _stages(lr=0.3), "BatchNorm": _stages(lr=0.3, norm="running")}
    return _arms(arms, 60, tick)


def _judge_rate(v: Values) -> Verdict:
    plain = f"{v['plain.loss']:.2f}" if math.isfinite(v["plain.loss"]) else "no number any more"
    return Verdict(
        v["BatchNorm.loss"] < GUESSING < v["plain.loss"],
        f"Four layers at a rate of 0.3, equally long: training loss {v['BatchNorm.loss']:.2f} with BatchNorm, {plain} "
        "without (guessing costs 2.30).",
    )


def _depths(tick: Tick, arms: tuple[str, ...], steps: int) -> Values:
    made = {
        "shallow": _stages(widths="8,16,32", norm="running", lr=5e-3),
        "deep": _stages(widths="8,16,32", norm="running", lr=5e-3, depth=5),
        "skips": _stages(widths="8,16,32", norm="running", lr=5e-3, depth=5, skip=True),
    }
    return _arms({name: made[name] for name in arms}, steps, tick, validate=True)


def _measure_depth(tick: Tick) -> Values:
    return _depths(tick, ("shallow", "deep"), 60)


def _recorded_accuracies(*keys: str) -> Values | None:
    """Best accuracy and epochs of recorded runs."""
    runs = {key: recording(key) for key in keys}
    if not all(runs.values()):
        return None
    found = {f"{key}.best": run.history.best_accuracy for key, run in runs.items()}
    return found | {f"{key}.epochs": float(run.experiment.total_epochs) for key, run in runs.items()}


def _judge_depth(v: Values) -> Verdict:
    if "bn.best" in v:
        return Verdict(
            None,
            f"{v['bn.best']:.1%} after {v['bn.epochs']:.0f} epochs, twice as deep {v['deep-bn.best']:.1%} after "
            f"{v['deep-bn.epochs']:.0f}. Each has its own schedule, so this is no fair race either.",
        )
    shallow, deep = v["shallow.accuracy"], v["deep.accuracy"]
    return Verdict(
        deep <= shallow,
        f"Fair, same rate and steps: 3 layers {shallow:.1%} and a training loss of {v['shallow.loss']:.2f}, 15 layers "
        f"{deep:.1%} and {v['deep.loss']:.2f}.",
    )


def _measure_skip(tick: Tick) -> Values:
    return _depths(tick, ("deep", "skips"), 140)


def _judge_skip(v: Values) -> Verdict:
    if "resnet.best" in v:
        return Verdict(
            None,
            f"{v['deep-bn.best']:.1%} after {v['deep-bn.epochs']:.0f} epochs; with skip connections and a third layer "
            f"a stage {v['resnet.best']:.1%} after {v['resnet.epochs']:.0f}. Each has its own schedule: race them.",
        )
    deep, skips = v["deep.accuracy"], v["skips.accuracy"]
    return Verdict(
        skips > deep, f"15 layers, same rate and steps: {deep:.1%} without skip connections, {skips:.1%} with."
    )


def _measure_map(tick: Tick) -> Values:
    import numpy as np

    from explorer.cam.classifier import shipped
    from explorer.cam.explain import explain
    from explorer.cam.truth import deletion_curve
    from explorer.data import dogscats

    network, rows = shipped(), []
    photos = [p for p in dogscats.here().photos("valid", 3) if p.label == "cats"]
    for place, photo in enumerate(photos):
        found = explain(network, photo)
        curve = deletion_curve(network, photo, found, shares=(0.4,), tries=3)
        rows.append((curve.hottest[0], curve.hottest[1], curve.random[1]))
        tick((place + 1) / len(photos))
    whole, hottest, random = np.mean(rows, axis=0)
    return {"whole": float(whole), "hottest": float(hottest), "random": float(random), "photos": float(len(rows))}


def _judge_map(v: Values) -> Verdict:
    return Verdict(
        v["hottest"] < v["random"],
        f"{v['photos']:.0f} photos of cats: probability of cat {v['whole']:.2f}; with the hottest 40 % greyed "
        f"{v['hottest']:.2f}, with as much greyed at random {v['random']:.2f}.",
    )


def _measure_last_batch(tick: Tick) -> Values:
    import torch

    learner = _picture_learner(_stages(norm="lecture", widths="8,16,32"))
    _train(learner, 0.03, 62, lambda share: tick(0.8 * share))
    generator, found = torch.Generator().manual_seed(0), {}
    batch = next(iter(learner.data.train_batches(generator)))
    for place, size in enumerate((2, 16, 64)):
        accuracies = []
        for start in range(4):
            learner.model.train()
            with torch.no_grad():
                learner.model(batch.x[(start * size) % 64 :][:size])
            accuracies.append(learner.evaluate()[1])
        found[f"{size}.accuracy"] = sum(accuracies) / len(accuracies)
        tick(0.8 + 0.2 * (place + 1) / 3)
    return found


def _judge_last_batch(v: Values) -> Verdict:
    tiny, small, whole = (v[f"{size}.accuracy"] for size in (2, 16, 64))
    return Verdict(
        tiny < whole - 0.01,
        f"One network, evaluated with the statistics of one batch: of 2 pictures {tiny:.1%} right, of 16 {small:.1%}, "
        f"of 64 {whole:.1%}. It hurts when the last batch is small.",
    )


# -- the claims ----------------------------------------------------------------------------------------

MEMORY, GRADIENTS, PICTURES_, DEPTH, MAPS = "Memory", "Gradients and rates", "Convolutions", "Depth", "Looking inside"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "reset",
        "Resetting the state each time loses what was learned",
        MEMORY,
        "every time we call “forward” we are resetting our activation values back to zero. We are losing some "
        "information.",
        142,
        "char_rnn",
        "Both curves stay above the dashed line, which is the lecture's validation loss. Set *Reset the hidden state* "
        "back to *never* and train again: they come down to it.",
        _measure_reset,
        _judge_reset,
        6,
        "stateful",
        "forgetful",
        {"epochs": 2, "schedule": "constant"},
    ),
    Claim(
        "bptt",
        "Longer bptt costs time and buys memory",
        MEMORY,
        "If you are concerned with speed, you may want to adjust bptt.",
        190,
        "char_rnn",
        "Steps a second fall, and each step lowers the loss more. An epoch has fewer of them.",
        _measure_bptt,
        _judge_bptt,
        8,
        "stateful",
        "long memory",
        {"epochs": 2, "schedule": "constant"},
        caution="The longer batch also read eight times the text in as many steps.",
    ),
    Claim(
        "gru",
        "A GRU keeps what an RNN forgets",
        MEMORY,
        "z-gate - do we use the hidden state as-is, or the updated hidden state.",
        348,
        "char_rnn",
        "Validation loss against the stateful RNN's 1.54 in the lecture; then let both write.",
        _measure_memory,
        _judge_memory,
        4,
        "gru",
        changes={"epochs": 3, "schedule": "constant"},
        recorded=_recorded_memory,
    ),
    Claim(
        "explode",
        "Gradients through long history explode",
        GRADIENTS,
        "Another reason not to backprop all the way back is because of exploding gradients; more layers, more chances "
        "the gradients will go through the roof.",
        178,
        "char_rnn",
        "The loss jumps up or stops being a number. Set *Clip gradients* to 1 while it runs: it calms down.",
        _measure_explosion,
        _judge_explosion,
        10,
        "stateful",
        "rate too high",
        {"bptt": 64, "jitter": False, "lr": 0.3},
    ),
    Claim(
        "restarts",
        "Restarts push the loss up, and then lower than before",
        GRADIENTS,
        "len(md.trn_dl) - how often to reset",
        450,
        "char_rnn",
        "The learning rate jumps back up and the loss with it; at the end of the next cycle it is lower.",
        _measure_restarts,
        _judge_restarts,
        8,
        "lstm",
        "small",
        {"lr": 2e-2, "epochs": 7, "bptt": 32},
        recorded=_recorded_restarts,
    ),
    Claim(
        "weights",
        "Fully connected: 122,880 weights. A convolution: 560",
        PICTURES_,
        "fully connected layer - is really doing a dot product. Previously 122800 is a weight for every pixel, which "
        "isn’t that useful.",
        663,
        "cifar10",
        "*The network* lists the parameters of every layer; then compare accuracies.",
        _measure_weights,
        _judge_weights,
        1,
        "simplenet",
        changes={"images": 10_000},
    ),
    Claim(
        "stride",
        "Stride 2 halves: 32 → 15 → 7 → 3 → 1",
        PICTURES_,
        "32 -> 15 -> 7 -> 3 -> 1",
        691,
        "cifar10",
        "The drawing in *The network* follows: widths, stem and depth change the sides.",
        _measure_sides,
        _judge_sides,
        1,
        "convnet",
        changes={"images": 10_000},
    ),
    Claim(
        "deeper",
        "Deeper without BatchNorm: slow at a small rate, unstable at a large one",
        DEPTH,
        "When we tried to add more layers we had problems training it. If i had smaller learning rates, it took "
        "forever. If we made larger learning rates, it would become unstable.",
        765,
        "batchnorm",
        "The deep network's activations shrink towards nothing from layer to layer, and its loss stays at 2.30.",
        _measure_deeper,
        _judge_deeper,
        12,
        race="deeper",
    ),
    Claim(
        "rate",
        "BatchNorm allows the larger rate",
        DEPTH,
        "This increases resiliency and let’s us increase the learning rate and more learning rates.",
        782,
        "batchnorm",
        "Of the four networks, which one still learns at ten times the rate?",
        _measure_rate,
        _judge_rate,
        5,
        race="ten-times",
    ),
    Claim(
        "depth",
        "Just deeper does not help",
        DEPTH,
        "Turns out that we are so deep that even batchnorm won’t help us at all",
        896,
        "batchnorm",
        "The lecture compared 0.655 after 4 epochs at 0.01 with 0.682 after 6 at up to 0.1. Here all have the same "
        "rate, epochs and seed.",
        _measure_depth,
        _judge_depth,
        9,
        race="fair",
        recorded=lambda: _recorded_accuracies("bn", "deep-bn"),
        caution="Short runs punish depth; the fair race on all pictures is the real answer.",
    ),
    Claim(
        "skip",
        "Skip connections do",
        DEPTH,
        "ResNet block: we are adding the original signal along with the convolution of the input: y = x + f(x)",
        900,
        "batchnorm",
        "The deep network with skip connections against the same one without.",
        _measure_skip,
        _judge_skip,
        10,
        race="skip",
        recorded=lambda: _recorded_accuracies("deep-bn", "resnet"),
    ),
    Claim(
        "map",
        "The last layer's heat map says where the cat is",
        MAPS,
        "The last layer averaged out the ‘cattiness’ of the pixels’, so if we go up a layer above.",
        1223,
        "cam",
        "The map over the photo; then *Is it telling the truth?* greys the hottest parts and asks again.",
        _measure_map,
        _judge_map,
        5,
    ),
    Claim(
        "last-batch",
        "The lecture's BnLayer keeps the last batch's statistics",
        MAPS,
        "fastai is the only library that currently leaves these values alone unless specified.",
        805,
        "cifar10",
        "Validation accuracy jumps about from epoch to epoch. Set *Normalisation* to *running* and it settles.",
        _measure_last_batch,
        _judge_last_batch,
        5,
        "bn",
        changes={"images": 10_000, "batch_size": 37, "epochs": 4},
        caution="With 256 pictures in a batch it costs less than a point.",
    ),
)
BY_ID = {claim.id: claim for claim in CLAIMS}
GROUPS = tuple(dict.fromkeys(claim.group for claim in CLAIMS))


@functools.lru_cache(maxsize=64)
def recorded_verdict(claim_id: str) -> Verdict | None:
    """What the recorded full runs say about a claim; None where they say nothing."""
    claim = BY_ID[claim_id]
    values = claim.recorded()
    return claim.verdict(values) if values else None


def measure(claim: Claim, tick: Tick = lambda share: None) -> tuple[Values, Verdict]:
    """Run the reduced form and judge it.

    Raises:
        ExplorerError: the data or weights it needs cannot be used.
    """
    values = dict(claim.measure(tick))
    return values, claim.verdict(values)
