"""Both players' optimizers, and the step that moves with them, from the words of a recipe."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from ..recipe import Adversary
from ..recipe import Optimizer as Spec
from .muon import Muon, split


def generator_optimizer(spec: Spec, networks: Iterable[nn.Module]) -> torch.optim.Optimizer:
    """Adam or Muon over all parameters of the generator's player."""
    networks = list(networks)
    if spec.name == "adam":
        parameters = [p for network in networks for p in network.parameters()]
        return torch.optim.Adam(parameters, lr=spec.rate, betas=spec.betas)
    hidden, others = [], []
    for network in networks:
        inner, outer = split(network)
        hidden += inner
        others += outer
    return Muon(hidden, others, spec.rate, spec.adam_share, spec.momentum, spec.betas)


def critic_optimizer(spec: Adversary, networks: Iterable[nn.Module]) -> torch.optim.Optimizer:
    """Adam over all parameters of the critic's player."""
    parameters = [p for network in networks for p in network.parameters()]
    return torch.optim.Adam(parameters, lr=spec.rate, betas=spec.betas)
