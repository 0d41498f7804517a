"""Moving digits: two handwritten digits that fly through a dark square and bounce off its sides.

The rules are the standard generator's (Srivastava et al. 2015, "Unsupervised Learning of Video
Representations using LSTMs"): frames of 64x64, digits of 28x28, a random place and direction each,
a speed of a tenth of the free way a frame, reflection at the sides, the brighter pixel where they
overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ImganError
from .translation import PREVIEW

SIDE = 64
STEP = 0.1


class MovingDigits(Dataset[dict[str, Tensor]]):
    """``{"past": [past, 1, 64, 64], "future": [future, 1, 64, 64]}`` in [0, 1]; endless.

    Args:
        digits: ``[M, 28, 28]`` uint8; the last tenth is kept for previews.
        past, future: frames seen and frames to be predicted.
    """

    def __init__(self, digits: NDArray[np.uint8], past: int, future: int, seed: int) -> None:
        self.digits, self.past, self.future, self.seed = digits, past, future, seed
        self._train = max(1, len(digits) * 9 // 10)

    @property
    def fingerprint(self) -> str:
        """Of the same digits and settings it is the same everywhere."""
        content = hashlib.sha256(np.ascontiguousarray(self.digits).tobytes())
        content.update(repr((self.past, self.future, self.seed)).encode())
        return content.hexdigest()

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        preview = index >= PREVIEW
        pool = self.digits[self._train :] if preview else self.digits[: self._train]
        rng = np.random.default_rng((self.seed, index))
        frames = sequence(pool if len(pool) else self.digits, self.past + self.future, rng)
        unit = torch.from_numpy(frames).unsqueeze(1).float().div_(255)  # [T, 1, 64, 64]
        return {"past": unit[: self.past], "future": unit[self.past :]}

    def summary(self) -> dict[str, Any]:
        """Counts, for the model's card."""
        return {"digits": self._train, "held_out": len(self.digits) - self._train}


def sequence(
    digits: NDArray[np.uint8], frames: int, rng: np.random.Generator, count: int = 2
) -> NDArray[np.uint8]:
    """One sequence ``[frames, 64, 64]`` of `count` digits drawn from ``[M, 28, 28]``."""
    canvas = np.zeros((frames, SIDE, SIDE), np.uint8)
    for _ in range(count):
        digit = digits[rng.integers(len(digits))]
        free = SIDE - digit.shape[0]
        place = rng.random(2)
        angle = rng.random() * 2 * np.pi
        speed = STEP * np.array([np.sin(angle), np.cos(angle)])
        for frame in canvas:
            top, left = (place * free).astype(int)
            window = frame[top : top + digit.shape[0], left : left + digit.shape[1]]
            np.maximum(window, digit, out=window)
            place = place + speed
            speed = np.where((place <= 0) | (place >= 1), -speed, speed)
            place = place.clip(0, 1)
    return canvas


def held_out_sequences(
    digits: NDArray[np.uint8], frames: int, count: int, seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """The test set that `count`, `seed` and the digits name: ``[frames, 64, 64]`` each."""
    for i in range(count):
        yield sequence(digits, frames, np.random.default_rng((seed, i, 1)))


def read_digits(path: Path) -> NDArray[np.uint8]:
    """Digits ``[M, 28, 28]`` from any format of `imgan.data.labelled.read_arrays`.

    Raises:
        ImganError: the file cannot be read, or holds no square grey images up to 64 pixels.
    """
    from .labelled import read_arrays

    images, _ = read_arrays(path)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.shape[1] >= SIDE:
        raise ImganError(
            f"{path} holds images of {'x'.join(map(str, images.shape[1:]))}; moving digits are "
            f"made of square grey ones under {SIDE} pixels"
        )
    digits: NDArray[np.uint8] = images
    return digits
