"""Random changes of whole batches that leave what is seen as it is: for features that ignore them.

They run where the batch lies (a GPU too) and draw from torch's random state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate


@dataclass(frozen=True)
class Jitter:
    """How far images are changed; at 0 a change is left out.

    Args:
        rotate: largest angle in degrees.
        scale: largest factor less 1, also its inverse, for width and height apart.
        shear: largest shear.
        shift: largest shift as a share of the side.
        flip: whether left and right may be exchanged.
        invert: how often dark and light are exchanged.
        invert_channels: how often this is drawn for each channel apart, which also changes colours.
        contrast: largest share of contrast that is taken away or added, for each channel apart.
        brightness: largest change of brightness, as a share of the range, for each channel apart.
        texture: largest deviation of a random coloured pattern, smooth over 2 to 16 pixels, that is
            laid over the image, as a share of the range.
        noise: largest deviation of gaussian noise, as a share of the range.
    """

    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    flip: bool = False
    invert: float = 0.0
    invert_channels: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    texture: float = 0.0
    noise: float = 0.0

    def __call__(self, images: Tensor) -> Tensor:
        """``[N, C, H, W]`` in [-1, 1], changed each in its own way."""
        if self.rotate or self.scale or self.shear or self.shift or self.flip:
            images = self._moved(images)
        n, c = images.shape[:2]
        if self.invert:
            images = images * torch.where(_rand(images, n, 1, 1, 1) < self.invert, -1.0, 1.0)
        if self.invert_channels:
            apart = _rand(images, n, 1, 1, 1) < self.invert_channels
            turned = apart & (_rand(images, n, c, 1, 1) < 0.5)
            images = torch.where(turned, -images, images)
        if self.contrast:
            images = images * (1 + self.contrast * _around(images))
        if self.brightness:
            images = images + 2 * self.brightness * _around(images)
        if self.texture:
            strength = 2 * self.texture * _rand(images, n, 1, 1, 1)
            images = images + strength * _pattern(images)
        if self.noise:
            deviation = 2 * self.noise * _rand(images, n, 1, 1, 1)
            images = images + deviation * torch.randn_like(images)
        return images.clamp(-1, 1)

    def _moved(self, images: Tensor) -> Tensor:
        n = len(images)

        def drawn(most: float) -> Tensor:
            return most * (2 * _rand(images, n) - 1)

        angle = drawn(self.rotate * math.pi / 180)
        log = math.log1p(self.scale)
        across, down, shear = drawn(log).exp(), drawn(log).exp(), drawn(self.shear)
        if self.flip:
            across = across * torch.where(_rand(images, n) < 0.5, -1.0, 1.0)
        cos, sin = angle.cos(), angle.sin()
        rows = torch.stack(
            [
                torch.stack([across * cos, across * (shear * cos - sin), drawn(2 * self.shift)], 1),
                torch.stack([down * sin, down * (shear * sin + cos), drawn(2 * self.shift)], 1),
            ],
            dim=1,
        )  # [N, 2, 3]
        grid = affine_grid(rows, list(images.shape), align_corners=False)
        moved: Tensor = grid_sample(images, grid, padding_mode="border", align_corners=False)
        return moved


def _pattern(images: Tensor) -> Tensor:
    """Random values of deviation about 1 over the image, its scales mixed anew for each sample."""
    n, c, h, w = images.shape
    weights = _rand(images, 3, n, 1, 1, 1) + 1e-3
    weights = weights / weights.square().sum(0).sqrt()
    size = (max(2, h // 2), max(2, w // 2))
    total = torch.zeros(n, c, *size, device=images.device, dtype=images.dtype)
    for cell, weight in zip((16, 6, 2), weights, strict=True):
        values = images.new_empty(n, c, max(2, h // cell), max(2, w // cell)).normal_()
        total = total + weight * interpolate(values, size, mode="bilinear", align_corners=True)
    return interpolate(total, (h, w), mode="bilinear", align_corners=True)


def _around(images: Tensor) -> Tensor:
    """Uniform in [-1, 1], a value a sample and channel."""
    return 2 * _rand(images, *images.shape[:2], 1, 1) - 1


def _rand(like: Tensor, *shape: int) -> Tensor:
    """Uniform in [0, 1), where `like` lies."""
    return torch.rand(shape, device=like.device, dtype=like.dtype)
