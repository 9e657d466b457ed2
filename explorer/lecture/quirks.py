"""What the notes' code really does: "Did you notice?" cards, each with a measurement made on the spot.

Every number here is computed when the card is drawn, in milliseconds and with NumPy alone, but for those of runs
that were recorded. No torch.
"""

import functools
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from explorer import paths
from explorer.ladders import Page

Values = Mapping[str, float]
TOKENS, STREAMS, BPTT = 482_972, 64, 8  #: the lecture's training text and loader
BATCHES = TOKENS // STREAMS // BPTT - 1  #: what ``len(md.trn_dl)`` says: 942
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = ("airplane", "automobile", *CLASSES[2:])  #: how the pictures' files are named


@dataclass(frozen=True)
class Quirk:
    """One thing to notice."""

    id: str
    title: str
    text: str  #: what the code does, in two sentences
    pages: tuple[Page, ...]  #: where the card belongs
    measure: Callable[[], Values]
    says: Callable[[Values], str]  #: the measurement as a sentence
    line: int = 0  #: where it stands in the notes
    see: str = ""  #: what a button offers to look at
    opens: str = ""  #: and where it is, as a page and its parameters

    def measured(self) -> str:
        """The sentence, measured now (once per process)."""
        return self.says(_measured(self))


@functools.lru_cache(maxsize=64)
def _measured(quirk: Quirk) -> Values:
    return dict(quirk.measure())


def jittered_lengths(bptt: int, batches: int, seed: int = 0) -> np.ndarray:
    """Batch lengths as the lecture's loader draws them: normal, sd 5, half as long 5 % of the time, at least 5."""
    rng = np.random.default_rng(seed)
    centre = np.where(rng.random(batches) < 0.95, bptt, bptt / 2)
    lengths: np.ndarray = np.maximum(5, (centre + 5 * rng.standard_normal(batches)).astype(int))
    return lengths


def conv_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """Pixels a side after a convolution."""
    return (side + 2 * padding - kernel) // stride + 1


def batch_mean(right: int, total: int, batch: int, of_last: int) -> float:
    """Accuracy averaged over batches: ``of_last`` of the ``right`` answers lie in the last, shorter batch."""
    full, last = divmod(total, batch)
    return ((right - of_last) / batch + of_last / last) / (full + 1)


def _jitter() -> Values:
    lengths = jittered_lengths(BPTT, 20_000)
    return {"mean": float(lengths.mean()), "fives": float((lengths == 5).mean()), "longest": float(lengths.max())}


def _restarts() -> Values:
    columns = TOKENS // STREAMS - 1
    real = columns / float(jittered_lengths(BPTT, 20_000).mean())
    return {str(cycle): BATCHES * cycle / real for cycle in (1, 3, 7)} | {"batches": real}


def _refed() -> Values:
    window, length = 8, 400
    return {"lecture": float(window * length), "once": float(window + length)}


def _cars(orders: int = 5) -> Values:
    """The notes' loop over the files, on 50,000 names in random order, counting where each car lands."""
    size = 50_000 / 10 * 0.2
    hits = {name: tuple(label for label in CLASSES if label in name) for name in FILES}
    found = {"both": 0.0, "valid": 0.0, "train": 0.0}
    for seed in range(orders):
        names = [name for name in FILES for _ in range(5_000)]
        random.Random(seed).shuffle(names)
        counts = dict.fromkeys(CLASSES, 0)
        for name in names:
            for label in hits[name]:
                counts[label] += 1
                found["train"] += counts[label] >= size
            if name == "automobile":
                in_valid = in_train = False
                for label in CLASSES:
                    counts["car"] += 1
                    in_valid |= counts[label] < size
                    in_train |= counts[label] >= size
                found["train"] += in_train
                found["valid"] += in_valid
                found["both"] += in_valid and in_train
    return {what: count / orders for what, count in found.items()}


def _seven() -> Values:
    sides = [32, conv_side(32, 7, 1, 1)]
    for _ in range(4):
        sides.append(conv_side(sides[-1], 3, 2, 1))
    return {str(place): float(side) for place, side in enumerate(sides)}


def _batch_accuracy() -> Values:
    spread = [batch_mean(8_300, 10_000, 256, lucky) for lucky in (11, 16)]
    return {"printed": 8_494 / 10_240, "weight": 256 / 16, "low": spread[0], "high": spread[1]}


def _dead() -> Values:
    channel = np.zeros(256, np.float32)  # a channel whose ReLU never opens
    with np.errstate(invalid="ignore"):
        lecture = (channel - channel.mean()) / channel.std(ddof=1)
    ours = (channel - channel.mean()) / np.sqrt(channel.var() + 1e-5)
    return {"nan": float(np.isnan(lecture).mean()), "ours": float(np.abs(ours).max())}


def _order() -> Values:
    x = np.random.default_rng(0).standard_normal(200_000)
    relu = np.maximum(x, 0)
    after = (relu - relu.mean()) / relu.std()
    return {"floor": float((after == after.min()).mean()), "at": float(after.min()), "mean": float(after.mean())}


def _last_batch() -> Values:
    """How far a mean over the last batch strays: its standard error in deviations, 80 pictures against 16."""
    return {"last": float(40_000 % 256 or 256), **{str(n): 1 / math.sqrt(n) for n in (16, 64, 256)}}


def _tta() -> Values:
    return {"plain": 0.83359, "tta": 0.8491}


def _rounded() -> Values:
    return {"weights": float(32 * 32 * 3 * 40), "all": float(32 * 32 * 3 * 40 + 40 + 40 * 10 + 10), "notes": 122_800.0}


def _recipes() -> Values:
    """Final accuracies of the recorded study, medians over seeds; made by ``python -m weights.study_recipes``."""
    rows = json.loads((paths.WEIGHTS / "recipes.json").read_text())
    found: dict[str, list[float]] = {}
    for row in rows:
        where = {"as here": "here", "50,000 and the test set": "official"}.get(row["varied"], "other")
        found.setdefault(f"{row['model']}.{where}", []).append(row["accuracy"][-1])
    return {name: float(np.median(values)) for name, values in found.items()}


QUIRKS: tuple[Quirk, ...] = (
    Quirk(
        "jitter",
        "bptt is 8, on average 8.4, and often 5",
        "The loader varies each batch's length with a spread of 5, meant for a bptt of 70, and never below 5.",
        (Page.CHAR_RNN,),
        _jitter,
        lambda v: (
            f"20,000 batches drawn here: mean {v['mean']:.2f}, {v['fives']:.0%} of them exactly 5 characters, "
            f"the longest {v['longest']:.0f}."
        ),
        237,
        "Train without the jitter",
        "char_rnn?model=stateful&jitter=0",
    ),
    Quirk(
        "restarts",
        "The restarts are not at the epochs' ends",
        "The cosine counts `len(md.trn_dl)`, 942 batches a cycle, but an epoch of longer ones has fewer. So the "
        "rate restarts within epochs.",
        (Page.CHAR_RNN,),
        _restarts,
        lambda v: (
            f"Computed here: {v['batches']:,.0f} real batches an epoch, so restarts after "
            f"{v['1']:.2f}, {v['3']:.2f} and {v['7']:.2f} epochs. (One run of the loader gave 1.05, 3.12, 7.32.)"
        ),
        450,
        "The rate and the loss of such a run",
        "char_rnn?model=lstm",
    ),
    Quirk(
        "refed",
        "Sampling feeds every character eight times",
        "`get_next` is given the last 8 characters each time, though the hidden state is kept too. Here each "
        "character is read once.",
        (Page.CHAR_RNN,),
        _refed,
        lambda v: f"For 400 characters: {v['lecture']:,.0f} readings the notes' way, {v['once']:,.0f} here.",
        474,
        "Let it write",
        "char_rnn?model=stateful",
    ),
    Quirk(
        "last-batch",
        "BnLayer evaluates with the last batch",
        "No running average: validation uses the statistics of the batch that came last, the remainder.",
        (Page.BATCHNORM, Page.CIFAR10),
        _last_batch,
        lambda v: (
            f"40,000 pictures in batches of 256 leave {v['last']:.0f} for the last. A mean over 16 independent "
            f"values strays by {v['16']:.2f} deviations, over 64 by {v['64']:.2f}, over 256 by {v['256']:.2f}."
        ),
        797,
        "What that costs",
        "batchnorm?show=evaluating",
    ),
    Quirk(
        "no-eps",
        "A dead channel divides zero by zero",
        "The notes divide by the deviation alone, which is 0 where a channel is zero for every picture.",
        (Page.BATCHNORM,),
        _dead,
        lambda v: (
            f"Tried here on such a channel: {v['nan']:.0%} of the values are not a number; with ε = 0.00001 "
            f"under the root the largest is {v['ours']:.0f}."
        ),
        802,
        "Watch channels die",
        "batchnorm?race=ten-times",
    ),
    Quirk(
        "relu-first",
        "ReLU comes before BatchNorm",
        "Usually it comes after. In the notes half the values are cut off already, so what is normalised is lopsided.",
        (Page.BATCHNORM, Page.CIFAR10),
        _order,
        lambda v: f"200,000 random values through both: {v['floor']:.0%} end on one floor, at {v['at']:.2f}.",
        793,
        "The layers before the ReLU",
        "batchnorm?look=before",
    ),
    Quirk(
        "seven",
        "A 7 × 7 kernel with padding 1",
        "`BnLayer` pads by 1, right for a 3 × 3 kernel. Resnet2's 7 × 7 stem eats two pixels on every edge.",
        (Page.CIFAR10,),
        _seven,
        lambda v: (
            "Computed here: "
            + " → ".join(f"{v[str(i)]:.0f}" for i in range(len(v)))
            + " pixels a side; with padding 3 it would begin 32 → 32."
        ),
        962,
        "The network, drawn",
        "cifar10?model=resnet2",
    ),
    Quirk(
        "cars",
        "Cars in both parts",
        "The loop that moves pictures into `val` handles each car ten times, against every class's count.",
        (Page.CIFAR10,),
        _cars,
        lambda v: (
            f"The notes' loop run here on 50,000 names in five random orders: {v['both']:,.0f} of "
            f"{v['valid']:,.0f} cars in validation are also in training, which has "
            f"{v['train']:,.0f} pictures instead of 40,000."
        ),
        558,
    ),
    Quirk(
        "batch-mean",
        "Accuracy is averaged over batches",
        "Of 10,000 validation pictures in batches of 256, the last 16 make a batch, so each counts 16 times.",
        (Page.CIFAR10,),
        _batch_accuracy,
        lambda v: (
            f"8,494 / 10,240 = {v['printed']:.5f}, as the notebook printed. With exactly 83 % right, the printed "
            f"figure can be {v['low']:.4f} or {v['high']:.4f}, as the last 16 happen to be. Here accuracy is exact."
        ),
        0,
    ),
    Quirk(
        "tta",
        "85 % is test-time augmentation",
        "The lecture's last accuracy averages predictions for several crops and flips of each picture.",
        (Page.CIFAR10,),
        _tta,
        lambda v: f"The lecture's own figures: {v['plain']:.1%} from one look, {v['tta']:.1%} with augmentation.",
        0,
    ),
    Quirk(
        "rounded",
        "122,800 is 122,880",
        "The notes say 122800 parameters; the printout below says otherwise, and counts no bias and no second layer.",
        (Page.CIFAR10,),
        _rounded,
        lambda v: (
            f"32 · 32 · 3 · 40 = {v['weights']:,.0f} weights in the first layer, {v['all']:,.0f} parameters in all."
        ),
        636,
        "That network",
        "cifar10?model=simplenet&claim=weights",
    ),
    Quirk(
        "split",
        "The same recipe, two points lower",
        "The notebook's settings end lower here. Crops, momentum and slow start are not why: it learnt from all 50,000 "
        "pictures and was validated on the test set.",
        (Page.CIFAR10,),
        _recipes,
        lambda v: (
            f"Recorded here, medians of three seeds: SimpleNet {v['simplenet.here']:.3f} on 40,000 pictures and "
            f"{v['simplenet.official']:.3f} on 50,000 (the notebook printed 0.469); ConvBnNet2 {v['deep-bn.here']:.3f} "
            f"and {v['deep-bn.official']:.3f} (0.646). Resnet2 after two epochs, one seed: {v['resnet2.here']:.3f} and "
            f"{v['resnet2.official']:.3f} (0.542)."
        ),
        0,
    ),
)
BY_ID = {quirk.id: quirk for quirk in QUIRKS}


def for_page(page: str) -> tuple[Quirk, ...]:
    """The quirks that belong to a page."""
    return tuple(quirk for quirk in QUIRKS if page in quirk.pages)
