"""Drawings in hard, stepped lines, as screenshots and pixel graphics have them.

What photos and collages are shrunk to is antialiased, and beside lines that are not a network which
saw only those ripples. Here the low-resolution picture is drawn without antialiasing, and the
high-resolution one is the same drawing in smooth lines.
"""

from __future__ import annotations

from itertools import pairwise
from math import hypot

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
Random = np.random.Generator
Colour = tuple[int, int, int]
Point = tuple[float, float]

FINER = 2
"""Smooth lines are drawn this much larger, without antialiasing, and averaged."""


def drawing(photo: Pixels, scale: int, rng: Random) -> tuple[Pixels, Pixels]:
    """One to six lines, rings and areas, in colours of `photo`, black, white and others.

    Args:
        photo: ``[n, n, 3]`` uint8, of low resolution.
        scale: how much larger the smooth one is.
        rng: everything that is drawn here is drawn by it.

    Returns:
        ``[scale*n, scale*n, 3]``, smooth, and ``[n, n, 3]``, stepped; both uint8.
    """
    side = len(photo)
    paper = _colour(photo, rng, (255, 255, 255), 0.5)
    hard = _Sheet(side, 1, paper)
    smooth = _Sheet(side, scale * FINER, paper)
    for _ in range(rng.integers(1, 7)):
        ink, kind = _colour(photo, rng, (0, 0, 0), 0.4), rng.integers(4)
        width = int(rng.choice([1, 1, 1, 2, 3]))
        points = rng.integers(-4, side + 4, (int(rng.integers(2, 6)), 2)).tolist()
        filled = bool(rng.random() < 0.4)
        for sheet in (hard, smooth):
            if kind < 2:
                sheet.line(points, ink, width)
            else:
                sheet.ring(points[:2], ink, width, filled, oval=kind == 2)
    fine = np.asarray(smooth.image).reshape(scale * side, FINER, scale * side, FINER, 3)
    return (fine.mean((1, 3)) + 0.5).astype(np.uint8), np.array(hard.image)


class _Sheet:
    """Paper to draw on, in pixels of low resolution whose centres are the whole numbers."""

    def __init__(self, side: int, scale: int, paper: Colour) -> None:
        self.scale = scale
        self.image = Image.new("RGB", (side * scale, side * scale), paper)
        self.draw = ImageDraw.Draw(self.image)

    def line(self, points: list[Point], ink: Colour, width: int) -> None:
        if self.scale == 1:
            self.draw.line([(x, y) for x, y in points], ink, width)
            return
        at = [((x + 0.5) * self.scale, (y + 0.5) * self.scale) for x, y in points]
        for (x, y), (right, below) in pairwise(at):
            across, down = abs(right - x), abs(below - y)
            # A stepped line of one pixel is as thick along the axis that it is nearer to.
            slant = max(across, down) / hypot(across, down) if across or down else 1.0
            thick = width * self.scale * (slant if width == 1 else 1)
            self.draw.line([(x, y), (right, below)], ink, max(1, round(thick)))
            for end in ((x, y), (right, below)):
                self.draw.circle(end, thick / 2 - 0.5, ink)

    def ring(
        self, points: list[Point], ink: Colour, width: int, filled: bool, *, oval: bool
    ) -> None:
        left, right = sorted(x for x, _ in points)
        top, bottom = sorted(y for _, y in points)
        s = self.scale
        box = (left * s, top * s, (right + 1) * s - 1, (bottom + 1) * s - 1)
        draw = self.draw.ellipse if oval else self.draw.rectangle
        draw(box, fill=ink if filled else None, outline=ink, width=width * s)


def _colour(photo: Pixels, rng: Random, usual: Colour, often: float) -> Colour:
    """The usual colour, one of the photo, or any."""
    drawn = rng.random()
    if drawn < often:
        return usual
    if drawn < (1 + often) / 2:
        found = photo[rng.integers(len(photo)), rng.integers(len(photo))]
    else:
        found = rng.integers(0, 256, 3)
    red, green, blue = (int(channel) for channel in found)
    return red, green, blue
