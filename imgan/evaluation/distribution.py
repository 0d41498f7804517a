"""How near a set of images comes to another as a whole: distances of their features (KID, FID)."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

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


class InceptionFeatures(nn.Module):
    """The 2048 pooled features of the Inception network that published FID and KID are on.

    ``[N, 3, H, W] -> [N, 2048]``; takes float in [0, 1], rounded to 8 bits as the network asks.

    Args:
        weights: the file ``weights-inception-2015-12-05-6726825d.pth`` of torch-fidelity.

    Raises:
        ImganError: torch-fidelity is not installed, or the file is not that.
    """

    protocol = "Inception (2015-12-05, through torch-fidelity)"

    def __init__(self, weights: Path) -> None:
        super().__init__()
        try:
            from torchmetrics.image.fid import NoTrainInceptionV3

            network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))
        except ModuleNotFoundError:
            raise ImganError(
                "FID on Inception needs torch-fidelity: pip install torch-fidelity"
            ) from None
        except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError):
            raise ImganError(
                f"{weights} does not hold the Inception network of torch-fidelity "
                "(weights-inception-2015-12-05-6726825d.pth)"
            ) from None
        self.network = network

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """One vector an image."""
        whole = (images * 255).round().clamp(0, 255).byte()
        features: Tensor = self.network(whole)
        return features.float()


class SetDistance:
    """KID (Binkowski et al. 2018) and FID (Heusel et al. 2017): compare within a table only.

    By torchmetrics: KID is the polynomial kernel's unbiased estimate, the mean over subsets.

    Args:
        features: LPIPS, whose backbone is taken, or `InceptionFeatures`.
        subsets: of KID.

    Raises:
        ImganError: on `compute` and `fid`, when there are fewer than `LEAST` images on a side.
    """

    def __init__(self, features: LpipsDistance | InceptionFeatures, subsets: int = 100) -> None:
        self._subsets = subsets
        self._real: list[Tensor] = []
        self._fake: list[Tensor] = []
        self._unit = isinstance(features, LpipsDistance)
        self._features: nn.Module = features
        if isinstance(features, LpipsDistance):
            self._features = Features(features)
            of = f"averaged features of the backbone of {features.protocol}"
            mind = ", features in units of the real ones' root mean square; not comparable with "
            mind += "figures on Inception"
        else:
            of, mind = f"features of {features.protocol}", ""
        self.protocol = (
            f"KID x 1000: kernel distance of {of}, {subsets} subsets of half of the images{mind}"
        )
        self.fid_protocol = (
            f"FID: Frechet distance of {of}{mind}; with few images it is far too high, and "
            "compares sets of equal size only"
        )

    def add(self, fake: Tensor | None, real: Tensor | None) -> None:
        """Take in images ``[N, 3, H, W]`` in [0, 1] of either side."""
        if fake is not None:
            self._fake.append(self._seen(fake))
        if real is not None:
            self._real.append(self._seen(real))

    @property
    def enough(self) -> bool:
        """Whether there are `LEAST` images on both sides."""
        return min(sum(map(len, side)) for side in (self._real, self._fake)) >= LEAST

    def _seen(self, images: Tensor) -> Tensor:
        """Features, taken where the network is, and kept on the CPU."""
        device = next((p.device for p in self._features.parameters()), images.device)
        features: Tensor = self._features(images.to(device))
        return features.cpu()

    def fid(self) -> float:
        """The Frechet distance of Gaussians fitted to both sides' features."""
        from torchmetrics.image.fid import FrechetInceptionDistance

        real, fake = self._both()
        metric = FrechetInceptionDistance(feature=_Ready(real.shape[1]))
        metric.set_dtype(torch.float64)
        metric.update(real.double(), real=True)
        metric.update(fake.double(), real=False)
        return float(metric.compute())

    def _both(self) -> tuple[Tensor, Tensor]:
        real, fake = torch.cat(self._real), torch.cat(self._fake)
        fewer = min(len(real), len(fake))
        if fewer < LEAST:
            raise ImganError(f"KID needs {LEAST} images and more on a side, not {fewer}")
        if not self._unit:
            return real, fake
        # The kernel (x y / C + 1)^3 wants features of about 1, and backbones differ by far.
        unit = real.square().mean().sqrt().clamp(min=1e-12)
        return real / unit, fake / unit

    def compute(self) -> float:
        """A thousand times the mean of KID's estimates."""
        from torchmetrics.image.kid import KernelInceptionDistance

        real, fake = self._both()
        fewer = min(len(real), len(fake))
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
