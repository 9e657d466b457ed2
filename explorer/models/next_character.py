"""The lecture's ``get_next``, taken apart: the logits of the next character, and their shares at a temperature."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from explorer.models.generate import COLDEST, encode_prompt

if TYPE_CHECKING:
    from explorer.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Next:
    """What a model says about the character after a prompt; never ``<unk>`` or ``<pad>``, as in sampling."""

    characters: tuple[str, ...]
    logits: np.ndarray  #: float64, one a character

    def shares(self, temperature: float = 1.0) -> np.ndarray:
        """Softmax of the logits ÷ temperature: each character's chance to be drawn, float64, adding up to 1."""
        scaled = self.logits / max(temperature, COLDEST)
        powers = np.exp(scaled - scaled.max())
        shares: np.ndarray = powers / powers.sum()
        return shares

    def order(self) -> np.ndarray:
        """The characters' places, the likeliest first; the same at every temperature."""
        return np.argsort(-self.logits, kind="stable")


@torch.no_grad()
def next_character(model: nn.Module, vocabulary: "Vocabulary", prompt: str, window: int = 8) -> Next:
    """Read a prompt from a zero state and say what may follow.

    A model without memory sees the last ``window`` characters, filled up on the left with the first.
    """
    read = encode_prompt(prompt, vocabulary, next(model.parameters()).device)
    if not model.stateful:
        read = torch.cat([read[:1].expand(max(0, window - len(read)), -1), read])[-window:]
    logits, _ = model(read, None)
    last = logits[-1] if logits.dim() == 3 else logits
    return Next(vocabulary.itos[2:], last[0, 2:].double().cpu().numpy())
