"""Where an image ends in flat colour, as logos, drawings and screenshots do, let it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLAT = 4
"""A side is flat whose outermost rows, this many of them, are the same."""


def extend_flat_sides(
    pixels: NDArray[Any], reach: int, scale: int
) -> tuple[NDArray[Any], tuple[slice, slice]]:
    """Repeat the outermost row of each flat side, as far as the network reaches.

    Networks that pad by zeros see where an image ends, and on photos that makes them better there;
    flat colour they end in a faint dotted frame, which so falls outside of what is kept.

    Args:
        pixels: ``[H, W, C]``.
        reach: input pixels to each side that an output pixel depends on.
        scale: output pixels an input pixel.

    Returns:
        The extended pixels, and where in the network's answer to them the image lies.
    """
    height, width = pixels.shape[:2]
    top, bottom = (reach * _flat(strip, 0) for strip in (pixels[:FLAT], pixels[-FLAT:]))
    left, right = (reach * _flat(strip, 1) for strip in (pixels[:, :FLAT], pixels[:, -FLAT:]))
    kept = (
        slice(top * scale, (top + height) * scale),
        slice(left * scale, (left + width) * scale),
    )
    if top or bottom or left or right:
        pixels = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="edge")
    return pixels, kept


def _flat(strip: NDArray[Any], axis: int) -> bool:
    """Whether a strip's rows (axis 0) or columns (1) are all the same."""
    return bool((strip == strip.take([0], axis)).all())
