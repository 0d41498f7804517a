"""Instance noise: blur both distributions until they overlap."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class InstanceNoise:
    """Normal noise on everything the critic sees, falling linearly to 0 after ``until`` moves.

    Sonderby et al. 2017; Arjovsky & Bottou 2017, section 3. ``std`` is in units of the
    samples: 0.1 is a twentieth of the range of images in [-1, 1], a tenth of those in [0, 1]. The
    step adds it in both players' moves and counts by the critic's. ``rng`` lives on the samples'
    device; None is torch's global one.
    """

    std: float = 0.1
    until: int = 10_000
    rng: torch.Generator | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.std < 0 or self.until < 1:
            raise ValueError(f"std must be 0 or more and until 1 or more, got {self}")

    def __call__(self, samples: Tensor, move: int) -> Tensor:
        """Noisy samples of the same shape, for the ``move``-th move, counted from 0."""
        std = self.std * max(0.0, 1 - move / self.until)
        if std == 0:
            return samples
        noise = torch.randn(
            samples.shape, generator=self.rng, device=samples.device, dtype=samples.dtype
        )
        return samples + std * noise
