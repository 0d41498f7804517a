"""Costs that need no critic: how far an output is from its target."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ..perceptual import LpipsDistance, PerceptualLoss
from ..recipe.base import Lpips, Perceptual, Pixel

DISTANCES = {"l1": l1_loss, "mse": mse_loss}
"""Pixel costs by the recipe's ``kind``."""


class Fidelity:
    """The pixel cost, and the distances of features that a recipe asks for, each by its name."""

    def __init__(self, pixel: Pixel, perceptual: Perceptual | None, lpips: Lpips | None) -> None:
        self._pixel, self._perceptual, self._lpips = pixel, perceptual, lpips
        self._features = (
            PerceptualLoss(perceptual.layers, perceptual.weights, perceptual.criterion)
            if perceptual
            else None
        )
        self._distance = LpipsDistance(lpips.backbone, lpips.weights) if lpips else None

    @property
    def name(self) -> str:
        """What is paid, by its names: ``l1``, ``mse + perceptual``."""
        paid = {
            self._pixel.kind: self._pixel.weight > 0,
            "perceptual": self._perceptual is not None,
            "lpips": self._lpips is not None,
        }
        return " + ".join(name for name, is_paid in paid.items() if is_paid)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """The fixed networks in it."""
        return tuple(m for m in (self._features, self._distance) if m is not None)

    def pixels(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The weighted pixel cost, in any range."""
        pixel = self._pixel
        if not pixel.weight:
            return {}
        return {pixel.kind: pixel.weight * DISTANCES[pixel.kind](output, target)}

    def features(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The weighted distances of features; ``[N, 3, H, W]`` in [0, 1]."""
        costs: dict[str, Tensor] = {}
        if self._features is not None and self._perceptual:
            costs["perceptual"] = self._perceptual.weight * self._features(output, target)
        if self._distance is not None and self._lpips:
            costs["lpips"] = self._lpips.weight * self._distance(output, target).mean()
        return costs
