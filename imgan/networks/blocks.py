"""Pieces that several generators share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity: ``x + scale * conv(act(conv(x)))``.

    With ``norm=True`` and PReLU it is the block of SRResNet (Ledig et al. 2017, figure 4); without
    normalisation and with ReLU it is the block of EDSR (Lim et al. 2017, figure 2c).

    Shape: ``[N, C, H, W] -> [N, C, H, W]``.
    """

    def __init__(self, channels: int, norm: bool = False, prelu: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, channels, 3, 1, 1, bias=not norm)]
        if norm:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(nn.PReLU() if prelu else nn.ReLU(inplace=True))
        layers.append(nn.Conv2d(channels, channels, 3, 1, 1, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm2d(channels))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out.add_(x)  # in place: the sum of a trunk's maps is most of its memory traffic


def upsampler(channels: int, scale: int, activation: bool = True) -> nn.Sequential:
    """Sub-pixel up-scaling in steps of 2 or 3 (Shi et al. 2016).

    Shape: ``[N, C, H, W] -> [N, C, scale*H, scale*W]``; scale is 2, 3, 4 or 8.
    """
    factors = {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}.get(scale)
    if factors is None:
        raise ValueError(f"scale {scale} is not one of 2, 3, 4, 8")
    layers: list[nn.Module] = []
    for factor in factors:
        layers += [nn.Conv2d(channels, channels * factor**2, 3, 1, 1), nn.PixelShuffle(factor)]
        if activation:
            layers.append(nn.PReLU())
    return nn.Sequential(*layers)


def icnr_(conv: nn.Conv2d, scale: int) -> None:
    """Give the `scale**2` filters of each output channel the same start: no checkerboard at step 0.

    Source: Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution".
    """
    with torch.no_grad():
        conv.weight.copy_(conv.weight[:: scale**2].repeat_interleave(scale**2, 0))
        if conv.bias is not None:
            conv.bias.copy_(conv.bias[:: scale**2].repeat_interleave(scale**2, 0))
