"""SimVP: past frames to next ones by convolutions alone (Gao et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from .blocks import icnr_


class SimVP(nn.Module):
    """An encoder a frame, a translator over all of them, a decoder a frame (Gao et al. 2022).

    As in the paper time goes through the translator as channels: no recurrence, all next frames at
    once. Here the encoder folds 2x2 pixels into channels first, the translator is a small U-shape
    of 3x3 residual blocks at a quarter and an eighth of the size (in place of the paper's inception
    blocks: on a processor with matrix units plain convolutions run several times faster), and there
    are no norms: the last convolution of a block starts at zero. The decoder sees the last frame's
    maps at half the size, and with `residual` gives the change from that frame.

    Args:
        past, future: how many frames go in and come out.
        width: channels of a frame's maps.
        hidden: channels of the translator; twice as many at an eighth of the size.
        blocks: residual blocks on each of the translator's three stages.
        residual: add the answer to the last frame: it starts as a copy, which is hard to beat.

    Shape: ``[N, past, channels, H, W] in [0, 1] -> [N, future, channels, H, W]``, not clamped; H
    and W are multiples of 8.
    """

    def __init__(
        self,
        past: int = 4,
        future: int = 1,
        channels: int = 3,
        width: int = 32,
        hidden: int = 128,
        blocks: int = 3,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.past, self.future, self.channels, self.residual = past, future, channels, residual
        self.size_multiple = self.minimum = 8
        # Convolutions at a half, a quarter and an eighth of the size, and where in its 8x8 cell the
        # pixel lies.
        self.reach = 2 * 8 + 4 * (4 + 4 * blocks) + 8 * (1 + 2 * blocks) + 7
        """Pixels to each side that an output pixel can depend on."""
        self.encoder = nn.Sequential(
            nn.Conv2d(4 * channels, width, 3, 1, 1), nn.SiLU(), _Block(width)
        )
        self.squeeze = nn.Conv2d(width, width, 3, 2, 1)
        self.enter = nn.Conv2d(past * width, hidden, 3, 1, 1)
        self.before = nn.Sequential(*(_Block(hidden) for _ in range(blocks)))
        self.halve = nn.Conv2d(hidden, 2 * hidden, 3, 2, 1)
        self.inside = nn.Sequential(*(_Block(2 * hidden) for _ in range(blocks)))
        self.enlarge = nn.Conv2d(2 * hidden, 4 * hidden, 3, 1, 1)
        self.after = nn.Sequential(*(_Block(hidden) for _ in range(blocks)))
        self.leave = nn.Conv2d(hidden, future * width, 3, 1, 1)
        self.expand = nn.Conv2d(width, 4 * width, 3, 1, 1)
        self.join = nn.Conv2d(2 * width, width, 3, 1, 1)
        self.decoder = nn.Sequential(
            _Block(width), nn.SiLU(), nn.Conv2d(width, 4 * channels, 3, 1, 1)
        )
        icnr_(self.enlarge, 2)
        icnr_(self.expand, 2)
        last = self.decoder[-1]
        assert isinstance(last, nn.Conv2d)
        if residual:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias) if last.bias is not None else None

    def forward(self, past: Tensor) -> Tensor:
        n = len(past)
        frames = past.flatten(0, 1)  # [N*P, C, H, W]
        if past.device.type == "cpu":
            frames = frames.contiguous(memory_format=torch.channels_last)
        fine = self.encoder(pixel_unshuffle(frames, 2))  # [N*P, width, H/2, W/2]
        coarse = silu(self.squeeze(fine))  # [N*P, width, H/4, W/4]
        x = self.before(silu(self.enter(_stacked(coarse, n))))  # [N, hidden, H/4, W/4]
        inner = self.inside(silu(self.halve(x)))  # [N, 2*hidden, H/8, W/8]
        x = self.after(x + pixel_shuffle(self.enlarge(inner), 2))
        x = _unstacked(silu(self.leave(x)), self.future)  # [N*F, width, H/4, W/4]
        x = pixel_shuffle(self.expand(x), 2)  # [N*F, width, H/2, W/2]
        last = torch.unflatten(fine, 0, (n, self.past))[:, -1]  # [N, width, H/2, W/2]
        seen = last.repeat_interleave(self.future, 0)
        x = self.decoder(silu(self.join(torch.cat([x, seen], dim=1))))
        change: Tensor = pixel_shuffle(x, 2).float()  # [N*F, C, H, W]
        change = torch.unflatten(change, 0, (n, self.future))
        return past[:, -1:] + change if self.residual else change


class _Block(nn.Module):
    """``x + conv(silu(conv(silu(x))))`` whose last convolution starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(silu(self.first(silu(x))))
        return out


def _stacked(maps: Tensor, n: int) -> Tensor:
    """``[N*T, C, H, W] -> [N, T*C, H, W]``."""
    return torch.unflatten(maps, 0, (n, -1)).flatten(1, 2)


def _unstacked(maps: Tensor, frames: int) -> Tensor:
    """``[N, T*C, H, W] -> [N*T, C, H, W]``."""
    return torch.unflatten(maps, 1, (frames, -1)).flatten(0, 1)
