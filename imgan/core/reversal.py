"""Gradient reversal: one backward pass in which the features play against the domain classifier."""

import math
from typing import Any, cast

import torch
from torch import Tensor


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, strength: float) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.strength = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(values: Tensor, strength: float = 1.0) -> Tensor:
    """``values`` unchanged, of any shape; their gradient comes back times ``-strength``.

    Ganin & Lempitsky 2015; Ganin et al. 2016, section 4.2.
    """
    return cast(Tensor, _Reversal.apply(values, strength))


def reversal_strength(progress: float, steepness: float = 10.0) -> float:
    """The strength's schedule ``2 / (1 + exp(-steepness * progress)) - 1``: from 0 to nearly 1.

    Ganin et al. 2016, section 5.2. ``progress`` is the share of the training done.

    Raises:
        ValueError: ``progress`` lies outside [0, 1].
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"progress must lie in [0, 1], got {progress}")
    return 2 / (1 + math.exp(-steepness * progress)) - 1
