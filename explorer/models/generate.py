"""Sampling text: the prompt is fed once, then the state is stepped one character at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.errors import SettingsError
from explorer.models.sampling import Sampling

if TYPE_CHECKING:
    from explorer.data.vocabulary import Vocabulary


COLDEST = 1e-4  # below this, dividing by the temperature overflows, and only the likeliest has a chance anyway


@dataclass(frozen=True)
class Character:
    """One sampled character."""

    text: str
    surprise: float  #: −log p in nats under the model itself, before temperature and top-k


def encode_prompt(prompt: str, vocabulary: "Vocabulary", device: torch.device) -> Tensor:
    """Token numbers, (time, 1); an empty prompt is a space."""
    tokens = torch.from_numpy(vocabulary.encode((prompt if vocabulary.cased else prompt.lower()) or " "))
    return tokens[:, None].to(device)


def likeliest(logits: Tensor) -> Tensor:
    """The likeliest token of each row, (rows,), from logits (rows, vocabulary); never ``<unk>`` or ``<pad>``."""
    return logits[:, 2:].argmax(-1) + 2


def choose(logits: Tensor, temperature: float | Tensor, top_k: int, generator: torch.Generator) -> Tensor:
    """One token a row, (rows,), drawn from logits (rows, vocabulary); never ``<unk>`` or ``<pad>``.

    ``temperature`` is above 0, one for all or (rows, 1); ``top_k`` 0 keeps every character.
    """
    wanted = logits[:, 2:]
    if 0 < top_k < wanted.size(-1):
        wanted = wanted.masked_fill(wanted < wanted.topk(top_k).values[:, -1:], -math.inf)
    # Exponential races: the smallest of E_i / p_i is i with probability p_i. So torch.multinomial draws, too, but it
    # checks its input first, which takes longer than the draw.
    shares = (wanted / temperature).softmax(-1)
    return (shares / torch.empty_like(shares).exponential_(generator=generator)).argmax(-1) + 2


@torch.no_grad()
def tokens(
    model: nn.Module,
    prompt: Tensor,
    length: int,
    temperatures: Sequence[float],
    top_k: int = 0,
    seed: int = 0,
    window: int = 8,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs (tokens, surprises), each (rows,): one row a temperature, all from one batch.

    A model with memory reads ``prompt`` (time, 1) once and then one character a step. A model without
    is shown the last ``window`` characters again each time, for it has nothing else to go by.
    A temperature of 0 (or almost) takes the likeliest.

    Raises:
        SettingsError: a temperature is negative or not a number.
    """
    if not all(0 <= temperature < math.inf for temperature in temperatures):
        raise SettingsError("A temperature must be 0 or a number above it.")
    device, rows = prompt.device, len(temperatures)
    generator = torch.Generator(device).manual_seed(seed)
    cold = [temperature < COLDEST for temperature in temperatures]
    some_cold, all_cold, greedy = any(cold), all(cold), torch.tensor(cold).to(device)
    warm = [1.0 if c else t for t, c in zip(temperatures, cold, strict=True)]
    divisor = torch.tensor(warm).to(device)[:, None] if rows > 1 else warm[0]
    read, state = prompt.repeat(1, rows), None
    if not model.stateful and len(read) < window:  # pad on the left with spaces' stand-in: the first character
        read = torch.cat([read[:1].expand(window - len(read), -1), read])
    for _ in range(length):
        if model.stateful:
            logits, state = model(read, state)
        else:
            logits, _ = model(read[-window:], None)
        logits = (logits[-1] if logits.dim() == 3 else logits).float()
        if all_cold:
            chosen = likeliest(logits)
        else:
            chosen = choose(logits, divisor, top_k, generator)
            if some_cold:
                chosen = torch.where(greedy, likeliest(logits), chosen)
        yield chosen, F.cross_entropy(logits, chosen, reduction="none")
        read = chosen[None] if model.stateful else torch.cat([read[-window:], chosen[None]])


def sample(model: nn.Module, vocabulary: "Vocabulary", asked: Sampling, window: int = 8) -> Iterator[Character]:
    """The characters that follow the prompt, one by one; ``window``: see :func:`tokens`.

    Raises:
        SettingsError: the temperature is negative or not a number.
    """
    start = encode_prompt(asked.prompt, vocabulary, next(model.parameters()).device)
    for chosen, surprise in tokens(model, start, asked.length, [asked.temperature], asked.top_k, asked.seed, window):
        yield Character(vocabulary.decode([int(chosen)]), float(surprise))


def side_by_side(
    model: nn.Module, vocabulary: "Vocabulary", asked: Sampling, temperatures: Sequence[float], window: int = 8
) -> list[list[Character]]:
    """One text a temperature, else as ``asked``, sampled together as one batch, with one transfer to the host.

    Raises:
        SettingsError: a temperature is negative or not a number.
    """
    start = encode_prompt(asked.prompt, vocabulary, next(model.parameters()).device)
    drawn = list(tokens(model, start, asked.length, temperatures, asked.top_k, asked.seed, window))
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
