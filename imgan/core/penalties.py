"""Penalties on the critic's gradient with respect to its input.

Called as ``penalty(critic, real, fake)`` they return one scalar, weight included. They run in
float32 even inside autocast (bf16 is some 3 % off in the gradient), so the critic's weights are to
be float32 too. They take the norm of each sample on its own. Its score is the mean of its logit
map, or of its list of them, as in the costs, so that one weight fits any number of logits. Where
the critic looks at its whole batch (batch norm, `MinibatchStdDev`), the norm of a sample also holds
what the others' scores owe to it.

Autocast that is baked into a wrapped ``forward`` (Accelerate's ``prepare``) cannot be switched off
from here: then give the step ``penalty_critic=``, the same closure on the module's own forward.

``every=n`` is the lazy regularization of StyleGAN2 (Karras et al. 2020, section 3.1): the step pays
the penalty on each n-th move of the critic, times n. Calling a penalty yourself never scales it.
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from imgan.core.logits import Critic, full_precision, scales


class Penalty(Protocol):
    """What the step asks of a penalty; write your own with these three members."""

    @property
    def name(self) -> str:
        """Its name in the log."""

    @property
    def every(self) -> int:
        """The step pays it on each ``every``-th move of the critic, times ``every``."""

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """The weighted penalty, a scalar with a graph to the critic's parameters."""


def gradient_norms(critic: Critic, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Squared norm of the critic's gradient at each sample ``[N, ...]``: ``([N], zero)``.

    ``zero`` is 0 times the logits. Added to a penalty it gives every parameter a gradient, also the
    last bias, on which no slope depends: under DDP a backward pass that skips one fails.
    """
    with torch.autocast(samples.device.type, enabled=False):
        samples = full_precision(samples.detach()).requires_grad_()
        means = torch.stack([values.mean() for values in scales(critic(samples))])
        score = len(samples) * means.mean()  # the sum over the samples of each one's mean logit
        # Samples do not see each other, so the gradient of the sum holds the gradient of each.
        (gradient,) = torch.autograd.grad(score, samples, create_graph=True)
        return gradient.flatten(1).square().sum(1), 0 * score  # [N, C, H, W] -> [N]


def _zero_centered(critic: Critic, samples: Tensor, weight: float) -> Tensor:
    squares, zero = gradient_norms(critic, samples)
    return weight / 2 * squares.mean() + zero


def _one_centered(critic: Critic, samples: Tensor, weight: float) -> Tensor:
    squares, zero = gradient_norms(critic, samples)
    # The root's slope is infinite at 0, and a dead critic would turn NaN: clamp cuts it there.
    norms = squares.clamp(min=1e-24).sqrt()
    return weight * (norms - 1).square().mean() + zero


def _column(samples: Tensor) -> list[int]:
    return [len(samples)] + [1] * (samples.ndim - 1)  # one number a sample: [N, 1, 1, 1]


@dataclass(frozen=True)
class R1:
    """``weight / 2 * E |grad D(real)|^2`` (Mescheder et al. 2018, eq. 9)."""

    weight: float = 10.0
    every: int = 1
    name = "r1"

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar penalty at the real samples ``[N, ...]``; ``fake`` is not used."""
        return _zero_centered(critic, real, self.weight)


@dataclass(frozen=True)
class R2:
    """``weight / 2 * E |grad D(fake)|^2`` (Mescheder et al. 2018, eq. 10)."""

    weight: float = 10.0
    every: int = 1
    name = "r2"

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar penalty at the generated samples ``[N, ...]``; ``real`` is not used."""
        return _zero_centered(critic, fake, self.weight)


@dataclass(frozen=True)
class WganGP:
    """``weight * E (|grad D(x)| - 1)^2`` on the lines between real and fake.

    Gulrajani et al. 2017, eq. 3. ``rng`` lives on the samples' device; None is torch's global one.
    Where there are more of one than of the other, each real sample meets a fake one at random.
    """

    weight: float = 10.0
    every: int = 1
    rng: torch.Generator | None = field(default=None, compare=False, repr=False)
    name = "wgan_gp"

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar penalty; ``real`` is ``[N, ...]``, ``fake`` ``[M, ...]`` with the same rest.

        Raises:
            ValueError: the shapes differ, so that there are no lines between the samples.
        """
        if real.shape[1:] != fake.shape[1:]:
            raise ValueError(
                f"WGAN-GP mixes real and fake: {tuple(real.shape)} and {tuple(fake.shape)} differ"
            )
        if len(real) != len(fake):
            fake = fake[
                torch.randint(len(fake), (len(real),), generator=self.rng, device=fake.device)
            ]
        real, fake = full_precision(real), full_precision(fake)
        share = torch.rand(_column(real), generator=self.rng, device=real.device, dtype=real.dtype)
        return _one_centered(critic, torch.lerp(real, fake, share), self.weight)


@dataclass(frozen=True)
class Dragan:
    """``weight * E (|grad D(x + noise)| - 1)^2`` around the real samples.

    Kodali et al. 2017 (DRAGAN); the noise is normal, with ``spread`` times the standard
    deviation of the real batch. ``rng`` lives on the samples' device; None is torch's global one.
    """

    weight: float = 10.0
    every: int = 1
    spread: float = 0.5
    rng: torch.Generator | None = field(default=None, compare=False, repr=False)
    name = "dragan"

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar penalty near the real samples ``[N, ...]``; ``fake`` is not used."""
        real = full_precision(real)
        noise = torch.randn(real.shape, generator=self.rng, device=real.device, dtype=real.dtype)
        scale = self.spread * real.std(correction=0)
        return _one_centered(critic, real + scale * noise, self.weight)
