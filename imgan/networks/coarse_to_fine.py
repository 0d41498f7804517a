"""The coarse-to-fine generator of pix2pixHD (Wang et al. 2018, "High-Resolution Synthesis")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import ResidualBlock, downsampling, init_normal_, upsampling
from .resnet import head, tail

_HALVINGS = 4


class CoarseToFine(nn.Module):
    """A global generator for the small image and enhancers that each double it (section 3.1).

    The global generator G1 (c7s1-64, d128, d256, d512, d1024, R1024 x 9, u512, u256, u128, u64)
    sees the image at ``1 / 2**enhancers`` of its size. A local enhancer G2 (c7s1-32, d64, R64 x 3,
    u32) adds its own maps to those of the stage before; the last ends in c7s1-3. For images of 512
    pixels and more. All stages are trained together.

    Args:
        width: channels of the global generator's first convolution; each enhancer has half as many
            as the stage before.
        blocks, enhancer_blocks: residual blocks of the global generator and of each enhancer.
        enhancers: 0 is the global generator alone, at full size.
        norm: "instance" (the paper's), "batch" or "none".

    183 million parameters as in the paper.

    Shape: ``[N, channels, H, W] in [-1, 1] -> [N, out_channels, H, W] in (-1, 1)``; H and W are
    multiples of `size_multiple`, ``2**(4 + enhancers)``, and `minimum` or more.
    """

    def __init__(
        self,
        channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        enhancers: int = 1,
        enhancer_blocks: int = 3,
        norm: str = "instance",
    ) -> None:
        super().__init__()
        if width % 2**enhancers:
            raise ValueError(
                f"width {width} is to be halved for each of {enhancers} enhancers; take a multiple "
                f"of {2**enhancers}"
            )
        self.coarse = nn.Sequential(
            head(channels, width, norm),
            *(layer for i in range(_HALVINGS) for layer in downsampling(width * 2**i, norm)),
            *_trunk(width * 2**_HALVINGS, blocks, norm),
            *(layer for i in range(_HALVINGS, 0, -1) for layer in upsampling(width * 2**i, norm)),
        )
        reach = 3 + 15 + 32 * blocks + 15  # pixels of the small image
        self.enter, self.leave = nn.ModuleList(), nn.ModuleList()
        for _ in range(enhancers):
            width //= 2
            self.enter.append(
                nn.Sequential(head(channels, width, norm), *downsampling(width, norm))
            )
            self.leave.append(
                nn.Sequential(
                    *_trunk(2 * width, enhancer_blocks, norm), *upsampling(2 * width, norm)
                )
            )
            reach = max(2 * reach + 1, 3 + 1) + 4 * enhancer_blocks + 1
        self.tail = tail(width, out_channels)
        # Without the border's zeros in its means.
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.size_multiple = 2 ** (_HALVINGS + enhancers)
        self.minimum = 2 * self.size_multiple
        """The smallest side of an image that it takes: reflection needs two pixels a map."""
        self.reach = None if norm == "instance" else reach + 3
        """Pixels to each side that an output pixel can depend on; None is the whole image."""
        init_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        sizes = [x]
        for _ in self.enter:
            sizes.append(self.pool(sizes[-1]))
        maps = self.coarse(sizes.pop())
        for enter, leave in zip(self.enter, self.leave, strict=True):
            maps = leave(enter(sizes.pop()) + maps)
        out: Tensor = self.tail(maps)
        return torch.tanh(out.float())  # bf16 has too few bits for the 256 levels of a pixel


def _trunk(channels: int, blocks: int, norm: str) -> list[nn.Module]:
    return [ResidualBlock(channels, norm, padding="reflect") for _ in range(blocks)]
