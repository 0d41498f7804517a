"""Critics as a recipe asks for them."""

from __future__ import annotations

from torch import nn

from ..core import MinibatchStdDev
from ..networks import build_critic
from ..recipe.base import CriticSpec


def make_critic(spec: CriticSpec, channels: int) -> nn.Module:
    """A critic of images of so many channels."""
    arguments = spec.model_dump(exclude={"name"}) | {"channels": channels}
    if arguments.pop("minibatch_stddev", False):
        arguments["statistics"] = MinibatchStdDev
    return build_critic(spec.name, arguments)
