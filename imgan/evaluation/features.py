"""How well features hold in another domain: accuracies, and what still tells the domains apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from ..data.labelled import read_labelled
from ..errors import ImganError
from ..inference.classify import Answers, Classifier
from ..model_file import read_card

MOST = 5000
"""So many images of a domain are scored at most where it has no test split."""


@dataclass
class FeatureReport:
    """`accuracies` by domain, where its classes are known; `answers` by domain.

    `distance` is the proxy A-distance between all domains, 2 (1 - 2 error) of a linear critic over
    the features, from 0 (it can tell nothing) to 2 (Ben-David et al. 2007; Ganin et al. 2016).
    """

    accuracies: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    distance: float | None = None
    answers: dict[str, Answers] = field(default_factory=dict)


def is_classifier(model: str | Path) -> bool:
    """Whether a model file is one that tells classes."""
    try:
        return Path(model).is_file() and read_card(Path(model)).pipeline == "dann"
    except ImganError:  # no model of imgan's, of which others tell more
        return False


def evaluate_features(
    model: Classifier, data: Sequence[Path], names: Sequence[str] | None = None
) -> FeatureReport:
    """Score a model on domains: their test splits, or all there is.

    Args:
        model: see `Classifier`.
        data: each what `imgan.data.labelled` understands.
        names: of the domains; by default the files' own.

    Raises:
        ImganError: nothing of a domain can be used.
    """
    report = FeatureReport()
    for path, name in zip(data, names or [Path(p).name for p in data], strict=True):
        parts = read_labelled(path)
        part = parts.get("test") or parts.get("val") or parts["train"]
        if "test" not in parts and len(part) > MOST:
            chosen = np.linspace(0, len(part) - 1, MOST).round().astype(int)
            part = part.take(chosen.tolist())
        shelf, bad = model.shelf(part)
        if not len(shelf):
            raise ImganError(f"no image of {path} can be used: {bad[0]}")
        answers = report.answers[name] = model.answers(shelf)
        report.counts[name] = len(shelf)
        if answers.accuracy is not None:
            report.accuracies[name] = answers.accuracy
    if len(report.answers) > 1:
        report.distance = proxy_distance([one.features for one in report.answers.values()])
    return report


def domain_names(data: Sequence[Path]) -> list[str]:
    """A name for each domain: its folder's or file's, numbered where two are alike."""
    names = [p.resolve().name if p.is_dir() else p.name.split(".")[0] for p in data]
    return [n if names.count(n) == 1 else f"{n} {i + 1}" for i, n in enumerate(names)]


def proxy_distance(
    domains: Sequence[NDArray[np.float32]], seed: int = 0, most: int = 2000
) -> float:
    """The proxy A-distance: each domain's features ``[N, F]``; a half trains, the other tests.

    Of K domains the error is scaled so that guessing gives 0 and no error 2.
    """
    rng = np.random.default_rng(seed)
    count = min(most, *(len(one) for one in domains)) // 2
    if count < 1:
        raise ImganError("the domains' distance needs two images of each")
    halves = [rng.permutation(len(one))[: 2 * count] for one in domains]
    features = [
        np.concatenate([one[half[part]] for one, half in zip(domains, halves, strict=True)])
        for part in (slice(count), slice(count, None))
    ]
    x, z = (torch.from_numpy(values.astype(np.float32)) for values in features)
    y = torch.arange(len(domains)).repeat_interleave(count)
    mean, deviation = x.mean(0), x.std(0).clamp(min=1e-6)
    x, z = (x - mean) / deviation, (z - mean) / deviation
    critic = nn.Linear(x.shape[1], len(domains))
    nn.init.zeros_(critic.weight)
    nn.init.zeros_(critic.bias)
    optimizer = torch.optim.LBFGS(critic.parameters(), max_iter=50)

    def cost() -> torch.Tensor:
        optimizer.zero_grad()
        paid = cross_entropy(critic(x), y) + 1e-2 * critic.weight.square().sum()
        paid.backward()  # type: ignore[no-untyped-call]
        return paid

    with torch.enable_grad():
        optimizer.step(cost)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        wrong = float((critic(z).argmax(1) != y).float().mean())
    guessing = 1 - 1 / len(domains)
    return max(0.0, 2 * (1 - wrong / guessing))
