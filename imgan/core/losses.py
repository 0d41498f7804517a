"""The two costs of the game, one small object a loss, computed on raw logits.

Every loss takes logits of any shape: one score a sample, a map of patches, or a list with one
tensor a scale, over which it averages. It computes in float32 (float64 stays float64), also under
autocast, and stays exact far from zero. Costs are means over all logits; docstrings say where a
paper's equation has another constant factor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from imgan.core.logits import Logits, scales


class GanLoss(Protocol):
    """What the step asks of a loss; write your own with these four members."""

    @property
    def needs_real(self) -> bool:
        """Whether the generator's cost needs the logits of the real samples too."""

    @property
    def boundary(self) -> float | None:
        """The logit at which the critic is undecided; None where only differences count."""

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """The scalar that the critic minimizes."""

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """The scalar that the generator minimizes."""


def _mean(cost: Callable[[Tensor], Tensor], logits: Logits) -> Tensor:
    return torch.stack([cost(values).mean() for values in scales(logits)]).mean()


def _pairs(real: Logits, fake: Logits) -> list[tuple[Tensor, Tensor]]:
    real, fake = scales(real), scales(fake)
    if len(real) != len(fake):
        raise ValueError(f"{len(real)} scales of real logits but {len(fake)} of fake ones")
    return list(zip(real, fake, strict=True))


def _cross_entropy(real: Logits, fake: Logits, smoothing: float = 0.0) -> Tensor:
    # -log sigmoid(x) = softplus(-x), and a target of 1 - s adds s * x to it: no logarithm of zero.
    return _mean(lambda x: softplus(-x) + smoothing * x, real) + _mean(softplus, fake)


@dataclass(frozen=True)
class Minimax:
    """The zero-sum game: D ascends, G descends log D(x) + log(1 - D(G(z))).

    Goodfellow et al. 2014, eq. 1. Its generator learns nothing once the critic is sure; for
    training take `NonSaturating`.
    """

    needs_real = False
    boundary = 0.0

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """``E softplus(-real) + E softplus(fake)``."""
        return _cross_entropy(real, fake)

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """``E log(1 - sigmoid(fake))``, at most 0; ``real`` is not used."""
        return _mean(lambda x: -softplus(x), fake)


@dataclass(frozen=True)
class NonSaturating:
    """The usual loss: the generator maximizes log D(G(z)).

    Goodfellow et al. 2014, section 3. ``smoothing`` in [0, 1) makes the target of the real samples
    ``1 - smoothing`` and leaves that of the fakes at 0 (Salimans et al. 2016, section 3.4).
    """

    smoothing: float = 0.0
    needs_real = False
    boundary = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must lie in [0, 1), got {self.smoothing}")

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """``E softplus(-real) + E softplus(fake)``, the real target smoothed."""
        return _cross_entropy(real, fake, self.smoothing)

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """``E softplus(-fake)``; ``real`` is not used."""
        return _mean(lambda x: softplus(-x), fake)


@dataclass(frozen=True)
class MaximumLikelihood:
    """At the optimal critic the generator descends KL(data || model).

    Goodfellow, NIPS 2016 tutorial, eq. 14 (twice that): ``-E exp(logit)``. The exponential
    overflows float32 at a logit of 88, so above ``limit`` it goes on along its tangent: value and
    slope stay continuous and finite, and the generator keeps its gradient, which a clamp would cut.
    """

    limit: float = 20.0
    needs_real = False
    boundary = 0.0

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """``E softplus(-real) + E softplus(fake)``."""
        return _cross_entropy(real, fake)

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """``-E exp(fake)`` with the tangent above ``limit``; ``real`` is not used."""

        def cost(x: Tensor) -> Tensor:
            return -torch.exp(x.clamp(max=self.limit)) * (1 + relu(x - self.limit))

        return _mean(cost, fake)


@dataclass(frozen=True)
class LeastSquares:
    """Squared distances to targets: 1 for real, 0 for fake, and 1 is what the generator wants.

    Mao et al. 2017, eq. 2, with its factors 1/2. CycleGAN's generator pays without the factor:
    give the step ``weight=2``.
    """

    real_target: float = 1.0
    fake_target: float = 0.0
    generator_target: float = 1.0
    needs_real = False

    @property
    def boundary(self) -> float:
        """Half way between the critic's two targets."""
        return (self.real_target + self.fake_target) / 2

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """``E (real - real_target)^2 / 2 + E (fake - fake_target)^2 / 2``."""
        return _mean(lambda x: 0.5 * (x - self.real_target) ** 2, real) + _mean(
            lambda x: 0.5 * (x - self.fake_target) ** 2, fake
        )

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """``E (fake - generator_target)^2 / 2``; ``real`` is not used."""
        return _mean(lambda x: 0.5 * (x - self.generator_target) ** 2, fake)


@dataclass(frozen=True)
class Wasserstein:
    """The earth mover's distance, as long as the critic is 1-Lipschitz: add `WganGP`.

    Arjovsky et al. 2017, eq. 2.
    """

    needs_real = False
    boundary = None

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """``E fake - E real``; minus this is the estimated distance."""
        return _mean(lambda x: x, fake) - _mean(lambda x: x, real)

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """``-E fake``; ``real`` is not used."""
        return _mean(lambda x: -x, fake)


@dataclass(frozen=True)
class Hinge:
    """The critic pays only within the margin of 1.

    Lim & Ye 2017; Miyato et al. 2018, eq. 16 and 17.
    """

    needs_real = False
    boundary = 0.0

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """``E max(0, 1 - real) + E max(0, 1 + fake)``."""
        return _mean(lambda x: relu(1 - x), real) + _mean(lambda x: relu(1 + x), fake)

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """``-E fake``; ``real`` is not used."""
        return _mean(lambda x: -x, fake)


@dataclass(frozen=True)
class RelativisticAverage:
    """Is a sample more real than the average of the other kind? Both players pay on both kinds.

    Jolicoeur-Martineau 2018, RaSGAN (cross-entropy form); ESRGAN's loss (Wang et al. 2018,
    eq. 1 and 2). The average runs over all logits of a scale.
    """

    needs_real = True
    boundary = None

    def discriminator(self, real: Logits, fake: Logits) -> Tensor:
        """``E softplus(-(real - E fake)) + E softplus(fake - E real)``.

        Raises:
            ValueError: the two lists differ in length.
        """
        costs = [
            softplus(y.mean() - x).mean() + softplus(y - x.mean()).mean()
            for x, y in _pairs(real, fake)
        ]
        return torch.stack(costs).mean()

    def generator(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """The discriminator's cost with the two kinds exchanged.

        Raises:
            ValueError: ``real`` is missing, or the two lists differ in length.
        """
        if real is None:
            raise ValueError("the relativistic generator's cost needs the real logits too")
        return self.discriminator(fake, real)
