"""One critic, or several by name, and the samples that each is shown."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from torch import Tensor, nn

from imgan.core.logits import Critic

Critics: TypeAlias = Critic | Mapping[str, Critic]
"""A critic, or several by key, as in CycleGAN: ``{"a": ..., "b": ...}``; an `nn.ModuleDict` too."""

Samples: TypeAlias = Tensor | Mapping[str, Tensor]
"""Samples ``[N, ...]``, or one such tensor for each key of the critics."""


class Game(NamedTuple):
    """One critic and what it is shown; ``suffix`` tells its numbers from those of the others."""

    suffix: str
    critic: Critic
    real: Tensor | None
    fake: Tensor


def games(critic: Critics | None, fake: Samples, real: Samples | None) -> list[Game]:
    """One game for each key, or a single one with an empty suffix.

    Raises:
        ValueError: there is no critic, or the keys differ.
    """
    if critic is None:
        raise ValueError("an adversarial move needs the critic")
    if isinstance(critic, nn.ModuleDict):
        critic = dict(critic.items())
    judges = critic if isinstance(critic, Mapping) else {"": critic}
    fakes = fake if isinstance(fake, Mapping) else {"": fake}
    reals = real if isinstance(real, Mapping) else {"": real}
    if real is None:
        reals = dict.fromkeys(judges)
    if not judges.keys() == fakes.keys() == reals.keys():
        keys = [sorted(mapping) for mapping in (judges, fakes, reals)]
        raise ValueError(f"critic, fake and real need the same keys, got {keys}")
    return [
        Game(f"_{key}" if key else "", judge, reals[key], fakes[key])
        for key, judge in judges.items()
    ]
