"""How large an image shall become."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import ImganError

FITS = ("inside", "outside", "stretch")
LARGEST_SCALE = 16


@dataclass(frozen=True)
class Target:
    """The wanted size: a factor, or a width, a height or both in pixels.

    With both, `fit` tells what becomes of the proportions: ``inside`` keeps them and fills the box
    without leaving it, ``outside`` keeps them and covers it, ``stretch`` gives the box exactly.

    Raises:
        ImganError: values that are no size, or a factor and a size at once.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    fit: str = "inside"

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise ImganError(f"fit is one of {', '.join(FITS)}, not {self.fit!r}")
        if self.scale is not None and (self.width or self.height):
            raise ImganError("give a scale, or width and height, but not both")
        if self.scale is not None and not 0 < self.scale <= LARGEST_SCALE:
            raise ImganError(f"scale is above 0 and at most {LARGEST_SCALE}, not {self.scale:g}")
        if self.fit != "inside" and not (self.width and self.height):
            raise ImganError(f"fit {self.fit} is for a width and a height; give both")
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None and side < 1:
                raise ImganError(f"{name} is at least 1 pixel, not {side}")

    @property
    def label(self) -> str:
        """What stands in file names: ``x4``, ``w1920``, ``h1080``, ``1920x1080``."""
        if self.width and self.height:
            return f"{self.width}x{self.height}"
        if self.width or self.height:
            return f"w{self.width}" if self.width else f"h{self.height}"
        return f"x{4 if self.scale is None else self.scale:g}"

    def size(self, width: int, height: int, default: float = 4) -> tuple[int, int]:
        """The size that an image of ``width x height`` becomes; `default` where nothing is asked.

        Raises:
            ImganError: it would be more than 16 times as large.
        """
        across = self.width / width if self.width else None
        down = self.height / height if self.height else None
        if across and down:
            pick = {"inside": min, "outside": max}.get(self.fit)
            if pick:
                across = down = pick(across, down)
        else:
            across = down = across or down or self.scale or default
        size = max(1, _rounded(width * across)), max(1, _rounded(height * down))
        if max(across, down) > LARGEST_SCALE:
            raise ImganError(
                f"{width}x{height} to {size[0]}x{size[1]} is more than the {LARGEST_SCALE} times "
                "that are possible; ask for less"
            )
        return size


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)
