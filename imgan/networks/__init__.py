"""Networks: plain modules, one family a file, torch only.

`build` makes a generator and `build_critic` a critic, from the name and the arguments that stand in
a recipe or a model file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .classifiers import Digits, DomainCritic, Head, PaperDigits, Torchvision
from .coarse_to_fine import CoarseToFine
from .critics import MultiscaleCritic, PatchCritic, SRGANCritic, UNetCritic
from .moving_layers import MovingLayers
from .multiscale_predictor import MultiscalePredictor
from .plainsr import PlainSR
from .resnet import ResNet
from .simvp import SimVP
from .srresnet import SRResNet
from .unet import UNet

NETWORKS: dict[str, type[nn.Module]] = {
    "plainsr": PlainSR,
    "srresnet": SRResNet,
    "unet": UNet,
    "resnet": ResNet,
    "coarse-to-fine": CoarseToFine,
    "simvp": SimVP,
    "moving-layers": MovingLayers,
    "multiscale-predictor": MultiscalePredictor,
    "digits": Digits,
    "paper-digits": PaperDigits,
    "torchvision": Torchvision,
    "head": Head,
}
"""The generators that a recipe or a model file may name. A file can name nothing else: no code
runs from it."""

CRITICS: dict[str, type[nn.Module]] = {
    "srgan": SRGANCritic,
    "patch": PatchCritic,
    "multiscale": MultiscaleCritic,
    "unet": UNetCritic,
    "domain": DomainCritic,
}
"""The critics that a recipe may name."""

__all__ = [
    "CRITICS",
    "NETWORKS",
    "CoarseToFine",
    "Digits",
    "DomainCritic",
    "Head",
    "MovingLayers",
    "MultiscaleCritic",
    "MultiscalePredictor",
    "PaperDigits",
    "PatchCritic",
    "PlainSR",
    "ResNet",
    "SRGANCritic",
    "SRResNet",
    "SimVP",
    "Torchvision",
    "UNet",
    "UNetCritic",
    "build",
    "build_critic",
]


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Make the generator `name`.

    Raises:
        ValueError: the name is unknown, or the arguments do not fit it.
    """
    return _make("network", NETWORKS, name, arguments)


def build_critic(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Make the critic `name`.

    Raises:
        ValueError: the name is unknown, or the arguments do not fit it.
    """
    return _make("critic", CRITICS, name, arguments)


def _make(
    what: str, known: Mapping[str, type[nn.Module]], name: str, arguments: Mapping[str, Any]
) -> nn.Module:
    if name not in known:
        raise ValueError(f"there is no {what} {name!r}; known are {', '.join(known)}")
    try:
        return known[name](**arguments)
    except TypeError as error:
        raise ValueError(f"{what} {name!r}: {error}") from None
