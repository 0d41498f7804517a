"""Models whose weights are the mean of others'."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import nn

from .errors import ImganError
from .model_file import Card, Model, load_model, save_model
from .shipped import resolve


def average(
    models: Sequence[str | Path],
    out: str | Path,
    *,
    shares: Sequence[float] | None = None,
    overwrite: bool = False,
) -> Card:
    """Write the model whose weights are the mean of the models'.

    Networks that were trained on from the same weights lie in one valley of the cost, and those
    between them are networks too: between twins at any realism (Wang et al. 2018, ESRGAN, equation
    4), between stages of one training often better than each (Izmailov et al. 2018, "Averaging
    weights leads to wider optima"). Between others the mean is worth nothing, and no check tells:
    score it. The statistics of batch norm are averaged as they stand.

    Args:
        models: two or more model files or shipped names, of one architecture.
        out: the file to write, ``NAME.safetensors``. Its card is the first model's, without the
            scores; the notes name what was averaged.
        shares: how much of each, none negative; divided by their sum. None: the same of all.
        overwrite: replace a file that exists.

    Returns:
        The new card.

    Raises:
        ImganError: there are too few models, they are not of one architecture, one is no model, the
            shares do not fit, or the file exists or has another suffix.
    """
    path = Path(out)
    if len(models) < 2:
        raise ImganError("a mean needs two models or more")
    parts = _normalised(shares, len(models))
    if path.suffix != ".safetensors":
        raise ImganError(f"{path} is no name of a model file; name it {path.stem}.safetensors")
    if path.is_dir() or (path.exists() and not overwrite):
        way = "another name" if path.is_dir() else "--overwrite, or another name"
        raise ImganError(f"{path} exists; take {way}")
    mean = mean_model(models, parts)
    names = " and ".join(f"{p:.3g} of {_called(m)}" for p, m in zip(parts, models, strict=True))
    card = mean.card
    card.name = path.stem
    card.scores = {}
    card.notes = f"{card.notes} The mean of weights: {names}.".strip()
    save_model(path, card, {role: network.state_dict() for role, network in mean.networks.items()})
    return card


def mean_model(models: Sequence[str | Path], shares: Sequence[float] | None = None) -> Model:
    """Load models, and make the one whose weights are their mean.

    Returns:
        With the card of the first; where costs or licences differ, it names them all.

    Raises:
        ImganError: one is no model, or they are not of one architecture.
    """
    paths = [resolve(model) for model in models]
    first = load_model(paths[0])
    others = [load_model(path) for path in paths[1:]]
    for path, other in zip(paths[1:], others, strict=True):
        if _shape(other.card) != _shape(first.card):
            raise ImganError(
                f"{paths[0]} and {path} are not of one architecture and have no mean; take models "
                "trained on from the same weights"
            )
    for role, network in first.networks.items():
        average_networks([network, *(other.networks[role] for other in others)], shares)
    cards = [first.card, *(other.card for other in others)]
    costs = [card.cost for card in cards]
    first.card.cost = "adversarial" if "adversarial" in costs else _all(costs)
    first.card.licence = _all(c.licence for c in cards)
    return first


@torch.no_grad()
def average_networks(networks: Sequence[nn.Module], shares: Sequence[float] | None = None) -> None:
    """Move the weights and buffers of the first network to the mean of all, of one architecture.

    Args:
        networks: only the first is changed; whole numbers (counters of batches) stay its own.
        shares: how much of each; None: the same of all.
    """
    parts = _normalised(shares, len(networks))
    own, total = networks[0].state_dict(), parts[0]
    for network, part in zip(networks[1:], parts[1:], strict=True):
        if not part:
            continue
        total += part
        theirs = network.state_dict()
        for key, value in own.items():
            if value.is_floating_point():
                value.lerp_(theirs[key], part / total)


def _normalised(shares: Sequence[float] | None, count: int) -> list[float]:
    given = [1.0] * count if shares is None else [float(share) for share in shares]
    if len(given) != count:
        raise ImganError(f"{len(given)} shares do not fit {count} models; give one of each")
    if not all(math.isfinite(share) and share >= 0 for share in given) or not any(given):
        raise ImganError("shares are numbers from 0 up, and not all of them 0")
    return [share / sum(given) for share in given]


def _shape(card: Card) -> object:
    """What models must have in common for their mean to be one."""
    return card.pipeline, card.networks, card.value_range, card.input, card.task


def _all(texts: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(text for text in texts if text))


def _called(model: str | Path) -> str:
    """Without the folders above: they say where, not what."""
    path = Path(model)
    return path.parent.name + "/" + path.name if path.name == "model.safetensors" else path.name
