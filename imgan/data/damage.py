"""Damage of a known strength, done to images before models are scored on them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..errors import ImganError


@dataclass(frozen=True)
class Damage:
    """Noise, and then compression.

    Raises:
        ImganError: a value out of its range.
    """

    noise: float = 0.0
    """Standard deviation in grey levels, 0 to 128, of Gaussian noise in every pixel and channel."""
    jpeg: int | None = None
    """Quality of libjpeg, 1 to 100, with colours at half the size (4:2:0)."""

    def __post_init__(self) -> None:
        if not 0 <= self.noise <= 128:
            raise ImganError(f"noise is from 0 to 128 grey levels, not {self.noise:g}")
        if self.jpeg is not None and not 1 <= self.jpeg <= 100:
            raise ImganError(f"the quality of JPEG is from 1 to 100, not {self.jpeg}")

    def __call__(self, image: Tensor, name: str) -> Tensor:
        """Damage ``[1 or 3, H, W] uint8``; the noise is always the same for the same `name`."""
        pixels = image.permute(1, 2, 0).numpy()  # [H, W, C]
        if self.noise:
            noisy = pixels + generator(name).normal(0, self.noise, pixels.shape)
            pixels = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
        if self.jpeg is not None:
            flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels
            file = io.BytesIO()
            PIL.Image.fromarray(flat).save(file, "JPEG", quality=self.jpeg, subsampling="4:2:0")
            pixels = np.asarray(PIL.Image.open(file)).reshape(pixels.shape)
        return torch.tensor(pixels).permute(2, 0, 1).contiguous()

    def __str__(self) -> str:
        done = [f"noise of {self.noise:g} grey levels"] if self.noise else []
        if self.jpeg is not None:
            done.append(f"JPEG of quality {self.jpeg} (4:2:0)")
        return " and ".join(done)


def generator(name: str) -> np.random.Generator:
    """Random numbers for an image, always the same for the same name."""
    return np.random.default_rng(list(name.encode(errors="surrogateescape")))
