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
        train: ``[M, 28, 28]`` uint8.
        held_out: the same, kept for previews; if there are none, these show `train`.
        past, future: frames seen and frames to be predicted.
    """

    def __init__(
        self,
        train: NDArray[np.uint8],
        held_out: NDArray[np.uint8],
        past: int,
        future: int,
        seed: int,
    ) -> None:
        self.train, self.held_out = train, held_out
        self.past, self.future, self.seed = past, future, seed

    @property
    def fingerprint(self) -> str:
        """Of the same digits and settings it is the same everywhere."""
        content = hashlib.sha256()
        for digits in (self.train, self.held_out):
            content.update(repr(digits.shape).encode())
            content.update(np.ascontiguousarray(digits).tobytes())
        content.update(repr((self.past, self.future, self.seed)).encode())
        return content.hexdigest()

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        preview = index >= PREVIEW and len(self.held_out)
        rng = np.random.default_rng((self.seed, index))
        frames = sequence(self.held_out if preview else self.train, self.past + self.future, rng)
        unit = torch.from_numpy(frames).unsqueeze(1).float().div_(255)  # [T, 1, 64, 64]
        return {"past": unit[: self.past], "future": unit[self.past :]}

    def summary(self) -> dict[str, Any]:
        """Counts, for the model's card."""
        return {"digits": len(self.train), "held_out": len(self.held_out)}


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
            place = place + speed
            speed = np.where((place <= 0) | (place >= 1), -speed, speed)
            place = place.clip(0, 1)
            top, left = (place * free).astype(int)
            window = frame[top : top + digit.shape[0], left : left + digit.shape[1]]
            np.maximum(window, digit, out=window)
    return canvas


def held_out_sequences(
    digits: NDArray[np.uint8], frames: int, count: int, seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """The test set that `count`, `seed` and the digits name: ``[frames, 64, 64]`` each."""
    for i in range(count):
        yield sequence(digits, frames, np.random.default_rng((seed, i, 1)))


def read_digits(path: Path) -> NDArray[np.uint8]:
    """All digits ``[M, 28, 28]`` of a file of any format of `imgan.data.labelled`.

    Raises:
        ImganError: the file cannot be read, or holds no square grey images under 64 pixels.
    """
    return np.concatenate(list(_digits_by_split(path).values()))


def split_digits(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Digits to train on and digits to hold out, each ``[M, 28, 28]``.

    Held out are those that the file calls ``test``, or else ``val``. Without such a split it is a
    tenth, of every class alike: the last in the order of their contents' hashes, which is the same
    everywhere and however the file is sorted. A file of one digit holds out none.

    Raises:
        ImganError: as `read_digits`.
    """
    parts = _digits_by_split(path)
    for name in ("test", "val"):
        if name in parts and len(parts) > 1:
            held_out = parts.pop(name)
            return np.concatenate(list(parts.values())), held_out
    digits = np.concatenate(list(parts.values()))
    hashes = [hashlib.sha256(digit.tobytes()).digest() for digit in digits]
    order = sorted(range(len(digits)), key=hashes.__getitem__)
    kept = max(1, len(digits) * 9 // 10)
    return digits[order[:kept]], digits[order[kept:]]


def _digits_by_split(path: Path) -> dict[str, NDArray[np.uint8]]:
    from .labelled import read_labelled

    found = {}
    for name, part in read_labelled(path).items():
        if part.pixels is None:
            raise ImganError(
                f"{path} holds image files or ready sequences; moving digits are made from a file "
                "of single digits, such as .npz, .csv or MNIST's"
            )
        height, width, channels = part.pixels.shape[1:]
        if channels != 1 or height != width or height >= SIDE:
            raise ImganError(
                f"{path} holds images of {width}x{height}{' in colour' * (channels > 1)}; moving "
                f"digits are made of square grey ones under {SIDE} pixels"
            )
        found[name] = part.pixels[..., 0]
    if len({pixels.shape[1] for pixels in found.values()}) > 1:
        raise ImganError(f"{path} holds images of several sizes; bring all of them to one")
    return found
