"""What a run will hold in memory, worked out before it starts; one that cannot fit is refused in a sentence.

The kernel ends a process that asks for more memory than there is, and with it everybody's runs and pages. So the
sum is done first: weights, gradients, the optimiser's own numbers, and what the forward pass keeps for the way back.
No tensor is made for it: torch's own dry runs (the device ``meta``) import a second's worth of compiler. The tests hold
these figures against what autograd keeps and what a process really takes.
"""

import itertools
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer import devices
from explorer.data import text
from explorer.errors import SettingsError
from explorer.experiment import Norm
from explorer.ladders import Cut
from explorer.models import vision
from explorer.models.pooling import GlobalPool
from explorer.models.sizes import parse_widths, picture_sides

if TYPE_CHECKING:
    import torch

    from explorer.data import Data
    from explorer.experiment import Experiment

FLOAT = 4  #: bytes; under bfloat16 a run takes less than is said here
SPARE = 1.4  #: the allocator's gaps, and the copies an operation makes
WORKSPACE = 64_000_000  #: bytes of torch's own: kernels and their buffers
LONGER = 20  #: characters a jittered batch may be longer than bptt: four standard deviations

GATES = {"gru": 3, "gru-cell": 3, "lstm": 4}
#: Vectors as long as the hidden state that a layer keeps for the way back, for each character of each stream.
KEPT = {"char3": 3, "char-loop": 3, "gru": 8, "gru-cell": 9, "lstm": 8}
LOOPS, CELLS = ("char3", "char-loop"), ("rnn-cell", "gru-cell")  #: rungs that go through time in Python
#: Maps of its output's size that a convolution with activation and normalisation keeps for the way back, and makes.
MAPS = {Norm.LECTURE: (3, 3), Norm.RUNNING: (3, 3), Norm.TORCH: (2, 3), Norm.NONE: (1, 2)}


@dataclass(frozen=True, eq=False)
class Need:
    """Bytes a run will take."""

    weights: int
    learning: int  #: gradients and the optimiser's own numbers: from the first step on
    passing: int  #: at the worst moment of a step or a validation, gone after it

    @property
    def total(self) -> int:
        """All of it at once."""
        return self.weights + self.learning + self.passing


_promised: "weakref.WeakSet[Need]" = weakref.WeakSet()  # to learners that live, and may not have taken it yet
_promising = threading.Lock()


def ask(*experiments: "Experiment") -> None:
    """Before something is queued: whether it would fit if nothing else were at work. A race's networks are at once.

    Raises:
        SettingsError: it would not; says what would fit. DataError: a text cannot be used.
    """
    device = devices.choose()
    free = devices.free_memory(device)
    if free is None:
        return
    with _promising:
        free += sum(other.total for other in _promised)  # what learns now will have ended
    known = [
        _known(experiment, device, text.of(experiment) if experiment.rung.is_language else None)
        for experiment in experiments
    ]
    needs = [estimate(experiment, **facts) for experiment, facts in zip(experiments, known, strict=True)]
    if sum(need.total for need in needs) > free:
        largest = max(range(len(needs)), key=lambda number: needs[number].total)
        raise SettingsError(_refusal(experiments[largest], needs, free, 0, known[largest]))


def _known(
    experiment: "Experiment", device: "torch.device", corpus: "text.Corpus | text.TextData | None"
) -> dict[str, int]:
    """What :func:`estimate` wants to know of a run's data."""
    if corpus is not None:
        return {"vocabulary": len(corpus.vocabulary), "valid": len(corpus.valid)}
    return {"pictures": 2000 if device.type == "cuda" else 500}


def of_weights(experiment: "Experiment") -> int:
    """Bytes of its weights, in memory as in a file.

    Raises:
        DataError: a text cannot be used.
    """
    corpus = text.of(experiment) if experiment.rung.is_language else None
    return estimate(experiment, **_known(experiment, devices.choose(), corpus)).weights


def reserve(experiment: "Experiment", data: "Data", device: "torch.device") -> Need:
    """What training ``experiment`` takes; whoever trains keeps it, and it counts until it is let go of.

    Raises:
        SettingsError: there is not as much left; says what would fit.
    """
    known = _known(experiment, device, data if isinstance(data, text.TextData) else None)
    need = estimate(experiment, **known)
    getattr(data, "train_x", None)  # pictures are made when first asked for: before it is said what is free
    with _promising:
        free = devices.free_memory(device)
        others = sum(other.learning + other.passing for other in _promised)
        if free is not None and need.total > free - others:
            raise SettingsError(_refusal(experiment, [need], free, others, known))
        _promised.add(need)
    return need


def _refusal(experiment: "Experiment", needs: list[Need], free: int, others: int, known: dict[str, int]) -> str:
    """How much it needs, how much there is, and what would fit.

    Args:
        needs: of all that is asked for; ``experiment`` is the largest of them.
    """
    total = sum(need.total for need in needs)
    room = f"{_size(free)} are free here"
    if others:
        room += f", of which other runs may take {_size(min(others, free))}"
    fits = _largest_batch(experiment, (free - others) // len(needs), known)
    if len(needs) > 1:
        advice = f"With a batch size of {fits:,} it would fit." if fits else "Let fewer or smaller networks race."
    elif fits:
        advice = f"With these settings a batch size of {fits:,} would fit."
    elif experiment.rung.is_language:
        advice = "Not even a batch size of 1 would fit: use fewer hidden units, fewer layers or a shorter bptt."
    else:
        advice = "Not even a batch size of 1 would fit: use narrower widths or smaller pictures."
    return (
        f"This {'run' if len(needs) == 1 else 'race'} would need about {_size(total)} of memory, and {room}. {advice}"
    )


def _largest_batch(experiment: "Experiment", free: int, known: dict[str, int]) -> int:
    """The largest batch size that fits, to two digits; 0 if none does."""
    low, high = 0, experiment.batch_size
    while high - low > 1:  # low fits, high does not
        middle = (low + high) // 2
        fits = estimate(experiment.replace(batch_size=middle), **known).total <= free
        low, high = (middle, high) if fits else (low, middle)
    digits: int = 10 ** max(0, len(str(low)) - 2)
    return low // digits * digits


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count, 0) / 1e6:.0f} MB"


def estimate(experiment: "Experiment", vocabulary: int = 0, valid: int = 0, pictures: int = 500) -> Need:
    """What training an experiment takes, at most.

    Args:
        experiment: any rung's.
        vocabulary: how many characters there are; language only.
        valid: characters of validation text; language only.
        pictures: validated at once; vision only.
    """
    if experiment.rung.is_language:
        count = count_language(experiment, vocabulary, valid)
    else:
        count = count_vision(experiment, pictures)
    own = 2 if experiment.optimiser.startswith("adam") else 1
    passing = SPARE * FLOAT * max(count.training, count.validating) + WORKSPACE
    return Need(FLOAT * count.weights, FLOAT * count.weights * (1 + own), int(passing))


@dataclass(frozen=True)
class Count:
    """How many numbers there are at once."""

    weights: int
    kept: int  #: by a training batch's forward pass for the way back
    training: int  #: at the worst moment of a training step, weights left out
    validating: int  #: of a validation batch


def count_language(e: "Experiment", vocabulary: int, valid: int) -> Count:
    """The numbers of a language model; see :func:`estimate`."""
    gates, layers = GATES.get(e.model, 1), 1 if "layers" in e.rung.fixed else e.layers
    first, more = gates * (e.n_fac + e.hidden + 2), gates * (2 * e.hidden + 2)  # weights a hidden unit
    weights = vocabulary * (e.n_fac + e.hidden + 1) + e.hidden * (first + (layers - 1) * more)
    everywhere = e.rung.cut is not None and e.rung.cut.everywhere
    if e.rung.cut == Cut.STREAM:
        read, judged = e.batch_size * (e.bptt + LONGER * e.jitter), min(128 * e.batch_size, valid)
    else:
        read, judged = e.batch_size * e.window, min(4096, valid) * e.window
    # Between layers lies a mask of dropout, which may be turned on while it runs.
    kept = (layers * KEPT.get(e.model, 2) + layers - 1) * e.hidden
    # On the way back a whole layer's gradients are gathered: its gates', its output's, its input's.
    back = (gates + 2) * e.hidden + 2 * vocabulary * everywhere
    ahead = 0 if e.model in LOOPS else 2 if e.model in CELLS else gates + 2  # PyTorch's layers go all at once
    ends = e.n_fac + vocabulary * everywhere
    return Count(weights, read * (kept + ends), read * (kept + ends + back), judged * (ahead * e.hidden + 2 * ends))


@dataclass(frozen=True)
class Layer:
    """How many numbers a layer has for one picture."""

    weights: int
    input: int
    output: int
    kept: int  #: maps of the output's size that it keeps for the way back
    made: int  #: maps of the output's size that it makes on the way


def count_vision(e: "Experiment", pictures: int) -> Count:
    """The numbers of a vision model; see :func:`estimate`."""
    kept = 3 * e.size**2  # the pictures themselves
    training = validating = 0
    layers = layers_of(e)
    for layer in layers:
        kept += layer.kept * layer.output
        # On the way back, here: all that was kept up to here, the gradients of output, inside and input.
        training = max(training, kept + 2 * layer.output + layer.input)
        validating = max(validating, layer.made * layer.output + layer.input)
    weights = sum(layer.weights for layer in layers)
    return Count(weights, e.batch_size * kept, e.batch_size * training, pictures * validating)


def layers_of(e: "Experiment") -> list[Layer]:
    """A vision model's layers in order, from its settings alone.

    Raises:
        SettingsError: the settings make no network.
    """
    widths, sides = parse_widths(e.widths), picture_sides(e)
    if not sides:  # fully connected
        sizes = [3 * vision.SIDE**2, *widths, vision.CLASSES]
        return [Layer((ni + 1) * nf, ni, nf, 1, 2) for ni, nf in itertools.pairwise(sizes)]
    kept, made = (1, 2) if "norm" in e.rung.fixed else MAPS[e.norm]
    # x + f(x) is one map more; only what normalisation gives need not be kept for it.
    more = 1 if e.skip and e.norm == Norm.NONE else 0
    stages = [(width, e.depth) for width in widths]
    kernel, layers, ni = 3, [], 3
    if len(sides) > len(widths) + 1:
        kernel = e.stem
        stages.insert(0, (max(widths[0] // 2, 1), 1))
    for number, ((nf, repeats), (before, side)) in enumerate(zip(stages, itertools.pairwise(sides), strict=True)):
        plain = number == 0 and len(stages) > len(widths) and kernel != 7  # a stem without activation
        for repeat in range(repeats):
            weights = nf * (ni * kernel**2 + 2)
            given = ni * (side if repeat else before) ** 2
            maps = (1, 1) if plain else (kept + more * (repeat > 0), made + more * (repeat > 0))
            layers.append(Layer(weights, given, nf * side**2, *maps))
            ni, kernel = nf, 3
    ni = GlobalPool(e.pool).width(ni)
    layers.append(Layer((ni + 1) * vision.CLASSES, ni, vision.CLASSES, 1, 1))
    return layers
