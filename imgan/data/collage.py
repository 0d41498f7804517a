"""Pictures made of photos: collages of flat, crisply cut shapes, and photos of stretched contrast.

Photos are mostly soft: few of their edges are as steep, and few of their surfaces as flat, as those
of drawings, letters, stripes and signs, and a network trained on photos alone blurs these. Images
that are cut and laid over each other have such edges in plenty, as in the dead leaves model (Lee,
Mumford and Huang 2001), whose images alone can train networks for restoration (Achddou, Gousseau
and Ladjal 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Image = NDArray[np.float32]
"""[H, W, 3] in [0, 1]."""

Random = np.random.Generator


@dataclass(frozen=True)
class Collage:
    """Makes some crops into collages, and stretches the contrast of some others.

    Args:
        collage: share of the crops that become collages, 0 to 1.
        contrast: share of the crops whose contrast is stretched; together at most 1.
    """

    collage: float = 0.0
    contrast: float = 0.0

    def __call__(self, photo: Pixels, another: Callable[[], Pixels], rng: Random) -> Pixels | None:
        """The picture made of a square `photo`, or None if the photo stays as it is.

        Args:
            photo: ``[N, N, 3]`` uint8.
            another: draws other crops of that size.
            rng: everything that is drawn here is drawn by it.
        """
        drawn = rng.random()
        if drawn < self.collage:
            shape = outline(_unit(another()), rng)[..., None]
            above, below = _dressed(_unit(photo), rng), _dressed(_unit(another()), rng)
            picture = above * shape + below * (1 - shape)
        elif drawn < self.collage + self.contrast:
            picture = stretched(_unit(photo), rng)
            if rng.random() < 0.5:
                picture = picture[..., rng.permutation(3)]
        else:
            return None
        found: Pixels = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
        return found


def outline(photo: Image, rng: Random) -> NDArray[np.float32]:
    """Where a shape covers the picture: ``[N, N]`` in [0, 1], with edges about one pixel wide.

    Blots, lines along their contours, bent stripes, or the bright parts of `photo`, as likely each;
    drawn at twice the size, so that edges are smooth, and softened by a lens of random blur.
    """
    size = 2 * photo.shape[0]
    kind = rng.integers(4)
    if kind == 3:
        shape = _bright_parts(photo, size, rng)
    else:
        hills = _hills(size, rng)
        if kind == 0:
            shape = hills > rng.uniform(-0.7, 0.7)
        elif kind == 1:
            slope = np.hypot(np.gradient(hills, axis=0), np.gradient(hills, axis=1))
            shape = np.abs(hills) < rng.uniform(1, 8) * np.maximum(slope, 1e-4)
        else:
            turn, length = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(12), np.log(80)))
            y, x = np.mgrid[:size, :size].astype(np.float32)
            phase = (np.cos(turn) * x + np.sin(turn) * y) * 2 * np.pi / length
            shape = np.sin(phase + hills * rng.uniform(0, 3)) > rng.uniform(-0.6, 0.6)
    mask = shape.astype(np.float32)
    sigma = rng.uniform(0, 1.6)
    if sigma > 0.4:
        blurred = cv2.GaussianBlur(mask, (9, 9), sigma, borderType=cv2.BORDER_REPLICATE)
        mask = np.asarray(blurred, np.float32)
    half: NDArray[np.float32] = mask.reshape(size // 2, 2, size // 2, 2).mean(axis=(1, 3))
    return half


def _hills(size: int, rng: Random) -> NDArray[np.float32]:
    """A smooth random landscape around 0, ``[size, size]``."""
    grid = int(rng.choice([3, 4, 6, 8, 12, 16]))
    heights = rng.standard_normal((grid, grid)).astype(np.float32)
    return np.asarray(cv2.resize(heights, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _bright_parts(photo: Image, size: int, rng: Random) -> NDArray[np.bool_]:
    grey = cv2.resize(photo.mean(axis=2), (size, size), interpolation=cv2.INTER_CUBIC)
    width = int(rng.choice([1, 3, 5, 9]))
    for _ in range(2):
        grey = cv2.blur(grey, (width, width), borderType=cv2.BORDER_REPLICATE)
    bright: NDArray[np.bool_] = grey > np.quantile(grey[::4, ::4], rng.uniform(0.2, 0.8))
    return bright


def _dressed(photo: Image, rng: Random) -> Image:
    """The surface of a shape: one colour of the photo, it with more contrast, or as it is."""
    drawn = rng.random()
    if drawn < 0.25:
        colour = photo[rng.integers(len(photo)), rng.integers(len(photo))]
        colour = (colour - 0.5) * rng.uniform(1, 2.5) + 0.5 + rng.uniform(-0.3, 0.3)
        return np.broadcast_to(np.clip(colour, 0, 1).astype(np.float32), photo.shape)
    return stretched(photo, rng) if drawn < 0.65 else photo


def stretched(photo: Image, rng: Random) -> Image:
    """Contrast up to doubled, around a mean halfway between the photo's and another grey."""
    mean = photo.mean()
    centre = (mean + rng.uniform(0.25, 0.75)) / 2
    picture = np.clip((photo - mean) * rng.uniform(1, 2) + centre, 0, 1)
    return np.asarray(picture, np.float32)


def _unit(pixels: Pixels) -> Image:
    unit: Image = np.divide(pixels, 255, dtype=np.float32)
    return unit
