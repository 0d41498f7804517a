"""SimVP: past frames to next ones by convolutions alone (Gao et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, normalize, pad, pixel_shuffle, pixel_unshuffle, silu

from .blocks import icnr_
from .u_shape import Residual, UShape

FARTHEST = 32
"""Pixels that something moves between two frames at most, for a network that fetches."""

OFFSET = 4
"""Places of a quarter of the size to each side in which frames are matched."""


class SimVP(UShape):
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
        motion: say for each pixel where in the last frame it comes from, too (Liu et al. 2017,
            deep voxel flow), and add the answer to the frame fetched from there: film is mostly
            things that move on, and what is fetched stays sharp. The translator then sees how well
            the last frames match at each offset (the cost volume of Dosovitskiy et al. 2015), so
            that what it learns of motion does not depend on what moves.

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
        motion: bool = False,
    ) -> None:
        super().__init__()
        self.past, self.future, self.channels, self.residual = past, future, channels, residual
        self.size_multiple = 8
        self.minimum = 16  # in bf16 maps of one pixel's width are no numbers now and then
        # Convolutions at a half, a quarter and an eighth of the size, and where in its 8x8 cell the
        # pixel lies.
        self.reach = 2 * 8 + 4 * (4 + 4 * blocks) + 8 * (1 + 2 * blocks) + 7
        self.reach += FARTHEST + 1 + 4 * OFFSET if motion else 0
        """Pixels to each side that an output pixel can depend on."""
        self.encoder = nn.Sequential(
            nn.Conv2d(4 * channels, width, 3, 1, 1), nn.SiLU(), Residual(width)
        )
        self.squeeze = nn.Conv2d(width, width, 3, 2, 1)
        self.pairs = min(2, past - 1) if motion else 0
        matches = self.pairs * (2 * OFFSET + 1) ** 2
        self.enter = nn.Conv2d(past * width + matches, hidden, 3, 1, 1)
        self._make_u_shape(hidden, blocks)
        self.leave = nn.Conv2d(hidden, future * width, 3, 1, 1)
        self.expand = nn.Conv2d(width, 4 * width, 3, 1, 1)
        self.join = nn.Conv2d(2 * width, width, 3, 1, 1)
        self.decoder = nn.Sequential(
            Residual(width), nn.SiLU(), nn.Conv2d(width, 4 * channels, 3, 1, 1)
        )
        self.motion = nn.Sequential(nn.SiLU(), nn.Conv2d(width, 8, 3, 1, 1)) if motion else None
        icnr_(self.expand, 2)
        if residual or motion:
            _zero(self.decoder[-1])
        if self.motion:
            _zero(self.motion[-1])

    def forward(self, past: Tensor) -> Tensor:
        n = len(past)
        frames = past.flatten(0, 1)  # [N*P, C, H, W]
        if past.device.type == "cpu":
            frames = frames.contiguous(memory_format=torch.channels_last)
        fine = self.encoder(pixel_unshuffle(frames, 2))  # [N*P, width, H/2, W/2]
        coarse = silu(self.squeeze(fine))  # [N*P, width, H/4, W/4]
        seen = _stacked(coarse, n)  # [N, P*width, H/4, W/4]
        if self.pairs:
            seen = torch.cat([seen, *self._matches(coarse, n)], dim=1)
        x = self.translated(silu(self.enter(seen)))  # [N, hidden, H/4, W/4]
        x = _unstacked(silu(self.leave(x)), self.future)  # [N*F, width, H/4, W/4]
        x = pixel_shuffle(self.expand(x), 2)  # [N*F, width, H/2, W/2]
        last = torch.unflatten(fine, 0, (n, self.past))[:, -1]  # [N, width, H/2, W/2]
        x = silu(self.join(torch.cat([x, last.repeat_interleave(self.future, 0)], dim=1)))
        change = pixel_shuffle(self.decoder(x), 2).float()  # [N*F, C, H, W]
        if self.motion is not None:
            source = past[:, -1].repeat_interleave(self.future, 0)
            flow = pixel_shuffle(self.motion(x), 2).float().clamp(-FARTHEST, FARTHEST)
            change = change + fetch(source, flow)
        elif self.residual:
            change = change + past[:, -1].repeat_interleave(self.future, 0)
        return torch.unflatten(change, 0, (n, self.future))

    def _matches(self, maps: Tensor, n: int) -> list[Tensor]:
        """Cost volumes of the last frames, each with the one before it."""
        frames = torch.unflatten(normalize(maps.float(), dim=1), 0, (n, self.past))
        last = range(self.past - 1, self.past - 1 - self.pairs, -1)
        return [matches(frames[:, t], frames[:, t - 1]).to(maps.dtype) for t in last]


def matches(one: Tensor, other: Tensor, offset: int = OFFSET) -> Tensor:
    """Products of a place in `one` with those around it in `other`, zero beyond the border.

    Shape: ``[N, C, H, W] twice -> [N, (2*offset + 1)**2, H, W]``, rows of offsets downward.
    """
    height, width = one.shape[-2:]
    offsets = range(2 * offset + 1)
    rows = one.permute(0, 2, 3, 1)  # [N, H, W, C]
    wide = pad(other, (offset, offset, offset, offset)).permute(0, 2, 1, 3)
    found = []
    for down in offsets:  # a row with all of another at once, of which a band is kept
        product = rows @ wide[:, down : down + height]  # [N, H, W, W + 2*offset]
        found += [product.diagonal(right, -2, -1)[..., :width] for right in offsets]
    return torch.stack(found, dim=1)


def fetch(image: Tensor, flow: Tensor) -> Tensor:
    """Each pixel from where `flow` says that it lies in `image`, between pixels bilinearly.

    Args:
        image: ``[N, C, H, W]``; beyond its border it goes on as at the border.
        flow: ``[N, 2, H, W]``, to the right and down, in pixels.
    """
    height, width = image.shape[-2:]
    across = torch.arange(width, device=image.device) + flow[:, 0]  # [N, H, W]
    down = torch.arange(height, device=image.device)[:, None] + flow[:, 1]
    # Pixel centres from 0 to side - 1 are -1 to 1 (align_corners).
    grid = torch.stack([2 * across / (width - 1) - 1, 2 * down / (height - 1) - 1], dim=-1)
    return grid_sample(image.float(), grid, padding_mode="border", align_corners=True)


def _zero(conv: nn.Module) -> None:
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)


def _stacked(maps: Tensor, n: int) -> Tensor:
    """``[N*T, C, H, W] -> [N, T*C, H, W]``."""
    return torch.unflatten(maps, 0, (n, -1)).flatten(1, 2)


def _unstacked(maps: Tensor, frames: int) -> Tensor:
    """``[N, T*C, H, W] -> [N*T, C, H, W]``."""
    return torch.unflatten(maps, 1, (frames, -1)).flatten(0, 1)
