"""The lecture's claims as data: what is claimed, where it is said, how to make it happen.

Every claim has two sizes. *Make it happen* opens a page with the settings set and the run started; the reduced form
(:mod:`explorer.lecture.measures`) takes seconds on a CPU, on the same data: the home page runs it on a click and the
tests run it always. :mod:`explorer.lecture.verdicts` turns what came out into a sentence.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.experiment import Experiment
from explorer.ladders import Page


@dataclass(frozen=True)
class Claim:
    """One claim of the lecture."""

    id: str
    title: str  #: the claim in our words, one line
    group: str  #: the heading it stands under
    quote: str  #: the notes' own words
    line: int  #: where they stand in the notes, for who has them beside the app
    page: Page
    look: str  #: what to look at there
    seconds: int  #: about how long measuring takes on two CPU cores
    model: str = ""  #: the rung to train there
    preset: str = "lecture"
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: the sliders to move
    race: str = ""  #: the race preset of explorer.lecture.races to start instead of a run
    caution: str = ""  #: what the reduced form cannot show

    @property
    def experiment(self) -> Experiment | None:
        """What *make it happen* trains; None where there is a race or nothing to train."""
        return Experiment.of(self.model, self.preset, **self.changes) if self.model else None


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
        Page.CHAR_RNN,
        "Both curves stay above the dashed line, which is the lecture's validation loss. Set *Reset the hidden state* "
        "back to *never* and train again: they come down to it.",
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
        Page.CHAR_RNN,
        "Steps a second fall, and each step lowers the loss more. An epoch has fewer of them.",
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
        Page.CHAR_RNN,
        "Validation loss against the stateful RNN's 1.54 in the lecture; then let both write.",
        4,
        "gru",
        changes={"epochs": 3, "schedule": "constant"},
    ),
    Claim(
        "explode",
        "Gradients through long history explode",
        GRADIENTS,
        "Another reason not to backprop all the way back is because of exploding gradients; more layers, more chances "
        "the gradients will go through the roof.",
        178,
        Page.CHAR_RNN,
        "The loss jumps up or stops being a number. Set *Clip gradients* to 1 while it runs: it calms down.",
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
        Page.CHAR_RNN,
        "The learning rate jumps back up and the loss with it; at the end of the next cycle it is lower.",
        8,
        "lstm",
        "small",
        {"lr": 2e-2, "epochs": 7, "bptt": 32},
    ),
    Claim(
        "weights",
        "Fully connected: 122,880 weights. A convolution: 560",
        PICTURES_,
        "fully connected layer - is really doing a dot product. Previously 122800 is a weight for every pixel, which "
        "isn’t that useful.",
        663,
        Page.CIFAR10,
        "*The network* lists the parameters of every layer; then compare accuracies.",
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
        Page.CIFAR10,
        "The drawing in *The network* follows: widths, stem and depth change the sides.",
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
        Page.BATCHNORM,
        "The deep network's activations shrink towards nothing from layer to layer, and its loss stays at 2.30.",
        12,
        race="deeper",
    ),
    Claim(
        "rate",
        "BatchNorm allows the larger rate",
        DEPTH,
        "This increases resiliency and let’s us increase the learning rate and more learning rates.",
        782,
        Page.BATCHNORM,
        "Of the four networks, which one still learns at ten times the rate?",
        5,
        race="ten-times",
    ),
    Claim(
        "depth",
        "Just deeper does not help",
        DEPTH,
        "Turns out that we are so deep that even batchnorm won’t help us at all",
        896,
        Page.BATCHNORM,
        "The lecture compared 0.655 after 4 epochs at 0.01 with 0.682 after 6 at up to 0.1. Here all have the same "
        "rate, epochs and seed.",
        9,
        race="fair",
        caution="Short runs punish depth; the fair race on all pictures is the real answer.",
    ),
    Claim(
        "skip",
        "Skip connections do",
        DEPTH,
        "ResNet block: we are adding the original signal along with the convolution of the input: y = x + f(x)",
        900,
        Page.BATCHNORM,
        "The deep network with skip connections against the same one without.",
        10,
        race="skip",
    ),
    Claim(
        "map",
        "The last layer's heat map says where the cat is",
        MAPS,
        "The last layer averaged out the ‘cattiness’ of the pixels’, so if we go up a layer above.",
        1223,
        Page.CAM,
        "The map over the photo; then *Is it telling the truth?* greys the hottest parts and asks again.",
        5,
    ),
    Claim(
        "last-batch",
        "The lecture's BnLayer keeps the last batch's statistics",
        MAPS,
        "fastai is the only library that currently leaves these values alone unless specified.",
        805,
        Page.CIFAR10,
        "Validation accuracy jumps about from epoch to epoch. Set *Normalisation* to *running* and it settles.",
        5,
        "bn",
        changes={"images": 10_000, "batch_size": 37, "epochs": 4},
        caution="With 256 pictures in a batch it costs less than a point.",
    ),
)
BY_ID = {claim.id: claim for claim in CLAIMS}
GROUPS = tuple(dict.fromkeys(claim.group for claim in CLAIMS))
