"""The one place that chooses the device, and says what it is."""

import os
from functools import cache
from typing import TYPE_CHECKING

from explorer.errors import SettingsError

if TYPE_CHECKING:
    import torch


@cache
def choose() -> "torch.device":
    """CUDA where present, else MPS, else CPU; ``EXPLORER_DEVICE`` overrides.

    Raises:
        SettingsError: when ``EXPLORER_DEVICE`` names a device that is not there.
    """
    import torch

    wanted = os.environ.get("EXPLORER_DEVICE", "")
    if wanted:
        try:
            device = torch.device(wanted)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise SettingsError(
                f"EXPLORER_DEVICE={wanted} cannot be used here. Unset it, or set it to cpu.", str(error)
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def describe() -> str:
    """The device in words, e.g. ``CUDA · NVIDIA H100`` or ``CPU · 2 cores``."""
    import torch

    device = choose()
    if device.type == "cuda":
        return f"CUDA · {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "MPS · Apple GPU"
    return f"CPU · {os.cpu_count()} cores"
