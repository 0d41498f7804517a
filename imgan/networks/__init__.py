"""Networks: plain modules, one family a file, torch only.

`build` makes one from the name and the arguments that stand in a recipe or a model file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .critics import PatchCritic, SRGANCritic, UNetCritic
from .plainsr import PlainSR
from .srresnet import SRResNet

NETWORKS: dict[str, type[nn.Module]] = {
    "plainsr": PlainSR,
    "srresnet": SRResNet,
    "srgan": SRGANCritic,
    "patch": PatchCritic,
    "unet": UNetCritic,
}
"""What a recipe or a model file may name. A file can name nothing else: no code runs from it."""

__all__ = [
    "NETWORKS",
    "PatchCritic",
    "PlainSR",
    "SRGANCritic",
    "SRResNet",
    "UNetCritic",
    "build",
]


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Make the network `name`.

    Raises:
        ValueError: the name is unknown, or the arguments do not fit it.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}; known are {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**arguments)
    except TypeError as error:
        raise ValueError(f"network {name!r}: {error}") from None
