"""Critics see images from a random place on, so that no place in the grid is special."""

from __future__ import annotations

import torch
from torch import Tensor


def shifted(*images: Tensor) -> tuple[Tensor, ...]:
    """All images without a random share of a border: up to 16 pixels and a sixth of the side.

    Networks that shrink their input (VGG, critics) treat its pixels unlike by their place modulo
    the stride. Crops always start at the same place of a generator's grid, so without this the
    sub-pixels that it enlarges by would be treated unlike for good, and show as a checkerboard.

    Shape: ``[..., H, W]`` each to ``[..., h, w]`` each, alike; sides in multiples of 8.
    """
    height, width = images[0].shape[-2:]
    margin = min(16, min(height, width) // 6) // 8 * 8
    if not margin:
        return images
    top, left = torch.randint(margin + 1, (2,)).tolist()
    window = (..., slice(top, top + height - margin), slice(left, left + width - margin))
    return tuple(image[window] for image in images)
