"""Next frames from layers that move, each as a whole."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle, silu, softplus

from .layered_motion import lowest, shifted, take_apart
from .u_shape import Residual

CELL = 4
"""Pixels to a side of the cells that contents are folded into."""

DARKEST = 3
"""So many of the darkest values along a layer's path are shown to the network."""

SHARPEST = 0.25
"""Pixels by which a place is unsure at the least: at none, no gradient would be left."""

WIDE = 8.0
"""Pixels of spread from which the sum of a Gaussian over the whole numbers is its integral."""

SMALLEST = 16
"""Pixels to a side that contents are widened to: in bf16 maps of one pixel's width were no numbers
now and then, by a fault of the processor's library."""


class MovingLayers(nn.Module):
    """Each thing of the past frames, seen whole, sent on as far as is known where it goes.

    For things that keep their shape and move over a dark ground, before and behind one another,
    such as moving digits. The past frames are taken apart into layers (Wang & Adelson 1994;
    `imgan.networks.layered_motion`), by calculation alone. Two networks are trained: convolutions
    see what a layer shows along its path and say what belongs to it, and a small dense network
    sees the path and where the sides of the frame are, and says where the layer will be in each
    frame ahead and how unsure that is. Of an unsure place squared error wants the mean over all
    places, which is the layer smeared by a Gaussian, and of layers that each cover a pixel with
    some chance, the chance that one does: that is how the frames are put together.

    The dense network sees across and down apart, with the same weights, and mirrored so that the
    nearer side is the left: what it learns of one side it knows of all four.

    Things move at most 5 pixels from frame to frame. Memory goes with the frame's side as well as
    with its area: it is made for small frames.

    Args:
        past, future: how many frames go in and come out.
        width: channels of the convolutions, at a quarter of the size.
        hidden: units of each layer of the dense network.
        depth: how many layers it has between the first and the last.
        layers: how many things there may be.

    Shape: ``[N, past, channels, H, W] in [0, 1] -> [N, future, channels, H, W]``, not clamped; H
    and W are any. float64 is computed as such, all else in float32 but for the convolutions.
    """

    def __init__(
        self,
        past: int = 10,
        future: int = 10,
        channels: int = 1,
        width: int = 64,
        hidden: int = 256,
        depth: int = 4,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.past, self.future, self.channels, self.layers = past, future, channels, layers
        self.size_multiple = 1
        self.reach = None  # a layer is looked for in the whole frame
        pixels = channels * CELL**2
        seen = min(DARKEST, past) + 3
        self.enter = nn.Conv2d(seen * pixels, width, 3, 1, 1)
        self.between = nn.Sequential(Residual(width), Residual(width))
        self.leave = nn.Conv2d(width, (seen + 1) * pixels, 3, 1, 1)
        self.first = nn.Linear(2 * (past + 2) + past + 1, hidden)
        self.dense = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth))
        self.last = nn.Linear(hidden, 2 * future)
        for layer in (self.leave, self.last):  # begin with no preference, and at rest
            nn.init.normal_(layer.weight, std=1e-3)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, past: Tensor) -> Tensor:
        past = past if past.dtype == torch.float64 else past.float()
        found = take_apart(past, self.layers)
        frames = past.unsqueeze(1).expand(-1, self.layers, -1, -1, -1, -1).flatten(0, 1)
        along = shifted(frames, found.place.flatten(0, 1))  # [N*L, P, C, H, W]
        thing = found.content.flatten(0, 1)
        others = (found.content.sum(1, keepdim=True) - found.content).flatten(0, 1)
        content = self._content(thing, along, others)
        with torch.autocast(past.device.type, enabled=False):
            # How much of the layer is missing where it should be, and how ill all layers fit.
            gone = (along - thing.unsqueeze(1)).clamp(max=0).square().sum((2, 3, 4))
            gone = 5 * gone / (thing.square().sum((1, 2, 3)) + 1).unsqueeze(1)
            misfit = (found.misfit / 10).tanh().repeat_interleave(self.layers)
            shift, spread = self._ahead(thing, found.place.flatten(0, 1), gone, misfit)
            sent = torch.unflatten(_smeared(content, shift, spread), 0, (-1, self.layers))
        covered: Tensor = 1 - (1 - sent).prod(1)
        return covered

    def _content(self, thing: Tensor, along: Tensor, others: Tensor) -> Tensor:
        """What of all seen along its way belongs to each layer: ``[N*L, C, H, W]``."""
        seen = torch.stack([*lowest(along, DARKEST), thing, along[:, -1], others], 1)
        height, width = seen.shape[-2:]
        tall, wide = (CELL * -(-max(side, SMALLEST) // CELL) for side in (height, width))
        seen = pad(seen, (0, wide - width, 0, tall - height))
        x = pixel_unshuffle(seen.flatten(1, 2), CELL)
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.leave(silu(self.between(self.enter(x)))).to(seen.dtype)
        said = torch.unflatten(pixel_shuffle(x, CELL), 1, (-1, self.channels))
        content: Tensor = (said[:, :-1].softmax(1) * seen).sum(1) + 0.1 * said[:, -1]
        return content[..., :height, :width]

    def _ahead(
        self, thing: Tensor, path: Tensor, gone: Tensor, misfit: Tensor
    ) -> tuple[Tensor, Tensor]:
        """How far ``[M, F, 2]`` each layer will have gone, right and down, and how unsure it is."""
        height, width = thing.shape[-2:]
        ink = thing.clamp(min=0).sum(1) + 1e-4
        x = (ink.sum(1) * torch.arange(width, device=ink.device)).sum(1)
        y = (ink.sum(2) * torch.arange(height, device=ink.device)).sum(1)
        middle = torch.stack([x, y], 1) / ink.sum((1, 2)).unsqueeze(1)  # [M, 2]
        rest = torch.stack([width - 1 - middle[:, 0], height - 1 - middle[:, 1]], 1)
        mirror = 1 - 2 * (middle > rest).to(middle.dtype)
        near, far = torch.minimum(middle, rest), torch.maximum(middle, rest)
        each = torch.cat([path / 10 * mirror[:, None], torch.stack([near, far], 1) / 16 - 1], 1)
        each = each.transpose(1, 2)  # [M, 2, P + 2]
        known = torch.cat([gone, misfit.unsqueeze(1)], 1).unsqueeze(1).expand(-1, 2, -1)
        x = silu(self.first(torch.cat([each, each.flip(1), known], 2)))
        for layer in self.dense:
            x = x + silu(layer(x))
        said = torch.unflatten(self.last(x), 2, (2, -1)).permute(0, 2, 3, 1)  # [M, 2, F, 2]
        shift = 10 * said[:, 0] * mirror[:, None]
        return shift, SHARPEST + softplus(5 * said[:, 1] + 1)


def _smeared(image: Tensor, shift: Tensor, spread: Tensor) -> Tensor:
    """Each image of ``[M, C, H, W]`` moved and blurred, ``[M, F, C, H, W]``; what leaves is gone.

    Args:
        shift, spread: ``[M, F, 2]``, right and down: a Gaussian's mean and standard deviation, in
            pixels.
    """
    down = smear(image.shape[-2], shift[..., 1], spread[..., 1])  # [M, F, H, H]
    right = smear(image.shape[-1], shift[..., 0], spread[..., 0])
    moved = down.unsqueeze(2) @ image.unsqueeze(1)
    return moved @ right.mT.unsqueeze(2)


def smear(size: int, shift: Tensor, spread: Tensor) -> Tensor:
    """Matrices ``[..., size, size]`` that move a line and blur it by a Gaussian.

    In each column stands a Gaussian over the whole numbers, which sum to 1 but for those outside.
    """
    shift, spread = shift.unsqueeze(-1), spread.unsqueeze(-1)
    far = int(5 * WIDE)
    whole = torch.arange(-far, far + 1, device=shift.device)
    part = shift - shift.detach().round()
    total = torch.exp(-0.5 * ((whole - part) / spread).square()).sum(-1, keepdim=True)
    total = torch.where(spread < WIDE, total, spread * math.sqrt(2 * math.pi))
    apart = torch.arange(size - 1, -size, -1, device=shift.device)  # from a column to a row
    line = torch.exp(-0.5 * ((apart - shift) / spread).square()) / total  # [..., 2*size - 1]
    return line.unfold(-1, size, 1).flip(-2)
