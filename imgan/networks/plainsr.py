"""PlainSR: the efficient super-resolution network for CPUs."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from .blocks import ResidualBlock, icnr_


class PlainSR(nn.Module):
    """EDSR's blocks, all at low resolution, one sub-pixel convolution, and an anchor.

    The family is that of plain mobile networks: residual blocks of two 3x3 convolutions without
    normalisation (EDSR, Lim et al. 2017), the whole trunk at low resolution with one sub-pixel
    convolution at its end (ESPCN, Shi et al. 2016), and the repeated input as an anchor that the
    network adds its answer to (ABPN, Du et al. 2021). There is nothing in it but 3x3 convolutions
    of one width: a processor with matrix units (AMX) runs those at several times the speed of the
    attention, the 1x1 and the depth-wise layers that fewer-operation families are made of.

    657 thousand parameters at width 64 with 8 blocks and scale 4.

    Shape: ``[N, channels, H, W] in [0, 1] -> [N, channels, scale*H, scale*W]``.
    """

    def __init__(self, scale: int = 4, width: int = 64, blocks: int = 8, channels: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(channels, width, 3, 1, 1)
        self.body = nn.Sequential(
            *(ResidualBlock(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, 1, 1)
        )
        self.up = nn.Conv2d(width, channels * scale**2, 3, 1, 1)
        icnr_(self.up, scale)
        self.reach = 1 + 2 * blocks + 1 + 1
        """Low-resolution pixels to each side that one output pixel can depend on."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x - 0.5)  # [N, width, H, W]
        residual = self.up(self.body(features).add_(features))  # [N, channels * scale**2, H, W]
        anchor = interpolate(x, scale_factor=self.scale, mode="nearest")
        return anchor.add_(pixel_shuffle(residual, self.scale))  # [N, channels, scale*H, scale*W]
