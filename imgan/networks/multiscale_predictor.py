"""The multi-scale predictor of next frames (Mathieu, Couprie & LeCun 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class MultiscalePredictor(nn.Module):
    """Predicts small first, and at each doubling of the size what is to be added (section 3.2).

    Network k of s sees the past frames at its scale and the prediction of the scale below made
    larger, and gives the difference: ``Y_k = u(Y_k-1) + G_k(X_k, u(Y_k-1))`` (equation 2). The
    channels and kernels are the paper's (table 1); the two small scales have four convolutions, the
    two large ones six.

    Args:
        past, future: how many frames go in and come out.
        width: channels of the first convolution; the paper's 128.
        scales: sizes, each half of the next.

    Shape: ``[N, past, channels, H, W] in [0, 1] -> [N, future, channels, H, W]``, not clamped; H
    and W are multiples of ``2 ** (scales - 1)``.
    """

    def __init__(
        self, past: int = 4, future: int = 1, channels: int = 3, width: int = 128, scales: int = 4
    ) -> None:
        super().__init__()
        self.past, self.future, self.channels = past, future, channels
        self.size_multiple = 2 ** (scales - 1)
        self.minimum = self.size_multiple
        first, out = (past + future) * channels, future * channels
        small, large = [1, 2, 1], [1, 2, 4, 2, 1]
        kernels = [[3, 3, 3, 3], [5, 3, 3, 5], [5, 3, 3, 3, 3, 5], [7, 5, 5, 5, 5, 7]]
        self.nets = nn.ModuleList()
        for scale in range(scales):
            own = kernels[min(scale, 3)]
            widths = [width * w for w in (small if len(own) == 4 else large)]
            layers: list[nn.Module] = []
            for i, (before, after) in enumerate(zip([first, *widths], [*widths, out], strict=True)):
                layers += [nn.Conv2d(before, after, own[i], 1, own[i] // 2), nn.ReLU(inplace=True)]
            self.nets.append(nn.Sequential(*layers[:-1]))
        self.reach = _reach([sum(k // 2 for k in kernels[min(i, 3)]) for i in range(scales)])
        """Pixels to each side that an output pixel can depend on."""

    def forward(self, past: Tensor) -> Tensor:
        stacked = past.flatten(1, 2) - 0.5  # [N, P*C, H, W]
        if past.device.type == "cpu":
            stacked = stacked.contiguous(memory_format=torch.channels_last)
        answer = stacked.new_zeros(())
        for k, net in enumerate(self.nets):
            factor = 2 ** (len(self.nets) - 1 - k)
            seen = stacked if factor == 1 else nn.functional.avg_pool2d(stacked, factor)
            if k:
                answer = interpolate(answer, scale_factor=2, mode="bilinear", align_corners=False)
            else:  # the smallest starts from the last frame
                answer = seen[:, -self.channels :].repeat(1, self.future, 1, 1)
            answer = answer + net(torch.cat([seen, answer], dim=1)).float()
        return torch.unflatten(answer + 0.5, 1, (self.future, self.channels))


def _reach(radii: list[int]) -> int:
    """How far the predictor sees whose networks see so many pixels of their scale, small first."""
    most = 0
    cell = 1 << (len(radii) - 1)  # the side of a pixel of the smallest scale
    for place in range(cell):
        low = high = place  # from here back to the smallest scale
        for i, radius in enumerate(reversed(radii)):
            low, high = low - radius, high + radius
            if i < len(radii) - 1:  # of two pixels the enlarging takes one more, on its own side
                low, high = (low - 1) // 2, (high + 1) // 2
        most = max(most, place - low * cell, (high + 1) * cell - 1 - place)
    return most
