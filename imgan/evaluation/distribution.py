"""How near a set of images comes to another as a whole: the kernel distance of their features."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from ..errors import ImganError
from ..perceptual import LpipsDistance

LEAST = 20
"""With fewer images the estimate is noise."""


class Features(nn.Module):
    """The last features of LPIPS's backbone, averaged over the image: ``[N, 3, H, W] -> [N, C]``.

    Takes uint8, or float in [0, 1].
    """

    def __init__(self, distance: LpipsDistance) -> None:
        super().__init__()
        self.distance = distance

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """One vector an image."""
        network = self.distance.lpips
        unit = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        maps = network.net(network.scaling_layer(2 * unit - 1))[-1]  # [N, C, h, w]
        means: Tensor = maps.mean((2, 3))
        return means


class KernelDistance:
    """KID (Binkowski et al. 2018) on a backbone that is not Inception: compare within a table only.

    The polynomial kernel's unbiased estimate, the mean over subsets, by torchmetrics.

    Raises:
        ImganError: on `compute`, when there are fewer than `LEAST` images on a side.
    """

    def __init__(self, distance: LpipsDistance, subsets: int = 100) -> None:
        self._features, self._subsets = Features(distance), subsets
        self._real: list[Tensor] = []
        self._fake: list[Tensor] = []
        self.protocol = (
            f"KID x 1000: kernel distance of averaged features of the backbone of "
            f"{distance.protocol}, {subsets} subsets of half of the images, features in units of "
            "the real ones' root mean square; not comparable with figures on Inception"
        )

    def add(self, fake: Tensor | None, real: Tensor | None) -> None:
        """Take in images ``[N, 3, H, W]`` in [0, 1] of either side."""
        if fake is not None:
            self._fake.append(self._features(fake))
        if real is not None:
            self._real.append(self._features(real))

    def compute(self) -> float:
        """A thousand times the mean of the estimates."""
        from torchmetrics.image.kid import KernelInceptionDistance

        real, fake = torch.cat(self._real), torch.cat(self._fake)
        fewer = min(len(real), len(fake))
        if fewer < LEAST:
            raise ImganError(f"KID needs {LEAST} images and more on a side, not {fewer}")
        # The kernel (x y / C + 1)^3 wants features of about 1, and backbones differ by far.
        unit = real.square().mean().sqrt().clamp(min=1e-12)
        real, fake = real / unit, fake / unit
        with warnings.catch_warnings():  # it warns of the memory that all features take: little
            warnings.simplefilter("ignore", UserWarning)
            metric = KernelInceptionDistance(
                feature=_Ready(real.shape[1]), subsets=self._subsets, subset_size=fewer // 2
            )
        metric.update(real, real=True)
        metric.update(fake, real=False)
        with torch.random.fork_rng():
            torch.manual_seed(0)  # the subsets, so that a figure can be had again
            mean, _ = metric.compute()
        return 1000 * float(mean)


class _Ready(nn.Module):
    """Features that are computed already pass."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count

    def forward(self, features: Tensor) -> Tensor:
        """As they are."""
        return features
