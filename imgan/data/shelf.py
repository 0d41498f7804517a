"""Images of one size, ready to be stacked, with the numbers of their class and domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .arrays import mapped
from .labelled_arrays import Labelled
from .pixels import to_bits
from .prepared import Form, Progress, prepare, to_channels

UNKNOWN = -1
"""The number of the class where it is not known."""

PORTION = 250
"""So many images go through a network at once where nothing is learned, of large ones fewer."""

_PIXELS = 4_000_000  # of a portion: 79 images of 224 x 224


@dataclass(frozen=True)
class Shelf:
    """Images of one size, ``[S, S, C]`` uint8 each, with the numbers of their class and domain."""

    pixels: NDArray[np.uint8] | list[Path]
    labels: NDArray[np.int64]
    domains: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Tensor:
        """``[C, S, S]`` uint8."""
        if isinstance(self.pixels, list):
            pixels = to_bits(_middle(mapped(self.pixels[index])), 8)
        else:
            pixels = self.pixels[index]
        return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))

    def portions(self, chosen: Sequence[int] | None = None) -> Iterator[Tensor]:
        """All images, or the chosen ones, in stacks ``[N, C, S, S]`` uint8 that fit into memory."""
        chosen = range(len(self)) if chosen is None else chosen
        if not chosen:
            return
        count = max(1, min(PORTION, _PIXELS // self.image(chosen[0])[0].numel()))
        for start in range(0, len(chosen), count):
            yield torch.stack([self.image(i) for i in chosen[start : start + count]])

    def take(self, chosen: NDArray[np.int64]) -> Shelf:
        """The images of these numbers."""
        pixels = self.pixels
        return Shelf(
            [pixels[i] for i in chosen] if isinstance(pixels, list) else pixels[chosen],
            self.labels[chosen],
            self.domains[chosen],
            [self.names[i] for i in chosen],
        )


def shelved(
    part: Labelled,
    classes: Sequence[str],
    domains: NDArray[np.int64],
    size: int,
    channels: int,
    skipped: dict[str, str],
    progress: Progress,
) -> Shelf:
    """The square in the middle of each image at the size that is asked for.

    Args:
        part: the images.
        classes: by their numbers; an image of none of them is `UNKNOWN`.
        domains: the number of each image's domain ``[N]``.
        size, channels: of the images on the shelf.
        skipped: is told of the files that cannot be used, and why.
        progress: called with the images done and their number.
    """
    places = {name: i for i, name in enumerate(classes)}
    names = part.labels if part.labels is not None else [""] * len(part)
    labels = np.array([places.get(name, UNKNOWN) for name in names], dtype=np.int64)
    if part.pixels is not None:
        return Shelf(_sized(part.pixels, size, channels), labels, domains, part.names)
    results = prepare(part.files, None, Form(channels, "shorter", size, size), progress)
    good = [i for i, result in enumerate(results) if not isinstance(result, str)]
    skipped |= {str(part.files[i]): r for i, r in enumerate(results) if isinstance(r, str)}
    chosen = np.array(good, dtype=np.int64)
    files = [results[i][0] for i in good]
    return Shelf(files, labels[chosen], domains[chosen], [part.names[i] for i in good])


def shelf_of(
    part: Labelled, classes: Sequence[str], size: int, channels: int
) -> tuple[Shelf, list[str]]:
    """A split's images for a trained model, and the files left out; other classes are `UNKNOWN`."""
    skipped: dict[str, str] = {}
    domains = np.zeros(len(part), dtype=np.int64)
    made = shelved(part, classes, domains, size, channels, skipped, lambda done, total: None)
    return made, [f"{file}: {reason}" for file, reason in skipped.items()]


def _sized(pixels: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Arrays ``[N, H, W, C]`` at the size and with the channels that are trained."""
    from torch.nn.functional import interpolate

    pieces = []
    for start in range(0, len(pixels), 4096):
        piece = np.stack([_middle(one) for one in pixels[start : start + 4096]])
        if piece.shape[1] != size:
            planes = torch.from_numpy(piece).permute(0, 3, 1, 2).float()
            made = interpolate(planes, (size, size), mode="bilinear", antialias=True)
            piece = made.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        if piece.shape[3] != channels:
            piece = np.stack([to_channels(one, channels) for one in piece])
        pieces.append(piece)
    return np.concatenate(pieces) if pieces else np.zeros((0, size, size, channels), np.uint8)


def _middle(pixels: NDArray[Any]) -> NDArray[Any]:
    """The square in the middle of ``[H, W, C]``."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]
