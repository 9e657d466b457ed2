"""Sampling text: the prompt is fed once, then the state is stepped one character at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from explorer.errors import SettingsError

if TYPE_CHECKING:
    from explorer.data.corpus import Vocabulary


COLDEST = 1e-4  # below this, dividing by the temperature overflows, and only the likeliest has a chance anyway


@dataclass(frozen=True)
class Character:
    """One sampled character."""

    text: str
    surprise: float  #: −log p in nats under the model itself, before temperature and top-k


def encode_prompt(prompt: str, vocabulary: "Vocabulary", device: torch.device) -> Tensor:
    """Token numbers, (time, 1); an empty prompt is a space."""
    tokens = torch.from_numpy(vocabulary.encode(prompt.lower() or " "))
    return tokens[:, None].to(device)


def choose(logits: Tensor, temperature: float, top_k: int, generator: torch.Generator) -> Tensor:
    """One token a row, (rows,), from logits (rows, vocabulary).

    A temperature of 0 (or almost) takes the likeliest. ``<unk>`` and ``<pad>`` are never chosen; ``top_k`` 0 keeps all.
    """
    logits = logits.clone()
    logits[:, :2] = -math.inf
    if temperature < COLDEST:
        return logits.argmax(-1)
    if 0 < top_k < logits.size(-1):
        lowest = logits.topk(top_k).values[:, -1:]
        logits[logits < lowest] = -math.inf
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]


@torch.no_grad()
def tokens(
    model: nn.Module,
    prompt: Tensor,
    length: int,
    temperatures: Tensor,
    top_k: int = 0,
    seed: int = 0,
    window: int = 8,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs (tokens, surprises), each (rows,): one row a temperature, all from one batch.

    A model with memory reads ``prompt`` (time, 1) once and then one character a step. A model without
    is shown the last ``window`` characters again each time, for it has nothing else to go by.
    """
    device = prompt.device
    generator = torch.Generator(device).manual_seed(seed)
    temperatures = temperatures.to(device)
    greedy = temperatures < COLDEST
    scale = torch.where(greedy, torch.ones_like(temperatures), temperatures)[:, None]
    rows = len(temperatures)
    read, state = prompt.repeat(1, rows), None
    if not model.stateful and len(read) < window:  # pad on the left with spaces' stand-in: the first character
        read = torch.cat([read[:1].expand(window - len(read), -1), read])
    for _ in range(length):
        if model.stateful:
            logits, state = model(read, state)
        else:
            logits, _ = model(read[-window:], None)
        logits = (logits[-1] if logits.dim() == 3 else logits).float()
        chosen = choose(logits / scale, 1.0, top_k, generator)
        chosen = torch.where(greedy, choose(logits, 0, 0, generator), chosen)
        surprise = -logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
        yield chosen, surprise
        read = chosen[None] if model.stateful else torch.cat([read[-window:], chosen[None]])


def _checked(temperatures: list[float]) -> Tensor:
    if not all(0 <= temperature < math.inf for temperature in temperatures):
        raise SettingsError("A temperature must be 0 or a number above it.")
    return torch.tensor(temperatures, dtype=torch.float32)


def sample(
    model: nn.Module,
    vocabulary: "Vocabulary",
    prompt: str = "for thos",
    length: int = 400,
    temperature: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    window: int = 8,
) -> Iterator[Character]:
    """The characters that follow the prompt, one by one.

    Raises:
        SettingsError: the temperature is negative or not a number.
    """
    start = encode_prompt(prompt, vocabulary, next(model.parameters()).device)
    rows = _checked([temperature])
    for chosen, surprise in tokens(model, start, length, rows, top_k, seed, window):
        yield Character(vocabulary.decode([int(chosen)]), float(surprise))


def side_by_side(
    model: nn.Module,
    vocabulary: "Vocabulary",
    prompt: str,
    length: int,
    temperatures: list[float],
    top_k: int = 0,
    seed: int = 0,
    window: int = 8,
) -> list[list[Character]]:
    """One text a temperature, sampled together as one batch, with one transfer to the host.

    Raises:
        SettingsError: a temperature is negative or not a number.
    """
    rows = _checked(temperatures)
    start = encode_prompt(prompt, vocabulary, next(model.parameters()).device)
    drawn = list(tokens(model, start, length, rows, top_k, seed, window))
    if not drawn:
        return [[] for _ in temperatures]
    chosen = torch.stack([c for c, _ in drawn], 1).tolist()
    surprise = torch.stack([s for _, s in drawn], 1).tolist()
    return [
        [Character(vocabulary.decode([c]), s) for c, s in zip(row, nats, strict=True)]
        for row, nats in zip(chosen, surprise, strict=True)
    ]


@torch.no_grad()
def surprises(model: nn.Module, vocabulary: "Vocabulary", text: str) -> list[Character]:
    """How surprised a model with memory is by each character of a given text, the first one excepted (0)."""
    read = encode_prompt(text, vocabulary, next(model.parameters()).device)
    logits, _ = model(read[:-1], None)
    nats = -logits.float().log_softmax(-1).gather(2, read[1:, :, None])[:, 0, 0]
    return [Character(c, s) for c, s in zip(text, [0.0, *nats.tolist()], strict=True)]
