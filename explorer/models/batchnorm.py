"""Batch normalisation by hand: the lecture's ``BnLayer``, and what other frameworks do differently."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.errors import SettingsError
from explorer.experiment import Norm

EPS = 1e-5  # added to the variance: the lecture has none, so there a dead channel gives 0/0
MOMENTUM = {Norm.LECTURE: 1.0, Norm.RUNNING: 0.1}  # weight of the newest batch in what evaluation uses


class LectureBnLayer(nn.Module):
    """The lecture's layer, to be read. ``BnLayer`` below gives the same with fewer passes over the pixels.

    Two things are not the lecture's: the ``EPS``, and that what evaluation uses is saved with the weights.
    """

    def __init__(self, ni: int, nf: int, stride: int = 2, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(ni, nf, kernel_size, stride, padding=1, bias=False)
        self.a = nn.Parameter(torch.zeros(nf, 1, 1))
        self.m = nn.Parameter(torch.ones(nf, 1, 1))
        self.register_buffer("means", torch.zeros(nf))
        self.register_buffer("variances", torch.ones(nf))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ni, height, width) → (batch, nf, smaller height, smaller width)."""
        x = F.relu(self.conv(x))
        if self.training:
            channels = x.transpose(0, 1).flatten(1)  # one row a channel
            means, variances = channels.mean(1), channels.var(1)
            self.means, self.variances = means.detach(), variances.detach()  # the last batch's
        else:
            means, variances = self.means, self.variances
        x = (x - means[:, None, None]) / (variances[:, None, None] + EPS).sqrt()
        return x * self.m + self.a


class BnLayer(nn.Module):
    """Convolution, ReLU, then each channel to mean 0 and deviation 1, times ``m``, plus ``a``.

    ``x``: (batch, ni, height, width) → (batch, nf, smaller height, smaller width). The padding is always 1,
    as in the lecture, so a kernel of 7 takes 4 pixels off each side.

    What ``norm`` decides, with n = batch · height · width values a channel:

    ========== ======================== ==================================== =======================
    norm       training divides by √ of evaluation uses                      parameters
    ========== ======================== ==================================== =======================
    lecture    squares / (n - 1) + ε    the last training batch's statistics m, a
    running    squares / n + ε          running averages, 0.9 old + 0.1 new  m, a
    torch      squares / n + ε          the same, by ``nn.BatchNorm2d``      its weight and bias
    none       nothing                  nothing                              the convolution's bias
    ========== ======================== ==================================== =======================

    What is kept for evaluation is the variance with n - 1 in every mode, in PyTorch too: it estimates the
    spread of all pictures from the batch's. ``running`` therefore equals ``nn.BatchNorm2d``.

    Raises:
        SettingsError: an unknown ``norm``.
    """

    a: nn.Parameter
    m: nn.Parameter
    means: Tensor
    variances: Tensor

    def __init__(self, ni: int, nf: int, stride: int = 2, kernel_size: int = 3, norm: Norm = Norm.LECTURE) -> None:
        super().__init__()
        if norm not in (*Norm,):
            raise SettingsError(f"Normalisation must be one of {', '.join(Norm)}, not {norm!r}.")
        self.norm = Norm(norm)
        self.conv = nn.Conv2d(ni, nf, kernel_size, stride, padding=1, bias=norm == Norm.NONE)
        if norm == Norm.TORCH:
            self.bn = nn.BatchNorm2d(nf)
        elif norm != Norm.NONE:
            self.a = nn.Parameter(torch.zeros(nf, 1, 1))
            self.m = nn.Parameter(torch.ones(nf, 1, 1))
            # Buffers are saved with the weights; the lecture's plain attributes were not.
            self.register_buffer("means", torch.zeros(nf))
            self.register_buffer("variances", torch.ones(nf))

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, of ``x``'s type."""
        x = F.relu(self.conv(x))
        if self.norm == Norm.NONE:
            return x
        return self.bn(x) if self.norm == Norm.TORCH else self.normalise(x)

    def normalise(self, x: Tensor) -> Tensor:
        """``(x - mean) / deviation * m + a``, channel by channel."""
        pixels = x.permute(0, 2, 3, 1)  # (batch, height, width, channels)
        rows = pixels.flatten(0, 2).float()  # one row a pixel, one column a channel; never in half precision
        mean, variance = self.statistics(rows) if self.training else (self.means, self.variances)
        # The same line as the docstring's, with two passes over the pixels fewer: x · scale + shift.
        scale = self.m.flatten() / (variance + EPS).sqrt()
        shift = self.a.flatten() - mean * scale
        rows = torch.addcmul(shift, rows, scale)
        return rows.view(pixels.shape).permute(0, 3, 1, 2).to(x.dtype)

    def statistics(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each column of this batch; remembers them for evaluation."""
        n = len(rows)
        # Written so that going back takes fewest passes over the pixels: a mean's gradient would be one more array of
        # their size, a sum's is not; and the variance does not change with the mean, for the deviations sum to 0.
        mean = rows.sum(0) / n
        variance = (rows - mean.detach()).square().sum(0) / n
        return self.remember(mean, variance, n)

    def remember(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Keep the statistics of ``n`` values a channel for evaluation; mean and variance as training has them."""
        unbiased = variance * (n / max(n - 1, 1))
        with torch.no_grad():  # remembered without their history, or every batch's graph would stay alive
            self.means.lerp_(mean, MOMENTUM[self.norm])
            self.variances.lerp_(unbiased, MOMENTUM[self.norm])
        return mean, unbiased if self.norm == Norm.LECTURE else variance

    def extra_repr(self) -> str:
        """What ``print(model)`` adds."""
        return f"norm={self.norm}"
