"""Weights to start from."""

from __future__ import annotations

from collections.abc import Sequence

from ..averaging import load_mean
from ..errors import ImganError
from ..model_file import Card
from .pipeline import Networks


def start_from(players: Networks, init: str | Sequence[str], pipeline: str) -> Card:
    """Copy the weights of a model whose names and shapes agree; the rest starts fresh.

    Args:
        players: the generators by role.
        init: a model file, the name of a shipped model, or several, whose mean is taken.
        pipeline: whose shipped models the error names where there is no such model.

    Returns:
        The card of the model, or of the mean.

    Raises:
        ImganError: there is no such model, not even the first layer of any network agrees, or
            several models have no mean.
    """
    models = [init] if isinstance(init, str) else init
    try:
        model = load_mean(models, pipeline=pipeline)
    except ImganError as error:
        raise ImganError(f"init: {error}") from None
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
            f"init: the weights of {models[0]} fit none of the networks; take a model of their "
            "family"
        )
    return model.card
