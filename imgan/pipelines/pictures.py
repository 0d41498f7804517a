"""Pictures of how training stands."""

from __future__ import annotations

import torch
from torch import Tensor


def shown(images: Tensor) -> Tensor:
    """``[N, C, H, W]`` in [-1, 1] as RGB in [0, 1]: grey repeated, of many channels the first 3."""
    images = ((images + 1) / 2).clamp(0, 1)
    channels = images.shape[1]
    if channels == 1:
        return images.expand(-1, 3, -1, -1)
    if channels == 2:
        return torch.cat([images, images[:, :1] * 0], dim=1)
    return images[:, :3]


def rows(*columns: Tensor) -> Tensor:
    """Columns ``[N, 3, H, W]`` side by side, samples below each other: ``[3, N*H, W*columns]``."""
    lines = torch.cat(columns, dim=3)  # [N, 3, H, W*columns]
    return torch.cat(list(lines), dim=1)
