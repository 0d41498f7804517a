"""The U-Net generator of pix2pix (Isola et al. 2017, "Image-to-Image Translation")."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from .blocks import init_normal_, norm_layers


class UNet(nn.Module):
    """An encoder down to 1/2**depth of the size and a decoder that sees all its maps (section 6.1).

    Encoder C64-C128-C256-C512-C512..., decoder ...CD512-CD512-CD512-C512-C256-C128-C64: 4x4
    convolutions of stride 2, with a skip connection from each layer i to layer n - i. Depth 8 is
    the paper's U-Net 256 and 7 its U-Net 128, named by the smallest image that they take. The first
    and the innermost convolution have no norm (at 1x1 it would leave nothing of the map).

    Args:
        width: channels of the first convolution; the inner ones have up to 8 times as many.
        norm: "batch", "instance" or "none".
        dropout: drop half of the activations in the three innermost layers of the decoder: pix2pix
            has no other noise. Active in training only.

    54.4 million parameters at depth 8.

    Shape: ``[N, channels, H, W] in [-1, 1] -> [N, out_channels, H, W] in (-1, 1)``; H and W are
    multiples of ``2**depth``.
    """

    def __init__(
        self,
        channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        depth: int = 8,
        norm: str = "batch",
        dropout: bool = True,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"a U-Net has a depth of 2 or more, not {depth}")
        widths = [width * min(2**i, 8) for i in range(depth)]
        self.down = nn.ModuleList()
        for i, (before, after) in enumerate(zip([channels, *widths], widths, strict=False)):
            own = norm if 0 < i < depth - 1 else "none"
            conv = nn.Conv2d(before, after, 4, 2, 1, bias=own != "batch")
            self.down.append(nn.Sequential(conv, *norm_layers(own, after)))
        self.up = nn.ModuleList()
        for i in reversed(range(depth)):  # from the inside to the outside
            before = widths[i] * (1 if i == depth - 1 else 2)  # with the skip connection
            after, own = (widths[i - 1], norm) if i else (out_channels, "none")
            conv_up = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=own != "batch")
            drops = dropout and i and len(self.up) < 3
            self.up.append(
                nn.Sequential(
                    conv_up, *norm_layers(own, after), *([nn.Dropout(0.5)] if drops else [])
                )
            )
        self.size_multiple = 2**depth
        self.minimum = 2**depth
        """The smallest side of an image that it takes."""
        self.reach = None
        """An output pixel depends on the whole image."""
        init_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for i, layer in enumerate(self.down):
            x = layer(leaky_relu(x, 0.2) if i else x)
            skips.append(x)
        x = self.up[0](relu(skips.pop()))
        for layer in list(self.up)[1:]:
            x = layer(relu(torch.cat([skips.pop(), x], 1)))
        return torch.tanh(x.float())  # bf16 has too few bits for the 256 levels of a pixel
