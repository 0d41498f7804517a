"""The one place that touches albumentations: 2.0.8 is the last version under the MIT licence."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

# Else albumentations asks the network for a newer version of itself when it is imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .degrade import RealisticSettings

_KERNELS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


class PoissonNoise(A.ImageOnlyTransform):  # type: ignore[misc]
    """Noise whose variance grows with brightness, of a deviation at white drawn from a range.

    Means stay as they are. albumentations' own ShotNoise darkens: it draws in linear light.
    """

    def __init__(self, std_range: tuple[float, float]) -> None:
        super().__init__(p=1)
        self.std_range = std_range

    def get_params(self) -> dict[str, Any]:
        """A deviation, and a seed of its own."""
        seed = int(self.random_generator.integers(2**32))
        return {"std": self.py_random.uniform(*self.std_range), "seed": seed}

    def apply(self, img: NDArray[np.uint8], std: float, seed: int, **_: Any) -> NDArray[np.uint8]:
        """Add it to ``[H, W, C] uint8``."""
        photons = 1 / max(std, 1e-4) ** 2  # at white
        drawn = np.random.default_rng(seed).poisson(img * (photons / 255))
        noisy: NDArray[np.uint8] = np.rint(drawn * (255 / photons)).clip(0, 255).astype(np.uint8)
        return noisy


def realistic_pipelines(scale: int, settings: RealisticSettings) -> tuple[A.Compose, A.Compose]:
    """What `RealisticDegradation` does beside the final resizing.

    Returns:
        blur, resizing to about 1/scale and noise; and JPEG.
    """
    least, most = (factor / scale - 1 for factor in settings.detour)
    blur = A.AdvancedBlur(
        blur_limit=(7, 15),
        sigma_x_limit=settings.blur_sigma,
        sigma_y_limit=settings.blur_sigma,
        beta_limit=(0.999, 1.001),  # Gaussian; albumentations wants 1 strictly inside
        noise_limit=(1.0, 1.0),
        p=settings.blur_probability,
    )
    resize = A.OneOf(
        [A.RandomScale((least, most), interpolation=kernel, p=1) for kernel in _KERNELS], p=1
    )
    noise = A.OneOf(
        [
            A.GaussNoise(std_range=settings.gaussian_noise, p=1),
            PoissonNoise(settings.poisson_noise),
        ],
        p=settings.noise_probability,
    )
    jpeg = A.ImageCompression(quality_range=settings.jpeg_quality, p=settings.jpeg_probability)
    return A.Compose([blur, resize, noise]), A.Compose([jpeg])


def run_seeded(pipeline: A.Compose, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Run a pipeline so that its answer depends on the image and `seed` alone."""
    pipeline.set_random_seed(seed)
    return np.asarray(pipeline(image=image)["image"], np.uint8)


def resize_randomly(
    image: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Resize ``[H, W, 3]`` to ``size = (height, width)`` with a kernel drawn by `rng`."""
    kernel = _KERNELS[rng.integers(len(_KERNELS))]
    return np.asarray(cv2.resize(image, size[::-1], interpolation=kernel), np.uint8)


def cut_alike(images: list[NDArray[Any]], size: int, flip: bool, seed: int) -> list[NDArray[Any]]:
    """A square of `size` pixels out of images ``[H, W, C]`` of one size, all cut and flipped alike.

    The answer depends on the sizes and `seed` alone.
    """
    pipeline = _cutting(size, flip, len(images))
    pipeline.set_random_seed(seed)
    names = ["image", *(f"image{i}" for i in range(1, len(images)))]
    # albumentations reads uint8 and float32; uint16 passes through geometry unharmed as it is.
    found = pipeline(**dict(zip(names, images, strict=True)))
    return [np.asarray(found[name]) for name in names]


@lru_cache(maxsize=16)
def _cutting(size: int, flip: bool, count: int) -> A.Compose:
    steps = [A.RandomCrop(size, size), A.HorizontalFlip(p=0.5 if flip else 0.0)]
    return A.Compose(steps, additional_targets={f"image{i}": "image" for i in range(1, count)})
