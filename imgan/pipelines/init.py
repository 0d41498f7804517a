"""Weights to start from."""

from __future__ import annotations

from ..errors import ImganError
from ..model_file import Card, load_model
from ..shipped import resolve
from .pipeline import Networks


def start_from(players: Networks, source: str) -> Card:
    """Copy the weights of a model whose names and shapes agree; the rest starts fresh.

    Args:
        players: the generators by role.
        source: a model file, or the name of a shipped model.

    Returns:
        The card of the model.

    Raises:
        ImganError: there is no such model, or not even the first layer of any network agrees.
    """
    path = resolve(source)
    model = load_model(path)
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
            f"init: the weights of {path} do not fit the generator; take a model of its family"
        )
    return model.card
