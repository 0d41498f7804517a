"""Photos as an endless, repeatable stream of training crops.

Crop number i is a function of (seed, i) alone: the position in the stream is the whole state of the
data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ImganError
from .drawing import drawing
from .photos import PhotoSet, Pixels, shrunk

if TYPE_CHECKING:
    from .collage import Collage

Degrade = Callable[[Pixels, np.random.Generator], Pixels]

GRID = 4
"""Crops start at multiples of this many low-resolution pixels."""

MARGIN = 4
"""Low-resolution pixels around a crop that is made, not cut, so that no border shows in it."""


class Crops(Dataset[dict[str, Tensor]]):
    """Crop i: ``{"low": uint8 [3, crop, crop], "high": uint8 [3, scale*crop, scale*crop]}``.

    A place is drawn among those of enough detail, then one of the eight flips and turns; both
    twins move alike. With `degrade` the low twin is made from the high one, otherwise it is cut
    from the photo shrunk as a whole, so that no crop's border shows. `collage` makes other pictures
    of some crops and shrinks them as `load_photos` shrinks; `drawings` is the share of those that
    are drawings in stepped lines instead, without `degrade`. What is made has a margin; the crop is
    cut out of the middle, or where it is degraded anywhere in it: else the blocks of JPEG would
    begin at the same place of every crop, as they do not in the middle of a photo.
    """

    def __init__(
        self,
        photos: PhotoSet,
        scale: int,
        crop: int,
        min_detail: float,
        seed: int,
        degrade: Degrade | None = None,
        collage: Collage | None = None,
        drawings: float = 0.0,
    ) -> None:
        self.photos, self.scale, self.crop = photos, scale, crop
        self.seed, self.degrade, self.collage = seed, degrade, collage
        self.drawings = drawings
        self.side = with_margin(crop) if degrade or collage else crop
        places = [_places(low, self.side, min_detail) for low in photos.low]
        self.photo = np.repeat(np.arange(len(places)), [len(p) for p in places])
        self.place = np.concatenate(places)
        if not len(self.place):
            raise ImganError(
                f"no crop of the photos has a detail of {min_detail} grey levels; lower "
                "data.min_detail"
            )

    @property
    def fingerprint(self) -> str:
        """Tells data sets apart: of the same photos and settings it is the same everywhere."""
        names = [path.name for path in self.photos.paths]
        shapes = list(zip(names, self.photos.low.shapes, strict=True))
        content = repr((shapes, self.scale, self.crop, len(self.place), self.seed))
        if self.collage:
            content += repr(self.collage)
        if self.drawings:
            content += f"drawings {self.drawings}"
        return hashlib.sha256(content.encode()).hexdigest()

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, index))
        high, low = self._cut(random)
        picture = None
        if self.drawings and random.random() < self.drawings:
            high, low = drawing(low, self.scale, random)
        elif self.collage:
            picture = self.collage(high, lambda: self._cut(random)[0], random)
        if picture is not None:
            high, low = picture, low if self.degrade else shrunk(picture, self.scale)
        top = left = (self.side - self.crop) // 2
        if self.degrade:
            low = self.degrade(np.ascontiguousarray(high), random)
            top, left = (int(start) for start in random.integers(2 * MARGIN, size=2))
        s, c = self.scale, self.crop
        high = high[top * s : (top + c) * s, left * s : (left + c) * s]
        return {"low": _tensor(low[top : top + c, left : left + c]), "high": _tensor(high)}

    def _cut(self, random: np.random.Generator) -> tuple[Pixels, Pixels]:
        """A crop and its low-resolution twin, with the margin if there is one."""
        drawn = int(random.integers(len(self.place)))
        photo, (top, left) = self.photo[drawn], self.place[drawn]
        c, s = self.side, self.scale
        high = self.photos.high[photo][top * s : (top + c) * s, left * s : (left + c) * s]
        low = self.photos.low[photo][top : top + c, left : left + c]
        turn = int(random.integers(8))
        return _turned(high, turn), _turned(low, turn)


def with_margin(crop: int) -> int:
    """The side in low-resolution pixels of what a crop that is made is cut from."""
    return crop + 2 * MARGIN


def _places(low: Pixels, crop: int, min_detail: float) -> NDArray[np.int32]:
    """Top left corners [n, 2] of the crops on the grid with enough detail."""
    grey = np.asarray(low, np.float32).mean(2)  # [H, W]
    step = np.zeros_like(grey)
    step[:, 1:] += np.abs(np.diff(grey, axis=1))
    step[1:] += np.abs(np.diff(grey, axis=0))
    total = np.pad(step, ((1, 0), (1, 0))).cumsum(0, dtype=np.float64).cumsum(1)
    y = np.arange(0, grey.shape[0] - crop + 1, GRID)
    x = np.arange(0, grey.shape[1] - crop + 1, GRID)
    below, above = total[y + crop], total[y]
    detail = below[:, x + crop] - below[:, x] - above[:, x + crop] + above[:, x]
    rows, columns = np.nonzero(detail >= min_detail * crop**2)
    return np.stack([y[rows], x[columns]], axis=1).astype(np.int32)


def _turned(pixels: Pixels, turn: int) -> Pixels:
    """One of the eight symmetries of the square; 0 leaves all as it is."""
    if turn & 1:
        pixels = pixels[::-1]
    if turn & 2:
        pixels = pixels[:, ::-1]
    return pixels.swapaxes(0, 1) if turn & 4 else pixels


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())  # [3, H, W]
