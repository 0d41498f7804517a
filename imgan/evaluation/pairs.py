"""Folders of images to score on: pairs of high and low resolution, or photos to make them from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..data.degrade import imresize_uint8
from ..data.images import READABLE, read_image
from ..data.layouts import split_folders
from ..data.photos import photos_to_score
from ..data.pixels import to_bits
from ..errors import ImganError


@dataclass(frozen=True)
class Pair:
    """One image to score on, read when it is asked for; without `low` it is made by bicubic.

    Of a photo without `low` at most the `most` pixels in the middle of each side are taken.
    """

    high: Path
    low: Path | None
    scale: int
    most: int | None = None

    @property
    def name(self) -> str:
        """What tables call it: the file's name, with the suffix that tells a.png from a.jpg."""
        return self.high.name

    def load(self) -> tuple[Tensor, Tensor]:
        """Read ``high [C, scale*h, scale*w]`` and ``low [C, h, w]``, uint8, grey or RGB.

        Raises:
            ImganError: a file is damaged, or the sizes do not fit the scale.
        """
        high = _read(self.high)
        if self.low is None:
            high = _middle(high, self.most) if self.most else high
            height, width = (side // self.scale * self.scale for side in high.shape[1:])
            if not height or not width:
                raise ImganError(f"{self.high} is smaller than the scale, {self.scale} pixels")
            high = high[:, :height, :width]
            return high, imresize_uint8(high, 1 / self.scale)
        low = _read(self.low)
        if len(low) != len(high):
            raise ImganError(f"{self.high} and {self.low} must both be grey or both be coloured")
        if [side * self.scale for side in low.shape[1:]] != list(high.shape[1:]):
            raise ImganError(
                f"{self.low} is {low.shape[2]}x{low.shape[1]} and {self.high} "
                f"{high.shape[2]}x{high.shape[1]}, which is not {self.scale} times that; "
                "crop HR to a multiple of the scale"
            )
        return high, low


def find_pairs(data: Path, scale: int | None, default_scale: int = 4) -> list[Pair]:
    """Find the images of a folder: pairs in HR/ and LR/ under it, else the photos in it.

    Partners have the same name; their suffixes may differ where that leaves no doubt. For pairs
     `scale` is worked out from the first one where it is not given; for photos it is then
    `default_scale`.

    Raises:
        ImganError: no images, a partner is missing or in doubt, or the first pair has no whole
            scale.
    """
    if not data.is_dir():
        raise ImganError(f"{data} is not a folder; give one of photos, or one with HR/ and LR/")
    if not (data / "HR").is_dir() and not (data / "LR").is_dir():
        splits = split_folders(data)[0]
        held = next((splits[name] for name in ("test", "val") if name in splits), data)
        return [Pair(path, None, scale or default_scale) for path in _images(held)]
    high, low = _named(_images(data / "HR"), _images(data / "LR"))
    if alone := sorted(high.keys() ^ low.keys()):
        has, lacks = ("HR", "LR") if alone[0] in high else ("LR", "HR")
        raise ImganError(
            f"{data / lacks} lacks the partner of {(high | low)[alone[0]].name} in {has}; "
            "both want the same names"
        )
    if scale is None:
        first = min(high)
        height, width = _read(high[first]).shape[1:]
        rows, columns = _read(low[first]).shape[1:]
        scale = height // rows
        if scale < 1 or (rows * scale, columns * scale) != (height, width):
            raise ImganError(
                f"{high[first]} is {width}x{height}, no whole multiple of {low[first]}, "
                f"{columns}x{rows}; crop HR to a multiple of the scale"
            )
    return [Pair(high[name], low[name], scale) for name in sorted(high)]


def pairs_of(paths: Sequence[Path], scale: int, most: int) -> list[Pair]:
    """All images to score models of one `scale` on.

    Args:
        paths: folders with HR/ and LR/; or photos, of which `most` pixels of each side are taken,
            and folders of photos.
        scale: how many times the models enlarge.
        most: see above.

    Raises:
        ImganError: as in `find_pairs`; or they are of both kinds, or for another scale.
    """
    found: list[Pair] = []
    for path in paths:
        if path.is_dir() and ((path / "HR").is_dir() or (path / "LR").is_dir()):
            pairs = find_pairs(path, None, scale)
        else:
            each = most if path.is_file() else None
            pairs = [Pair(photo, None, scale, each) for photo in photos_to_score([path])]
        if pairs[0].scale != scale:
            raise ImganError(
                f"these models enlarge {scale} times, and {path} is for {pairs[0].scale}"
            )
        found += pairs
    if len({pair.low is None for pair in found}) > 1:
        raise ImganError("score on folders with HR/ and LR/ or on photos, not on both at a time")
    return found


def _middle(image: Tensor, most: int) -> Tensor:
    top, left = (max(0, (side - most) // 2) for side in image.shape[1:])
    return image[:, top : top + most, left : left + most]


def _named(high: list[Path], low: list[Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Both lists by the names that partners share: with suffix where all agree in it."""
    if [path.name for path in high] == [path.name for path in low]:
        return {path.name: path for path in high}, {path.name: path for path in low}
    return _by_stem(high), _by_stem(low)


def _by_stem(paths: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        if path.stem in named:
            raise ImganError(
                f"{named[path.stem]} and {path.name} differ in their suffix alone, so their "
                "partners are in doubt; rename one"
            )
        named[path.stem] = path
    return named


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ImganError(f"there is no folder {folder}; pairs want both HR/ and LR/")
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in READABLE and not path.name.startswith(".")
    )
    if not files:
        raise ImganError(f"{folder} holds no images")
    return files


def _read(path: Path) -> Tensor:
    """Read ``[1 or 3, H, W]`` uint8; alpha is left out, 16 bits become 8."""
    colour = to_bits(read_image(path).frames[0].colour, 8)
    return torch.tensor(colour).permute(2, 0, 1).contiguous()
