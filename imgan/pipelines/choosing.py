"""Which checkpoint, where the target's classes are not known: scores that do not need them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..core.domains import conditioned, entropy, information
from ..data.domains import Domains
from ..data.shelf import UNKNOWN, Shelf
from .pipeline import Networks

MOST = 2000
"""So many images of a shelf are looked at."""

WORDS = {
    "information": "information of the target's classes times source accuracy",
    "entropy": "sureness on the target (1 less its entropy)",
    "source": "accuracy on held-out images of the source",
    "confusion": "how little the critic can tell the domains",
    "last": "the last checkpoint",
}
"""What each rule goes by; more is better."""


def outputs(networks: Networks, shelf: Shelf, most: int = MOST) -> tuple[Tensor, Tensor, Shelf]:
    """Features ``[N, F]`` and logits ``[N, K]`` of up to `most` images, evenly, and these."""
    chosen = np.unique(np.linspace(0, len(shelf) - 1, min(most, len(shelf))).round().astype(int))
    found = [_pair(networks, images) for images in shelf.portions(chosen.tolist())]
    features, logits = (torch.cat(values) for values in zip(*found, strict=True))
    return features, logits, shelf.take(chosen)


def _pair(networks: Networks, images: Tensor) -> tuple[Tensor, Tensor]:
    device = next(networks["classifier"].parameters()).device
    features = networks["features"](unit(images.to(device)))
    return features.float().cpu(), networks["classifier"](features).float().cpu()


def unit(images: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


def accuracy(found: Sequence[tuple[Tensor, Tensor, Shelf]]) -> float:
    """The share of the images with a known class that are given it."""
    logits = torch.cat([values for _, values, _ in found])
    labels = torch.from_numpy(np.concatenate([shelf.labels for *_, shelf in found]))
    known = labels != UNKNOWN
    return float((logits.argmax(1)[known] == labels[known]).float().mean())


def scores(
    networks: Networks, critic: nn.Module | None, data: Domains, conditional: bool
) -> dict[str, float]:
    """Every score in [0, 1], by the rule's name; and of what has classes the accuracy.

    Where there is no target (one source alone, or an attribute) its part is that of the sources.
    """
    held_out = [outputs(networks, shelf) for shelf in data.held_out]
    targets = [outputs(networks, shelf) for shelf in data.train[data.sources :]] or held_out
    logits = torch.cat([values for _, values, _ in targets])
    top = math.log(len(data.classes))
    source = accuracy(held_out)
    found = {
        "information": max(0.0, float(information(logits))) / top * source,  # but for rounding
        "entropy": max(0.0, 1 - float(entropy(logits).mean()) / top),
        "source": source,
    }
    if critic is not None:
        both = held_out if targets is held_out else held_out + targets
        sides = [torch.cat(values) for values in zip(*[(f, x) for f, x, _ in both], strict=True)]
        seen = conditioned(*sides) if conditional else sides[0]
        critic.eval()
        judged = critic(seen.to(next(critic.parameters()).device)).float().cpu()
        critic.train()
        found["confusion"] = float(entropy(judged).mean()) / math.log(len(data.domains))
    for name, shelf in data.test.items():
        found[f"accuracy {name}"] = accuracy([outputs(networks, shelf, len(shelf))])
    return found
