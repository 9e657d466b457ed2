"""An experiment is data: which model, which data, which recipe, which seed.

The fields of :class:`Experiment` are the one table of settings. Widgets, links, presets, the
terminal's options and every check are derived from it; no page repeats a range.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from explorer import ladders
from explorer.errors import SettingsError
from explorer.ladders import Ladder
from explorer.settings import Scale, Setting, from_zero, row

LANGUAGE, VISION, LOG, TYPED = Ladder.LANGUAGE, Ladder.VISION, Scale.LOG, Scale.TYPED


class Norm(StrEnum):
    """How a layer normalises: see :class:`explorer.models.batchnorm.BnLayer`."""

    LECTURE = "lecture"
    RUNNING = "running"
    TORCH = "torch"
    NONE = "none"


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run. Make one with :meth:`of`, which starts from the lecture's own settings."""

    model: str

    # fmt: off
    # -- the model ---------------------------------------------------------------------------------
    window: int = row(
        8, "Characters fed", "How many characters the model reads before it predicts the next one.",
        "model", low=2, high=64, scale=LOG, ladder=LANGUAGE,
    )
    n_fac: int = row(
        42, "Embedding (n_fac)", "Length of the vector that stands for one character.",
        "model", low=4, high=256, scale=LOG, ladder=LANGUAGE,
    )
    hidden: int = row(
        256, "Hidden units", "Length of the hidden state: all the model can carry from one character to the next.",
        "model", low=8, high=1024, scale=LOG, step=8, ladder=LANGUAGE,
    )
    layers: int = row(
        1, "Layers", "Recurrent layers on top of each other; each reads the hidden states of the one below.",
        "model", low=1, high=4, ladder=LANGUAGE,
    )
    widths: str = row(
        "20,40,80", "Widths", "Channels (or units) of each stage, separated by commas. Each stage halves the picture.",
        "model", pattern=r"\s*\d{1,4}(\s*,\s*\d{1,4}){0,5}\s*", ladder=VISION,
    )
    depth: int = row(
        1, "Layers per stage", "Convolutions in each stage: the first halves the picture, the others keep its size.",
        "model", low=1, high=6, ladder=VISION,
    )
    stem: int = row(
        5, "Stem kernel", "Side of the first convolution's kernel; 0 leaves the stem out.",
        "model", low=0, high=7, ladder=VISION,
    )
    norm: Norm = row(
        Norm.LECTURE, "Normalisation",
        "lecture: by hand, evaluating with the last training batch's statistics. running: by hand, with running "
        "averages. torch: nn.BatchNorm2d. none: no normalisation.",
        "model", options=(*Norm,), ladder=VISION,
    )
    skip: bool = row(
        False, "Skip connections", "Each size-keeping layer adds its input to its output: y = x + f(x).",
        "model", ladder=VISION,
    )
    pool: str = row(
        "max", "Pooling", "What the last layer sees of each channel. both: mean and maximum side by side.",
        "model", options=("max", "mean", "both"), ladder=VISION,
    )
    dropout: float = row(
        0.0, "Dropout", "Share of activations zeroed at each training step, so that no unit can be relied on alone.",
        "model", low=0.0, high=0.9, step=0.05, live=True,
    )

    # -- the data ----------------------------------------------------------------------------------
    data: str = row(
        "auto", "Data", "auto: the lecture's data, or the named stand-in where it cannot be had.", "data",
        pattern=r"[a-z0-9][a-z0-9-]{0,39}",
    )
    bptt: int = row(
        8, "bptt", "Characters per step. Gradients flow back through this many and no further; the state flows on.",
        "data", low=2, high=256, scale=LOG, ladder=LANGUAGE,
    )
    jitter: bool = row(
        True, "Vary bptt", "Draw each batch's length at random around bptt, as the lecture's loader does.",
        "data", ladder=LANGUAGE,
    )
    reset: str = row(
        "never", "Reset the hidden state", "never: memory runs on, as in the lecture. epoch: zero it at each "
        "epoch's start. batch: zero it at every batch and see what that costs.",
        "data", options=("never", "epoch", "batch"), ladder=LANGUAGE,
    )
    newlines: bool = row(
        False, "Keep line breaks", "Samples look nicer, but losses are then not comparable with the lecture's.",
        "data", ladder=LANGUAGE,
    )
    every_symbol: bool = row(
        False, "Every symbol", "The lecture's first alphabet: capitals, line breaks and rare symbols count, too. "
        "A harder task: losses are not comparable.", "data", ladder=LANGUAGE,
    )
    batch_size: int = row(
        64, "Batch size", "Parallel streams of text, or pictures per step.", "data", low=1, high=2048, scale=LOG,
    )
    images: int = row(
        40_000, "Training pictures", "How many of the 40,000 training pictures to use; fewer is quicker.",
        "data", low=500, high=40_000, scale=LOG, step=500, ladder=VISION,
    )
    size: int = row(
        32, "Picture size", "Enlarge each picture to this many pixels a side before the network sees it: the lecture's "
        "sz. Slower, and finer feature maps.",
        "data", low=32, high=64, step=4, ladder=VISION,
    )
    augment: bool = row(
        True, "Augment", "Flip each picture at random and crop it from a padded copy, as the lecture does.",
        "data", ladder=VISION,
    )

    # -- the rate ----------------------------------------------------------------------------------
    lr: float = row(
        1e-3, "Learning rate", "Step size of the main schedule (its highest rate).",
        "rate", low=1e-6, high=100.0, scale=LOG, live=True,
    )
    schedule: str = row(
        "constant", "Schedule", "How the rate moves: constant; step (a tenth for the last epochs, as the lecture "
        "does by hand); cosine (with restarts); one-cycle (up, then down).",
        "rate", options=("constant", "step", "cosine", "one-cycle"),
    )
    drop_epochs: int = row(
        1, "Epochs at a tenth", "With step: how many of the last epochs run at a tenth of the rate.",
        "rate", low=1, high=100, when=("schedule", ("step",)),
    )
    cycle_len: int = row(
        1, "cycle_len", "With cosine: epochs in the first cycle, before the rate jumps up again.",
        "rate", low=1, high=100, when=("schedule", ("cosine",)),
    )
    cycle_mult: int = row(
        1, "cycle_mult", "With cosine: each cycle is this many times as long as the one before.",
        "rate", low=1, high=4, when=("schedule", ("cosine",)),
    )
    lead_epochs: int = row(
        0, "Lead-in epochs", "Epochs at a constant rate before the schedule starts: the lecture's first fit.",
        "rate", low=0, high=50,
    )
    lead_lr: float = row(
        1e-2, "Lead-in rate", "The rate of the lead-in epochs.", "rate", low=1e-6, high=100.0, scale=LOG,
    )

    # -- the training ------------------------------------------------------------------------------
    epochs: int = row(
        4, "Epochs", "Passes over the training data in the main schedule.", "training", low=1, high=200,
        choices=(*range(1, 11), 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200),
    )
    optimiser: str = row(
        "adam", "Optimiser", "Adam scales each weight's step by its gradients' size; AdamW decays weights apart "
        "from that; SGD (momentum 0.9) does not; nesterov is SGD that looks ahead.",
        "training", options=("adam", "adamw", "sgd", "nesterov"),
    )
    weight_decay: float = row(
        0.0, "Weight decay", "Pulls every weight towards zero a little at each step.",
        "training", low=0.0, high=0.1, choices=from_zero(1e-6, 0.1), live=True,
    )
    clip: float = row(
        0.0, "Clip gradients", "Scale the gradient down when its norm is above this; 0 does not clip.",
        "training", low=0.0, high=100.0, choices=from_zero(0.1, 100.0), live=True,
    )
    label_smoothing: float = row(
        0.0, "Label smoothing", "Train towards this much less than full certainty.",
        "training", low=0.0, high=0.5, step=0.05, ladder=VISION,
    )
    precision: str = row(
        "auto", "Precision", "What the network multiplies in while it trains. auto: bfloat16 on GPUs built for it, else float32; "
        "bfloat16 also halves the time on processors built for it. Validation is always in float32.",
        "training", options=("auto", "float32", "bfloat16"), ladder=VISION,
    )
    seed: int = row(
        0, "Seed", "Decides the initial weights and the order of the batches.", "training", low=0, high=2**31 - 1, scale=TYPED,
    )
    max_seconds: int = row(
        0, "Most seconds", "Stop after this long, whatever the epochs; 0 sets no limit.",
        "training", low=0, high=86_400, scale=TYPED,
    )

    # fmt: on

    @classmethod
    def of(cls, model: str, preset: str = "lecture", **changes: Any) -> "Experiment":
        """The rung's preset with ``changes`` on top, all checked.

        Raises:
            SettingsError: unknown model, preset or setting, a value out of range, or a setting this rung does not have.
        """
        rung = ladders.rung(model)
        if preset not in rung.presets:
            raise SettingsError(f"{model} has no preset {preset!r}; it has {', '.join(rung.presets)}.")
        values = {**rung.presets["lecture"], **rung.presets[preset]}
        return cls(model, **_checked(values))._asked(changes)

    def replace(self, **changes: Any) -> "Experiment":
        """A copy with ``changes``, checked one by one.

        Raises:
            SettingsError: not a setting, or a value out of range.
        """
        return dataclasses.replace(self, **_checked(changes))

    def _asked(self, changes: Mapping[str, Any]) -> "Experiment":
        """Like :meth:`replace`, for what a person typed: a setting that this rung does not have is an error too."""
        changed = self.replace(**changes)
        for name in changes:
            if getattr(changed, name) != getattr(self, name) and not applies(SETTINGS[name], self.rung):
                raise SettingsError(f"{SETTINGS[name].label} is no setting of {self.rung.class_name} ({self.model}).")
        return changed

    @property
    def rung(self) -> ladders.Rung:
        """The ladder's entry this experiment trains."""
        return ladders.rung(self.model)

    @property
    def total_epochs(self) -> int:
        """Lead-in and main schedule together."""
        return self.lead_epochs + self.epochs

    def changes(self) -> dict[str, Any]:
        """The settings that differ from the rung's lecture preset."""
        base = Experiment.of(self.model)
        return {name: value for name in SETTINGS if (value := getattr(self, name)) != getattr(base, name)}

    def to_query(self) -> dict[str, str]:
        """The experiment as query parameters: the model and what differs from its lecture preset."""
        words = {name: str(int(v)) if isinstance(v, bool) else str(v) for name, v in self.changes().items()}
        return {"model": self.model, **words}

    @classmethod
    def from_query(cls, query: Mapping[str, str], default_model: str) -> tuple["Experiment", list[str]]:
        """The experiment a link describes, and a sentence for each parameter that was ignored."""
        notices = []
        model = query.get("model", default_model)
        try:
            experiment = cls.of(model)
        except SettingsError as error:
            notices.append(str(error))
            experiment = cls.of(default_model)
        for name in SETTINGS:
            if name in query:
                try:
                    experiment = experiment._asked({name: query[name]})
                except SettingsError as error:
                    notices.append(f"From the link: {error} Ignored.")
        return experiment, notices

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """The inverse of :meth:`to_json`; fields it does not know are ignored, missing ones take their default."""
        values = json.loads(text)
        rung = ladders.rung(values.pop("model"))
        return cls.of(rung.key, **{k: v for k, v in values.items() if k in SETTINGS and applies(SETTINGS[k], rung)})


SETTINGS: dict[str, Setting] = {
    f.name: Setting(name=f.name, kind=type(f.default), default=f.default, **f.metadata)
    for f in dataclasses.fields(Experiment)
    if f.metadata
}


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(values) - set(SETTINGS)):
        raise SettingsError(f"{unknown[0]!r} is not a setting; they are {', '.join(SETTINGS)}.")
    return {name: SETTINGS[name].check(value) for name, value in values.items()}


def applies(setting: Setting, rung: ladders.Rung) -> bool:
    """Whether a setting means something for a rung."""
    return setting.ladder in (None, rung.ladder) and setting.name not in rung.fixed


def settings_of(rung: ladders.Rung) -> Iterable[Setting]:
    """The settings that mean something for this rung, in the table's order."""
    for setting in SETTINGS.values():
        if applies(setting, rung):
            yield setting
