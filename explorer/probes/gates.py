"""What hidden units and gates do while a model reads a text, and which of them follow something in it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from explorer.errors import SettingsError
from explorer.models.cells import GRUCell, RNNCell, gru_cell, gru_gates, lstm_cell, lstm_gates, rnn_cell
from explorer.probes.gradients import parts, twin


@dataclass(frozen=True, eq=False)
class Trace:
    """Hidden units and gates while reading a text.

    ``layers[l]`` maps a name to values (characters, hidden), float32: ``h`` always; ``r``, ``z``, ``n`` for a
    GRU (z = 1 keeps the old state); ``i``, ``f``, ``g``, ``o``, ``c`` for an LSTM. ``error`` is the largest
    difference between the recomputed h and the model's own.
    """

    layers: tuple[dict[str, np.ndarray], ...]
    error: float

    def liveliest(self, name: str = "h", layer: int = -1) -> np.ndarray:
        """Units by how much they vary over the text, most first."""
        return np.argsort(-self.layers[layer][name].std(0), kind="stable")


@torch.no_grad()
def trace(model: nn.Module, tokens: Tensor) -> Trace:
    """Read ``tokens``, (length,), from a zero state, with the formulas of :mod:`explorer.models.cells`."""
    _, state = twin(model).eval()(tokens[:, None], None)
    x = model.get_submodule("e")(tokens)
    layers = []
    for weights in _weights(model.get_submodule("rnn")):
        layers.append(_read(x, weights))
        x = layers[-1]["h"]
    own = parts(state)[0].reshape(len(layers), -1)
    error = max(float((layer["h"][-1] - last).abs().max()) for layer, last in zip(layers, own, strict=True))
    return Trace(tuple({k: v.float().cpu().numpy() for k, v in layer.items()} for layer in layers), error)


def _weights(rnn: nn.Module) -> list[tuple[Tensor, ...]]:
    """(w_ih, w_hh, b_ih, b_hh) of each layer, bottom first."""
    if isinstance(rnn, nn.RNNBase):
        return [tuple(layer) for layer in rnn.all_weights]
    return [rnn.weights] if isinstance(rnn, RNNCell | GRUCell) else []


def _read(x: Tensor, weights: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """One layer over a text: ``x`` (length, input) → each quantity (length, hidden)."""
    hidden = weights[1].shape[1]
    gates = weights[1].shape[0] // hidden
    names = {1: ("h",), 3: ("h", "r", "z", "n"), 4: ("h", "c", "i", "f", "g", "o")}[gates]
    h = c = x.new_zeros(1, hidden)
    rows: list[tuple[Tensor, ...]] = []
    for step in x[:, None]:
        if gates == 1:
            h = rnn_cell(step, h, *weights)
            rows.append((h,))
        elif gates == 3:
            reset = gru_gates(step, h, *weights)
            h = gru_cell(step, h, *weights)
            rows.append((h, *reset))
        else:
            at = lstm_gates(step, h, *weights)
            h, c = lstm_cell(step, h, c, *weights)
            rows.append((h, c, *at))
    return {name: torch.cat(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


@dataclass(frozen=True)
class Tracked:
    """A unit that follows a property of the text."""

    feature: str
    unit: int
    correlation: float  #: Pearson's r over the characters, negative when the unit falls as the feature rises


def features(text: str) -> dict[str, np.ndarray]:
    """Properties of each character, float64 (length,). Those that never change in this text are left out."""
    found = {
        "inside quotation marks": _inside_quotes(text),
        "position in line": _since(text, "\n") if "\n" in text else np.zeros(len(text)),
        "position in word": _since(text, " \n,.;:!?()[]\"'-"),
        "position in sentence": _since(text, ".!?"),
        "space": np.array([c.isspace() for c in text], float),
        "vowel": np.array([c.lower() in "aeiou" for c in text], float),
        "letter": np.array([c.isalpha() for c in text], float),
        "capital": np.array([c.isupper() for c in text], float),
        "punctuation": np.array([not c.isalnum() and not c.isspace() for c in text], float),
    }
    return {name: values for name, values in found.items() if values.std() > 0}


def _inside_quotes(text: str) -> np.ndarray:
    """1 from an opening double quotation mark to the closing one."""
    count, inside = 0, np.zeros(len(text))
    for i, c in enumerate(text):
        count += c in '"“”'
        inside[i] = count % 2
    return inside


def _since(text: str, ends: str) -> np.ndarray:
    """Characters read since one of ``ends`` (0 there)."""
    at, count = np.zeros(len(text)), 0
    for i, c in enumerate(text):
        count = 0 if c in ends else count + 1
        at[i] = count
    return at


def tracking(traced: Trace, text: str, name: str = "h", layer: int = -1) -> tuple[Tracked, ...]:
    """For each feature of ``text`` the unit of ``layer`` that follows it best, best feature first.

    The state after reading a character is compared with that character's own features. The correlation is
    measured on this text only: with many units and a short text some follow a feature by chance.

    Raises:
        SettingsError: the text is not the one that was traced.
    """
    units = traced.layers[layer][name].astype(np.float64)
    if len(units) != len(text):
        raise SettingsError(f"The trace has {len(units)} characters and the text {len(text)}.")
    best = []
    for feature, values in features(text).items():
        r = correlation(units, values)
        unit = int(np.abs(r).argmax())
        best.append(Tracked(feature, unit, float(r[unit])))
    return tuple(sorted(best, key=lambda tracked: -abs(tracked.correlation)))


def correlation(units: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Pearson's r of each column of ``units`` (length, hidden) with ``values`` (length,); 0 for a constant unit."""
    u, v = units - units.mean(0), values - values.mean()
    scale = np.sqrt((u**2).sum(0) * (v**2).sum())
    r: np.ndarray = np.divide(v @ u, scale, out=np.zeros(units.shape[1]), where=scale > 1e-12)
    return r


@dataclass(frozen=True)
class Worked:
    """One unit at one character, with every number that its formula takes.

    ``given`` and ``recurrent`` hold, for each gate by its letter, what comes from below (W x + b) and from the state
    before (W h + b); ``gates`` what they become. A plain RNN has the one "gate" ``h``.
    """

    given: dict[str, float]
    recurrent: dict[str, float]
    gates: dict[str, float]
    h: tuple[float, float]  #: before and after
    c: tuple[float, float] | None = None  #: of an LSTM


GATES = {1: ("h",), 3: ("r", "z", "n"), 4: ("i", "f", "g", "o")}  #: by how many blocks the weights have


@torch.no_grad()
def worked(model: nn.Module, traced: Trace, tokens: Tensor, at: int, unit: int, layer: int = -1) -> Worked:
    """What a unit of a layer computes when character ``at`` of ``tokens`` is read; ``traced`` is the text's trace."""
    weights = _weights(model.get_submodule("rnn"))
    number = layer % len(weights)
    w_ih, w_hh, b_ih, b_hh = weights[number]
    values = traced.layers[number]
    below = model.get_submodule("e")(tokens[at]) if number == 0 else w_ih.new_tensor(traced.layers[number - 1]["h"][at])
    before = w_hh.new_tensor(values["h"][at - 1]) if at else w_hh.new_zeros(w_hh.shape[1])
    names = GATES[len(w_hh) // w_hh.shape[1]]
    given, recurrent = (
        dict(zip(names, (part.view(len(names), -1)[:, unit]).tolist(), strict=True))
        for part in (w_ih @ below + b_ih, w_hh @ before + b_hh)
    )
    gates = {name: float(values[name][at, unit]) for name in names}

    def pair(name: str) -> tuple[float, float]:
        return float(values[name][at - 1, unit]) if at else 0.0, float(values[name][at, unit])

    return Worked(given, recurrent, gates, pair("h"), pair("c") if "c" in values else None)
