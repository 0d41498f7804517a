"""A player's optimizer, from the words of a recipe."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from ..recipe import Optimizer
from .muon import Muon, split


def make_optimizer(spec: Optimizer, networks: Iterable[nn.Module]) -> torch.optim.Optimizer:
    """Adam or Muon over all parameters of one player's networks."""
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
