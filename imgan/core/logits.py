"""What a critic is and what it answers: the types that every part of the core shares."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Logits: TypeAlias = Tensor | Sequence[Tensor]
"""Raw scores of any shape (one a sample, or a map of patches), or one such tensor a scale."""

Critic: TypeAlias = Callable[[Tensor], Logits]
"""Anything that maps samples ``[N, ...]`` to logits; a condition goes in by closure.

Whatever it returns is taken for logits: of one that returns features too, pass the logits alone.
"""


def full_precision(values: Tensor) -> Tensor:
    """``values`` in float32; float64 stays float64. Differentiable."""
    return values if values.dtype == torch.float64 else values.float()


def scales(logits: Logits) -> list[Tensor]:
    """The logits as a list with one full-precision tensor a scale.

    Raises:
        ValueError: the list is empty.
    """
    maps = [logits] if isinstance(logits, Tensor) else list(logits)
    if not maps:
        raise ValueError("the critic returned an empty list of logits")
    return [full_precision(values) for values in maps]
