"""What one asks of a language model that writes. No torch: pages and the terminal build it before a model is loaded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """A text to be written."""

    prompt: str = "for thos"  #: the lecture's
    length: int = 400  #: characters
    temperature: float = 0.8  #: 0 takes the likeliest each time
    top_k: int = 0  #: among how many of the likeliest is drawn; 0 among all
    seed: int = 0
