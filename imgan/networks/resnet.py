"""The residual generator of CycleGAN (Zhu et al. 2017, "Unpaired Image-to-Image Translation")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import ReflectConv, ResidualBlock, downsampling, init_normal_, norm_layers, upsampling


class ResNet(nn.Module):
    """Two halvings, residual blocks at a quarter of the size, two doublings (section 7.2).

    c7s1-64, d128, d256, R256 (6 blocks for images of 128 pixels, 9 for 256 and more), u128, u64,
    c7s1-3, with reflection padding; after Johnson et al. 2016.

    Args:
        width: channels of the first convolution; the blocks have 4 times as many.
        blocks: the number of residual blocks.
        norm: "instance" (the paper's), "batch" or "none".
        dropout: drop half of the activations inside the blocks; active in training only.
        upsample: "transposed" convolutions (the paper's), or "resize": nearest neighbours and a
            convolution, which leave no checkerboard (Odena et al. 2016).

    11.4 million parameters with 9 blocks.

    Shape: ``[N, channels, H, W] in [-1, 1] -> [N, out_channels, H, W] in (-1, 1)``; H and W are
    multiples of 4, and 8 or more.
    """

    def __init__(
        self,
        channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        norm: str = "instance",
        dropout: bool = False,
        upsample: str = "transposed",
    ) -> None:
        super().__init__()
        if upsample not in ("transposed", "resize"):
            raise ValueError(f"upsample is transposed or resize, not {upsample!r}")
        resize = upsample == "resize"
        self.head = head(channels, width, norm)
        self.down = nn.Sequential(*downsampling(width, norm), *downsampling(2 * width, norm))
        self.body = nn.Sequential(
            *(
                ResidualBlock(4 * width, norm, dropout=dropout, padding="reflect")
                for _ in range(blocks)
            )
        )
        self.up = nn.Sequential(
            *upsampling(4 * width, norm, resize), *upsampling(2 * width, norm, resize)
        )
        self.tail = tail(width, out_channels)
        self.size_multiple = 4
        self.minimum = 8
        """The smallest side of an image that it takes: reflection needs two pixels a map."""
        # Head and tail 3 each, the halvings 1 + 2, the doublings as much (twice that with resize),
        # and a block two pixels of a map at a quarter of the size.
        finite = 3 + 3 + 8 * blocks + (6 if resize else 3) + 3
        self.reach = None if norm == "instance" else finite
        """Pixels to each side that an output pixel can depend on; None is the whole image."""
        init_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.body(self.down(self.head(x))))
        out: Tensor = self.tail(x)
        return torch.tanh(out.float())  # bf16 has too few bits for the 256 levels of a pixel


def head(channels: int, width: int, norm: str) -> nn.Sequential:
    """The 7x7 convolution that comes first: ``[N, channels, H, W] -> [N, width, H, W]``."""
    conv = ReflectConv(channels, width, 7, 3, bias=norm != "batch")
    return nn.Sequential(conv, *norm_layers(norm, width), nn.ReLU(inplace=True))


def tail(width: int, out_channels: int) -> nn.Module:
    """The 7x7 convolution that comes last: ``[N, width, H, W] -> [N, out_channels, H, W]``."""
    return ReflectConv(width, out_channels, 7, 3)
