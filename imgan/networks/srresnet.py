"""SRResNet, the generator of SRGAN (Ledig et al. 2017, "Photo-Realistic Single Image SR")."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import ResidualBlock, upsampler


class SRResNet(nn.Module):
    """The 16-block residual network of the paper (figure 4), with or without batch normalisation.

    The paper's own form is ``norm=True``; without it the network has no train/eval difference and
    no batch-norm artefacts (Lim et al. 2017; Wang et al. 2018), and this is our default.

    Shape: ``[N, channels, H, W] in [0, 1] -> [N, channels, scale*H, scale*W]``.
    The receptive field reaches ``2 * blocks + 11`` low-resolution pixels to each side.
    """

    def __init__(
        self,
        scale: int = 4,
        width: int = 64,
        blocks: int = 16,
        norm: bool = False,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Sequential(nn.Conv2d(channels, width, 9, 1, 4), nn.PReLU())
        self.body = nn.Sequential(
            *(ResidualBlock(width, norm, prelu=True) for _ in range(blocks)),
            nn.Conv2d(width, width, 3, 1, 1, bias=not norm),
            nn.BatchNorm2d(width) if norm else nn.Identity(),
        )
        self.up = upsampler(width, scale)
        self.tail = nn.Conv2d(width, channels, 9, 1, 4)
        self.reach = 4 + 2 * blocks + 1 + 2 + 4
        """Low-resolution pixels to each side that one output pixel can depend on."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(2 * x - 1)  # [N, width, H, W]
        out: Tensor = self.tail(self.up(features + self.body(features)))
        # bf16 has too few bits for the 256 levels of a pixel.
        return (out.float() + 1) / 2  # [N, channels, scale*H, scale*W]
