"""Colour for a large grey picture from a small coloured one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.pixels import resize
from ..data.prepared import luma

if TYPE_CHECKING:
    from numpy.typing import NDArray


def with_colours(grey: NDArray[Any], coloured: NDArray[Any]) -> NDArray[Any]:
    """Lay the colours of `coloured` over `grey`, of which every detail stays.

    A colour that a pixel's light leaves no room for, as in what is nearly black or white, is paler.

    The eye sees little detail in colour, so a network may look at a small picture, as in training,
    while the light of each pixel is that of the original.

    Shape: ``[H, W, 1]`` and ``[h, w, 3]``, of one dtype, to ``[H, W, 3]``.
    """
    height, width = grey.shape[:2]
    top = np.float32(1 if grey.dtype.kind == "f" else np.iinfo(grey.dtype).max)
    small = coloured.astype(np.float32) / top
    # Differences from the luma, moved from [-1, 1] to [0, 1], where `resize` keeps values.
    difference = 2 * resize((small - luma(small) + 1) / 2, (width, height)) - 1
    difference -= luma(difference)  # which clipped ringing may have
    light = grey.astype(np.float32) / top
    room = np.where(difference > 0, 1 - light, light)
    shares = room / np.maximum(np.abs(difference), 1e-6)
    found = light + difference * np.minimum(shares.min(axis=2, keepdims=True), 1)
    result: NDArray[Any] = np.clip(found, 0, 1) * top
    return (result if grey.dtype.kind == "f" else np.rint(result)).astype(grey.dtype)
