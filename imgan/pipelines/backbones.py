"""The networks that make features: imgan's own, torchvision's, or the caller's."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import ImganError
from ..model_file import NetworkCard
from ..networks import build
from ..recipe.dann import DannRecipe, TorchvisionSpec


def backbone(recipe: DannRecipe, own: nn.Module | None) -> tuple[nn.Module, NetworkCard, int]:
    """The network, how it is made again, and how many features it makes of an image.

    Raises:
        ImganError: there is no such network, its weights cannot be had, or it cannot take images of
            the recipe's size.
    """
    spec = recipe.features
    arguments = spec.model_dump(exclude={"name", "weights"})
    if spec.name in ("digits", "paper-digits"):
        arguments |= {"channels": recipe.channels, "size": recipe.data.size}
    try:
        if own is not None:
            features = own
        elif isinstance(spec, TorchvisionSpec) and spec.weights:
            features = _pretrained(spec)
        else:
            features = build(spec.name, arguments)
    except ValueError as error:
        raise ImganError(f"features: {error}") from None
    width = _width(features, recipe.channels, recipe.data.size)
    if own is not None:
        arguments = {"class": type(own).__qualname__, "features": width}
    return features, NetworkCard(name=spec.name, arguments=arguments), width


def _pretrained(spec: TorchvisionSpec) -> nn.Module:
    from ..networks.classifiers import Torchvision

    if spec.weights == "download":
        weights = _downloaded(spec.model)
    else:
        weights = _read(Path(str(spec.weights)))
    try:
        return Torchvision(spec.model, weights)
    except KeyError as error:
        raise ImganError(
            f"features.weights: {spec.weights} holds no weights of {spec.model} ({error.args[0]}); "
            "give a file of its state_dict()"
        ) from None


def _downloaded(model: str) -> dict[str, Any]:
    from torchvision.models import get_model_weights

    try:
        newest = get_model_weights(model).DEFAULT
    except ValueError:  # of the name, `Torchvision` tells more
        return {}
    try:
        with redirect_stdout(sys.stderr):
            weights: dict[str, Any] = newest.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # no network, no room, cut short, or a damaged file of before
        reason = getattr(error, "reason", error)
        raise ImganError(
            f"features.weights: the weights of {model} cannot be downloaded from {newest.url} "
            f"({reason}); get the file by other means and set features.weights=FILE"
        ) from None
    return weights


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(str(file))
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ImganError(f"features.weights: there is no file {file}") from None
    except Exception as error:  # torch.load raises of many kinds
        reason = str(error).splitlines()[0]
        raise ImganError(f"features.weights: {file} cannot be read as weights ({reason})") from None
    if isinstance(weights, dict) and isinstance(inner := weights.get("state_dict"), dict):
        weights = inner  # as training scripts save them
    return weights if isinstance(weights, dict) else {}


def _width(features: nn.Module, channels: int, size: int) -> int:
    """How many features a module makes of an image, by asking it."""
    was, place = features.training, next(features.parameters(), torch.empty(0)).device
    features.eval()
    try:
        with torch.no_grad():
            made = features(torch.zeros(1, channels, size, size, device=place))
    except Exception as error:  # what a module of others raises is not known
        raise ImganError(
            f"the features cannot be made of images [{channels}, {size}, {size}] "
            f"({str(error).splitlines()[0]}); another data.size may fit"
        ) from error
    features.train(was)
    if made.ndim != 2:
        raise ImganError(f"the features are to be [N, F], and this module makes {list(made.shape)}")
    return int(made.shape[1])
