"""Models whose weights are the mean of others'."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import ImganError
from .model_file import (
    Card,
    Model,
    NetworkCard,
    check_finite,
    load_model,
    load_weights,
    read_card,
    save_model,
)
from .shipped import labels, resolve

_COMMON: dict[str, Callable[[Card], object]] = {
    "pipelines": lambda card: card.pipeline,
    "scales": lambda card: card.scale,
    "networks": lambda card: card.networks,
    "images": lambda card: {
        "input": card.input,
        "channels": card.channels,
        "range": card.value_range,
        "bits": card.bit_depth,
    },
    "directions": lambda card: card.recipe.get("direction"),
    "classes": lambda card: card.data.get("classes"),
}
"""What models must have in common for their mean to be one; `task` names folders, and need not be.
"""


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
    4), between stages of one training sometimes better than each (Wortsman et al. 2022, "Model
    soups"). Between others the mean is worth nothing, and no check tells: score it. Statistics of
    batch norm are averaged, too, where Izmailov et al. 2018 compute them anew.

    Args:
        models: two or more model files or shipped names, of one architecture.
        out: the file to write, ``NAME.safetensors``. A mean is no training: its card is that of the
            model with the largest share (the first of equals), which is kept as its `parent`,
            without scores, log, notes and steps. `mean_of` names what was averaged. `data` names
            the folders and clips of all trainings; `cost` and `licence` are all that differ, but
            the cost is "adversarial" if one is, and no licence is claimed where one has none.
        shares: how much of each, over 0; divided by their sum. None: the same of all.
        overwrite: replace a file that exists.

    Returns:
        The new card.

    Raises:
        ImganError: there are too few models or one twice, they have too little in common, one is no
            model or its weights are not finite, the shares do not fit, or the file exists, has
            another suffix or cannot be written.
    """
    path = Path(out)
    paths = [resolve(model) for model in models]
    if len({one.resolve() for one in paths}) < max(2, len(paths)):
        raise ImganError("a mean needs two models or more, each of them once")
    parts = _parts(shares, len(paths))
    if path.suffix != ".safetensors":
        raise ImganError(f"{path}: a model file is named NAME.safetensors")
    if path.is_dir() or (path.exists() and not overwrite):
        way = "another name" if path.is_dir() else "--overwrite, or another name"
        raise ImganError(f"{path} exists; take {way}")
    cards = _agreeing(paths, models)
    weights = mean_of(_weights(paths, models), parts)
    check_finite(weights, "the mean")  # the sum of large weights may not be
    card = _card(cards, parts, labels(models))
    card.name = path.stem
    try:
        save_model(path, card, {role: _under(role, weights) for role in card.networks})
    except OSError as error:
        raise ImganError(
            f"{path} cannot be written ({error.strerror or error}); take another place"
        ) from None
    return card


def load_mean(
    models: Sequence[str | Path],
    shares: Sequence[float] | None = None,
    pipeline: str | None = None,
) -> Model:
    """Load the model whose weights are the mean of the models'; of one it is the model itself.

    Args:
        models, shares: as for `average`; models may be given more than once.
        pipeline: whose shipped models are named where one is not there; None: all.

    Returns:
        With a mean's card, as `average` writes it, named "mean".

    Raises:
        ImganError: as `average`.
    """
    paths = [resolve(model, *([pipeline] if pipeline else [])) for model in models]
    model = load_model(paths[0])
    if len(paths) > 1:
        parts = _parts(shares, len(paths))
        cards = _agreeing(paths, models)
        weights = mean_of(_weights(paths, models), parts)
        for role, network in model.networks.items():
            network.load_state_dict(_under(role, weights))
        model.card = _card(cards, parts, labels(models))
        model.card.name = "mean"
    return model


def mean_of(
    states: Iterable[Mapping[str, Tensor]], shares: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """The mean of weights, in float32 at least; whole numbers (counters) are the first's.

    Args:
        states: one by one, so that two are held at a time.
        shares: how much of each; None: the same of all.
    """
    mean: dict[str, Tensor] = {}
    total = 0.0
    given = iter(shares) if shares is not None else None
    for state in states:
        share = 1.0 if given is None else next(given)
        total += share
        for key, value in state.items():
            if not value.is_floating_point():
                mean.setdefault(key, value)
                continue
            value = value.to(torch.promote_types(value.dtype, torch.float32))
            if key in mean:
                mean[key].lerp_(value, share / total)
            else:
                mean[key] = value.clone()
    return mean


def _parts(shares: Sequence[float] | None, count: int) -> list[float]:
    """Shares that sum to 1."""
    given = [1.0] * count if shares is None else [float(share) for share in shares]
    if len(given) != count:
        raise ImganError(f"there are {count} models; give a share of each, and no more")
    if not all(0 < share < math.inf for share in given):
        raise ImganError("shares are numbers over 0; leave a model out that is to have none")
    largest = max(given)
    total = sum(share / largest for share in given)  # the sum itself may be infinite
    return [share / largest / total for share in given]


def _agreeing(paths: Sequence[Path], names: Sequence[str | Path]) -> list[Card]:
    """The cards of models that can have a mean."""
    cards = [read_card(path) for path in paths]
    for name, card in zip(names[1:], cards[1:], strict=True):
        for what, read in _COMMON.items():
            if read(card) != read(cards[0]):
                raise ImganError(
                    f"{names[0]} and {name} have no mean, as their {what} differ"
                    f"{_told(read(cards[0]), read(card))}; take models trained on from the same "
                    "weights"
                )
    return cards


def _told(one: object, other: object, where: str = "") -> str:
    """The first difference, if it is of single values: " (generator, blocks: 10 and 7)"."""
    if isinstance(one, NetworkCard) and isinstance(other, NetworkCard):
        one, other = {"name": one.name} | one.arguments, {"name": other.name} | other.arguments
    if isinstance(one, dict) and isinstance(other, dict):
        differs = (k for k in one | other if k not in one or k not in other or one[k] != other[k])
        key = next(differs)
        return _told(one.get(key), other.get(key), f"{where}, {key}".removeprefix(", "))
    if not all(isinstance(value, str | int | float) for value in (one, other)):
        return ""
    return f" ({where}{': ' if where else ''}{one} and {other})"


def _weights(paths: Sequence[Path], names: Sequence[str | Path]) -> Iterable[dict[str, Tensor]]:
    first: dict[str, torch.Size] = {}
    for path, name in zip(paths, names, strict=True):
        weights = load_weights(path)
        shapes = {key: value.shape for key, value in weights.items()}
        first = first or shapes
        if shapes != first:
            raise ImganError(
                f"{names[0]} and {name} have no mean, as their weights differ in name or shape"
            )
        yield weights


def _under(role: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of one network, as model files name it."""
    begin = f"{role}."
    return {key.removeprefix(begin): v for key, v in weights.items() if key.startswith(begin)}


def _card(cards: Sequence[Card], parts: Sequence[float], names: Sequence[str]) -> Card:
    parent = cards[parts.index(max(parts))]
    costs, licences = [card.cost for card in cards], [card.licence for card in cards]
    return parent.model_copy(
        deep=True,
        update={
            "mean_of": dict(zip(names, parts, strict=True)),
            "cost": "adversarial" if "adversarial" in costs else _all(costs),
            "licence": _all(licences) if all(licences) else "",
            "data": parent.data | _seen([card.data for card in cards]),
            "steps": 0,
            "scores": {},
            "log": [],
            "notes": "",
            "parent": parent,
        },
    )


def _seen(data: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The folders and clips of all trainings; held out is what each of them held out."""
    found: dict[str, list[str]] = {}
    for key in ("folders", "trained", "held_out"):
        lists = [one[key] for one in data if isinstance(one.get(key), list)]
        if len(lists) == len(data) and all(isinstance(n, str) for names in lists for n in names):
            names = dict.fromkeys(name for names in lists for name in names)
            if key == "held_out":
                names = dict.fromkeys(n for n in names if all(n in one for one in lists))
            found[key] = list(names)
    return found


def _all(texts: Iterable[str]) -> str:
    each = (one for text in texts for one in text.split(" and ") if one)
    return " and ".join(dict.fromkeys(each))
