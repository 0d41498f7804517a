"""Unrolled critics: the generator looks at how the critic will answer."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from imgan.core.logits import Critic, Logits
from imgan.core.losses import GanLoss


class _Player(nn.Module):
    """Modules and the closure that calls them, so that ``functional_call`` reaches inside it."""

    def __init__(self, modules: Iterable[nn.Module], critic: Critic) -> None:
        super().__init__()
        self.inner = nn.ModuleList(modules)
        self.critic = (critic,)  # in a tuple: a critic that is a module must not register twice

    def forward(self, samples: Tensor) -> Logits:
        return self.critic[0](samples)


@dataclass(frozen=True)
class Unroll:
    """``steps`` moves of gradient descent by the critic, differentiated by the generator.

    Metz et al. 2017, section 2. The critic's moves are plain gradient descent with rate ``lr``
    (whatever its optimizer is) on its adversarial cost, without penalties. Costs ``steps`` double
    backward passes through the critic. DDP does not allow it: give unwrapped modules.
    """

    steps: int = 5
    lr: float = 1e-2

    def __call__(
        self,
        critic: Critic,
        modules: Iterable[nn.Module],
        *,
        loss: GanLoss,
        real: Tensor,
        fake: Tensor,
    ) -> Critic:
        """The critic as it stands after ``steps`` moves against ``real`` and ``fake`` ``[N, ...]``.

        ``critic`` may be a closure; ``modules`` are those whose parameters it uses. They stay as
        they are, buffers included. Keep the graph of ``fake``: the generator's gradient flows
        through the critic's moves. Parameters that require no gradient do not move.
        """
        player = _Player(modules, critic)
        weights = {
            name: parameter.detach().requires_grad_()
            for name, parameter in player.named_parameters()
            if parameter.requires_grad
        }
        buffers = {name: buffer.clone() for name, buffer in player.named_buffers()}

        def answer(samples: Tensor) -> Logits:
            logits: Logits = functional_call(player, {**weights, **buffers}, (samples,))
            return logits

        for _ in range(self.steps):
            cost = loss.discriminator(answer(real), answer(fake))
            slopes = torch.autograd.grad(
                cost, list(weights.values()), create_graph=True, materialize_grads=True
            )
            weights = {
                name: weight - self.lr * slope
                for (name, weight), slope in zip(weights.items(), slopes, strict=True)
            }
        return answer
