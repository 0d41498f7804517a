"""The translator of next-frame networks: residual blocks at a size and at half of it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, silu

from .blocks import icnr_


class Residual(nn.Module):
    """``x + conv(silu(conv(silu(x))))`` whose last convolution starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(silu(self.first(silu(x))))
        return out


class UShape(nn.Module):
    """3x3 residual blocks at the size of what comes in, at half of it, and at the first again."""

    def _make_u_shape(self, hidden: int, blocks: int) -> None:
        """Called between the first and the last layer, as optimizers go by the order."""
        self.before = nn.Sequential(*(Residual(hidden) for _ in range(blocks)))
        self.halve = nn.Conv2d(hidden, 2 * hidden, 3, 2, 1)
        self.inside = nn.Sequential(*(Residual(2 * hidden) for _ in range(blocks)))
        self.enlarge = nn.Conv2d(2 * hidden, 4 * hidden, 3, 1, 1)
        self.after = nn.Sequential(*(Residual(hidden) for _ in range(blocks)))
        icnr_(self.enlarge, 2)

    def translated(self, x: Tensor) -> Tensor:
        """``[N, hidden, H, W]`` to the same shape; H and W are even."""
        x = self.before(x)
        inner = self.inside(silu(self.halve(x)))  # [N, 2*hidden, H/2, W/2]
        out: Tensor = self.after(x + pixel_shuffle(self.enlarge(inner), 2))
        return out
