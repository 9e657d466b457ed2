"""The quick preset of each network: something to see in well under 20 seconds on two cores.

5,000 pictures for one epoch in batches of 256 are 20 steps and 14 % right. These take 180 to 630 steps, 1 to 16
seconds of one core, and tell 26 to 47 % of the validation pictures right. The language networks have half the hidden
units and one or two epochs, 2 to 10 seconds; the validation loss ends at 1.98 (three characters) to 1.64 (GRU).
"""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explorer.ladders import Rung

_ALL: dict[str, Any] = dict(batch_size=32, images=10_000, lead_epochs=0, epochs=2, lr=5e-2, schedule="one-cycle")
_EACH: dict[str, dict[str, Any]] = {
    "simplenet": dict(lr=2e-2),
    "bn": dict(norm="running"),
    "deep-bn": dict(norm="running", images=5_000),
    "resnet": dict(norm="running", images=4_000),
    "resnet2": dict(norm="running", images=2_500, batch_size=25, lr=2e-2),
    "builder": dict(images=4_000),
}

_TEXT: dict[str, Any] = dict(hidden=128, lead_epochs=0, lr=1e-2, schedule="one-cycle")
_STREAM: dict[str, Any] = dict(batch_size=128, bptt=16, epochs=2)
_EACH_TEXT: dict[str, dict[str, Any]] = {
    "char3": dict(epochs=1),
    "char-loop": dict(epochs=1),
    "char-rnn": dict(epochs=1),
    "char-seq": dict(batch_size=128, epochs=2),
    "stateful": _STREAM | dict(lr=5e-3),
    "rnn-cell": _STREAM | dict(lr=5e-3),
    "gru-cell": _STREAM,
    "gru": _STREAM,
    "lstm": _STREAM | dict(layers=1, dropout=0.0),
}


def added(rungs: Iterable["Rung"]) -> tuple["Rung", ...]:
    """The rungs with a quick preset after the lecture's own."""
    return tuple(
        dataclasses.replace(rung, presets={"lecture": rung.presets["lecture"], "quick": _of(rung), **rung.presets})
        for rung in rungs
    )


def _of(rung: "Rung") -> dict[str, Any]:
    return _TEXT | _EACH_TEXT[rung.key] if rung.key in _EACH_TEXT else _ALL | _EACH.get(rung.key, {})
