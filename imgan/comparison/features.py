"""The comparison of features that hold in another domain: accuracies, and the domains' distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..data.domains import domain_names
from ..evaluation.features import MOST, FeatureReport, evaluate_features
from ..inference.classify import Classifier
from ..pipelines import scatter
from .result import Comparison, Metric, Pane, Row

POINTS = 300
"""Of a domain, in a plot."""


def compare_features(
    found: Comparison,
    models: Mapping[tuple[str, int], Path],
    data: Sequence[Path],
    device: str | None,
) -> None:
    """Score every model on every domain into `found`; the first domain is the source."""
    names = domain_names(data)
    rows: dict[str, Pane] = {}
    for arm in found.arms:
        for (name, _), path in models.items():
            if name != arm.name:
                continue
            report = evaluate_features(Classifier(path, device), data, names)
            for key, value in _figures(report, names).items():
                arm.figures.setdefault(key, []).append(value)
            if name not in rows:
                drawn = scatter.of_domains(*report.some(POINTS), side=320)
                rows[name] = Pane(name, arm.title, drawn)
    known = {key for arm in found.arms for key in arm.figures}
    found.metrics = [metric for metric in _metrics(names) if metric.key in known]
    found.protocol = [
        "accuracy: share of right classes on the test split where there is one, else on val or all "
        f"images (of more than {MOST:,} evenly drawn), of a source also those that were trained "
        "on; classes of a target are used for this alone",
        "distance of the domains: proxy A-distance of a linear critic over the features, 0 (it "
        "cannot tell them apart) to 2 (Ben-David et al. 2007)",
    ]
    found.pictures = [
        Row("Features by principal components, by domain and by class", [*rows.values()])
    ]
    if "target1" in known and "distance" in known:
        found.plane = ("target1", "distance")


def _metrics(names: Sequence[str]) -> list[Metric]:
    accuracies = [
        Metric(f"target{i}" if i else "source", f"Accuracy, {name}", "task", "higher", 1, "%")
        for i, name in enumerate(names)
    ]
    apart = Metric("distance", "Distance of the domains", "distribution", "lower", 2)
    return [*accuracies[1:], accuracies[0], apart]


def _figures(report: FeatureReport, names: Sequence[str]) -> dict[str, float]:
    found = {
        f"target{i}" if i else "source": 100 * report.accuracies[name]
        for i, name in enumerate(names)
        if name in report.accuracies
    }
    return found if report.distance is None else found | {"distance": report.distance}
