"""Pairs out of single photos: the input is made from the target, so any photos will do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .prepared import luma

Pixels = NDArray[np.float32]
Maker = Callable[[Pixels, np.random.Generator], Pixels]
"""A target ``[H, W, 3]`` in [0, 1] to its input ``[H, W, C]`` in [0, 1]."""

BLUR = (0.6, 3.0)
"""Standard deviations of `sharpen`'s blur, in pixels."""

NOISE = (0.02, 0.15)
"""Standard deviations of `denoise`'s noise, of the range of values."""


def colourise(target: Pixels, rng: np.random.Generator) -> Pixels:
    """Its luma: the network learns the colours."""
    return luma(target)


def sharpen(target: Pixels, rng: np.random.Generator) -> Pixels:
    """Blurred by a Gaussian of a drawn width."""
    import cv2

    sigma = float(rng.uniform(*BLUR))
    return _like(cv2.GaussianBlur(target, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), target)


def denoise(target: Pixels, rng: np.random.Generator) -> Pixels:
    """With noise of a drawn strength: even over the range, or growing with the light."""
    sigma = float(rng.uniform(*NOISE))
    noise = rng.standard_normal(target.shape, dtype=np.float32) * np.float32(sigma)
    if rng.random() < 0.5:
        noise *= np.sqrt(target + np.float32(0.05))
    return _like(np.clip(target + noise, 0, 1), target)


def edges(target: Pixels, rng: np.random.Generator) -> Pixels:
    """White lines on black (Canny 1986), from a drawn amount of detail."""
    import cv2

    grey: Any = (luma(target)[:, :, 0] * 255).astype(np.uint8)
    grey = cv2.GaussianBlur(grey, (0, 0), float(rng.uniform(0.8, 1.8)))
    low = float(rng.uniform(30, 80))
    lines: Any = cv2.Canny(grey, low, 2.5 * low)[:, :, None] > 0
    return np.asarray(lines, np.float32)


MAKERS: dict[str, Maker] = {
    "colourise": colourise,
    "sharpen": sharpen,
    "denoise": denoise,
    "edges": edges,
}
"""By the names of a recipe's ``data.make``."""


def _like(pixels: Any, target: Pixels) -> Pixels:
    return np.asarray(pixels, np.float32).reshape(target.shape)
