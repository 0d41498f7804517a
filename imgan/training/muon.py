"""Muon for convolutional networks: inner weights by orthogonalised momentum, the rest by Adam.

torch.optim.Muon takes two-dimensional parameters only and steps them one by one; the weights of a
convolution are four-dimensional, and those of a residual network are many of one shape, which are
orthogonalised here in one batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum (Jordan et al. 2024) for hidden weights, Adam for all others.

    A hidden weight ``[out, in, kh, kw]`` is taken as the matrix ``[out, in*kh*kw]``. Its update is
    the Nesterov momentum of its gradient, made orthogonal, times ``0.2 * sqrt(max(rows, columns))``
    (Liu et al. 2025: updates of the size of Adam's, so that rates carry over).

    Args:
        hidden: weights of two and more dimensions, but the first and the last layer's.
        others: first and last layers, biases, norms.
        lr: rate of the hidden weights; that of the others is ``lr * adam_share``.
        momentum: of the hidden weights' gradients.
        betas: Adam's, for the others.
    """

    def __init__(
        self,
        hidden: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        adam_share: float = 0.5,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        groups = [
            {"params": list(hidden), "lr": lr, "hidden": True},
            {"params": list(others), "lr": lr * adam_share, "hidden": False},
        ]
        defaults = {"momentum": momentum, "betas": betas, "eps": 1e-8}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            (self._muon if group["hidden"] else self._adam)(parameters, group)
        return loss

    def _muon(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for p in parameters:
            alike[p.shape].append(p)
        for shape, weights in alike.items():
            updates = []
            for p in weights:
                assert p.grad is not None  # as chosen in `step`
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                state["momentum_buffer"].lerp_(p.grad, 1 - group["momentum"])
                updates.append(p.grad.lerp(state["momentum_buffer"], group["momentum"]))
            matrices = torch.stack([u.reshape(shape[0], -1) for u in updates])
            size = 0.2 * max(matrices.shape[-2:]) ** 0.5
            for p, update in zip(weights, orthogonal(matrices), strict=True):
                p.add_(update.reshape(shape), alpha=-group["lr"] * size)

    def _adam(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        for p in parameters:
            if not self.state[p]:
                self.state[p].update(
                    step=torch.zeros(()),
                    exp_avg=torch.zeros_like(p),
                    exp_avg_sq=torch.zeros_like(p),
                )
        states = [self.state[p] for p in parameters]
        adam(
            list(parameters),
            [p.grad for p in parameters if p.grad is not None],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )


def orthogonal(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Bring the singular values near 1: ``[B, rows, columns]`` to the same shape, float32.

    Newton-Schulz with Jordan's quintic, whose values end between about 0.7 and 1.2; bfloat16, which
    it tolerates. A matrix of zeros stays zero.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = (matrices if wide else matrices.mT).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = 3.4445 * x + (2.0315 * gram @ gram - 4.775 * gram) @ x
    found: Tensor = (x if wide else x.mT).float()
    return found


def split(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The hidden weights of a network, and its others: first and last layer, biases, norms.

    First and last are meant by the order in which a module holds its layers: of one with several
    ends the others count as hidden.
    """
    weights = [p for p in module.parameters() if p.ndim >= 2]
    hidden = weights[1:-1]
    inner = {id(p) for p in hidden}
    return hidden, [p for p in module.parameters() if id(p) not in inner]
