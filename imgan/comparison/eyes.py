"""Distances as people see them, and of sets: those whose weights are there."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ImganError
from ..evaluation.distribution import LEAST, InceptionFeatures, SetDistance
from ..perceptual import SMALLEST, Backbone, LpipsDistance
from .result import Metric

LPIPS = Metric("lpips", "LPIPS", "perception", "lower", 4)
DISTS = Metric("dists", "DISTS", "perception", "lower", 4)
FID = Metric("fid", "FID", "distribution", "lower", 2)
KID = Metric("kid", "KID x 1000", "distribution", "lower", 1)


class Eyes:
    """LPIPS and DISTS of image pairs, FID and KID of sets.

    Args:
        lpips: a backbone, or None for none.
        lpips_weights: of the backbone; without them torchvision's cache or download.
        inception: weights for FID and KID on Inception; without them they are on LPIPS's backbone.
        insist: LPIPS was asked for, and not taken because it may be there.
        device: where they run.

    Raises:
        ImganError: weights that were asked for cannot be had.
    """

    def __init__(
        self,
        lpips: Backbone | None,
        lpips_weights: Path | None,
        inception: Path | None,
        insist: bool,
        device: torch.device,
    ) -> None:
        self.missing: list[str] = []
        self._small = 0
        self.lpips = self._lpips(lpips, lpips_weights, insist)
        self.dists: nn.Module | None = None
        try:
            self.dists = _dists()
        except FileNotFoundError:
            self.missing.append("no DISTS: torchvision's VGG-16 is not in its cache")
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            self.missing.append("no DISTS: torchvision's VGG-16 in its cache is damaged")
        self._sets = InceptionFeatures(inception) if inception else self.lpips
        for network in (self.lpips, self.dists, self._sets):
            if network is not None:
                network.to(device)
        self._device = device

    def _lpips(
        self, backbone: Backbone | None, weights: Path | None, insist: bool
    ) -> LpipsDistance | None:
        if backbone is None:
            return None
        try:
            return LpipsDistance(backbone, weights)
        except ImganError:
            if insist:
                raise
            # Not the reason, which names folders of this machine.
            self.missing.append(
                f"no LPIPS: the weights of its backbone ({backbone}) are not there; "
                "--lpips-weights FILE takes them from a file"
            )
            return None

    @property
    def metrics(self) -> list[Metric]:
        """Of pairs."""
        return [LPIPS] * (self.lpips is not None) + [DISTS] * (self.dists is not None)

    @torch.no_grad()
    def figures(self, answer: Tensor, truth: Tensor) -> list[dict[str, float]]:
        """For each of ``[K, 3, H, W]`` in [0, 1]."""
        one, other = answer.float().to(self._device), truth.float().to(self._device)
        found: dict[str, Tensor] = {}
        if self.lpips is not None and min(one.shape[-2:]) >= SMALLEST:
            found["lpips"] = self.lpips(one, other)
        elif self.lpips is not None:
            self._small += len(one)
        if self.dists is not None:
            found["dists"] = self.dists(one, other).reshape(-1)  # of one image it is a scalar
        return [{k: float(values[i]) for k, values in found.items()} for i in range(len(answer))]

    def sets(self, count: int | None) -> SetDistance | None:
        """For FID and KID, unless there are so few images that they say nothing."""
        few = count is not None and count < LEAST
        return None if self._sets is None or few else SetDistance(self._sets)

    def large(self, images: Tensor) -> bool:
        """Whether the network of FID and KID can look at ``[N, C, H, W]``; Inception resizes."""
        return isinstance(self._sets, InceptionFeatures) or min(images.shape[-2:]) >= SMALLEST

    def protocol(self) -> list[str]:
        """What figures of pairs are to be published with, and what is missing."""
        lines = [f"{self.lpips.protocol} on RGB"] if self.lpips else []
        if self.dists is not None:
            lines.append("DISTS (Ding et al. 2020, through torchmetrics) on RGB")
        if self._small:
            lines.append(f"no LPIPS of images of fewer than {SMALLEST} pixels to a side")
        return lines + self.missing


def _dists() -> nn.Module:
    """torchmetrics' network, where the VGG-16 that it loads is there already.

    Raises:
        FileNotFoundError: it is not; other errors if it is damaged.
    """
    from torchvision.models import VGG16_Weights

    name = VGG16_Weights.DEFAULT.url.rpartition("/")[2]
    file = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not file.is_file():
        raise FileNotFoundError(file)
    from torchmetrics.functional.image.dists import DISTSNetwork

    network: nn.Module = DISTSNetwork().requires_grad_(False).eval()
    return network
