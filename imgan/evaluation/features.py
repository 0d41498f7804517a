"""How well features hold in another domain: accuracies, and what still tells the domains apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from ..data.domains import domain_names, natural
from ..data.labelled import read_labelled
from ..data.labelled_arrays import Labelled
from ..data.shelf import UNKNOWN
from ..errors import ImganError
from ..inference.classify import Answers, Classifier
from ..model_file import read_card

MOST = 5000
"""So many images of a domain are scored at most where it has no test split, evenly."""


@dataclass
class FeatureReport:
    """`accuracies` by domain, where its classes are known; `answers` and `splits` by domain.

    `counts` are the images that an accuracy is of, or all where no class is known.
    `splits` tells which split was scored, "train" where there are none. `distance` is the proxy
    A-distance between all domains, 2 (1 - 2 error) of a linear critic over the features, from 0 (it
    can tell nothing) to 2 (Ben-David et al. 2007; Ganin et al. 2016); None where a domain has a
    single image.
    """

    accuracies: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    distance: float | None = None
    answers: dict[str, Answers] = field(default_factory=dict)

    def some(
        self, most: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str], NDArray[np.int64], list[str]]:
        """Up to `most` images of each domain, evenly, as `scatter.of_domains` takes them.

        Features ``[N, F]``, the number of each one's domain ``[N]``, the domains' names, the number
        of each one's class ``[N]``, the classes' names.
        """
        found, classes = [], []
        for number, answers in enumerate(self.answers.values()):
            chosen = np.linspace(0, len(answers.names) - 1, min(most, len(answers.names)))
            at = chosen.round().astype(int)
            found.append((answers.features[at], np.full(len(at), number), answers.labels[at]))
            classes = answers.classes
        features, domains, labels = (np.concatenate(v) for v in zip(*found, strict=True))
        return features, domains, list(self.answers), labels, classes


def is_classifier(model: str | Path) -> bool:
    """Whether a model file is one that tells classes."""
    try:
        return Path(model).is_file() and read_card(Path(model)).pipeline == "dann"
    except ImganError:  # no model of imgan's, of which others tell more
        return False


def evaluate_features(
    model: Classifier,
    data: Sequence[Path],
    names: Sequence[str] | None = None,
    attribute: str | None = None,
    most: int | None = None,
    labelled: int | None = None,
) -> FeatureReport:
    """Score a model on domains: their test splits, or `val` or all, of these at most `MOST` images.

    Args:
        model: see `Classifier`.
        data: each what `imgan.data.labelled` understands.
        names: of the domains; by default the files' own.
        attribute: its values are the domains, instead of the files.
        most: images of a file, evenly.
        labelled: the classes of so many of `data` alone are read, of the first ones.

    Raises:
        ImganError: nothing of a domain can be used, or it lacks the attribute.
    """
    report = FeatureReport()
    found: dict[str, list[Answers]] = {}
    for number, (path, name) in enumerate(zip(data, names or domain_names(data), strict=True)):
        parts = read_labelled(path)
        split = next(split for split in ("test", "val", "train") if split in parts)
        part, bad = parts[split], []
        limit = most if split == "test" else min(most or MOST, MOST)
        if limit and len(part) > limit:
            part = part.take(np.linspace(0, len(part) - 1, limit).round().astype(int).tolist())
        if labelled is not None and number >= labelled:
            part = replace(part, labels=None)
        for domain, own in _by(part, attribute, name):
            shelf, left_out = model.shelf(own)
            bad += left_out
            if len(shelf):
                found.setdefault(domain, []).append(model.answers(shelf))
                report.splits[domain] = split
        if len(bad) == len(part):
            raise ImganError(f"no image of {path} can be used: {bad[0]}")
    for name in sorted(found, key=natural) if attribute else found:
        answers = report.answers[name] = Answers.joined(found[name])
        report.counts[name] = len(answers.names)
        if answers.accuracy is not None:
            report.accuracies[name] = answers.accuracy
            report.counts[name] = int((answers.labels != UNKNOWN).sum())
    if len(report.answers) > 1 and all(len(one.names) > 1 for one in report.answers.values()):
        report.distance = proxy_distance([one.features for one in report.answers.values()])
    return report


def _by(part: Labelled, attribute: str | None, name: str) -> list[tuple[str, Labelled]]:
    """The images by domain: all are of one, or of that which the attribute tells."""
    if attribute is None:
        return [(name, part)]
    values = part.attributes.get(attribute)
    if values is None:
        raise ImganError(f"{name} has no attribute {attribute}")
    return [
        (one, part.take([i for i, value in enumerate(values) if value == one]))
        for one in dict.fromkeys(values)
    ]


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
