"""Weights to start from."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ImganError
from ..model_file import Card, Model, load_model
from ..shipped import resolve
from .pipeline import Networks


def start_from(players: Networks, init: str | Sequence[str]) -> Card:
    """Copy the weights of a model whose names and shapes agree; the rest starts fresh.

    Args:
        players: the generators by role.
        init: a model file, the name of a shipped model, or several, whose mean is taken.

    Returns:
        The card of the first model.

    Raises:
        ImganError: there is no such model, not even the first layer of any network agrees, or
            several models are not of one architecture.
    """
    paths = [resolve(one) for one in ([init] if isinstance(init, str) else init)]
    path, model = paths[0], load_model(paths[0])
    for count, other in enumerate(paths[1:], 2):
        _average(model, load_model(other), 1 / count, f"{path} and {other}")
    fits = False
    for role, network in players.items():
        if role not in model.networks:
            continue
        given, own = model.networks[role].state_dict(), network.state_dict()
        agreeing = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
        fits |= next(iter(own)) in agreeing
        network.load_state_dict(agreeing, strict=False)
    if not fits:
        raise ImganError(
            f"init: the weights of {path} fit none of the networks; take a model of their family"
        )
    return model.card


def _average(mean: Model, other: Model, share: float, names: str) -> None:
    """Move the weights of `mean` towards those of `other` by `share` of the way."""
    if {r: n.arguments for r, n in mean.card.networks.items()} != {
        r: n.arguments for r, n in other.card.networks.items()
    }:
        raise ImganError(f"init: {names} are not of one architecture and have no mean")
    for role, network in mean.networks.items():
        theirs = other.networks[role].state_dict()
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(theirs[key], share)
