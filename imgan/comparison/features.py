"""The comparison of features that hold in another domain: accuracies, and the domains' distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..data.domains import domain_names
from ..evaluation.features import MOST, FeatureReport, evaluate_features
from ..inference.classify import Classifier
from ..model_file import read_card
from ..pipelines import scatter
from .result import Comparison, Metric, Pane, Row

POINTS = 300
"""Of a domain, in a plot."""

ALL = Metric("accuracy", "Accuracy", "task", "higher", 1, "%")
APART = Metric("distance", "Distance of the domains", "distribution", "lower", 2)


def compare_features(
    found: Comparison,
    models: Mapping[tuple[str, int], Path],
    data: Sequence[Path],
    device: str | None,
    precision: str,
) -> None:
    """Score every model on every domain into `found`, sources first, as the first model's recipe.

    In float32 where the precision is not said.
    """
    settings = read_card(next(iter(models.values()))).recipe.get("data", {})
    sources, attribute = int(settings.get("sources", 1)), settings.get("attribute")
    labelled = None if settings.get("target_labels", True) else sources
    names = domain_names(data)
    precision = "float32" if precision == "auto" else precision
    rows: dict[str, Pane] = {}
    for arm in found.arms:
        for (name, _), path in models.items():
            if name != arm.name:
                continue
            model = Classifier(path, device, precision)
            report = evaluate_features(model, data, names, attribute, labelled=labelled)
            for key, value in _figures(report, names, sources, bool(attribute)).items():
                arm.figures.setdefault(key, []).append(value)
            if name not in rows:
                drawn = scatter.of_domains(*report.some(POINTS), side=320)
                rows[name] = Pane(name, arm.title, drawn)
    known = {key for arm in found.arms for key in arm.figures}
    metrics = [ALL] if attribute else _metrics(names, sources)
    found.metrics = [metric for metric in [*metrics, APART] if metric.key in known]
    found.protocol = [
        "accuracy: share of right classes on the test split where there is one, else on val or all "
        f"images (of more than {MOST:,} evenly drawn), of a source also those that were trained "
        "on; classes of a target are used for this alone"
        + ("" if labelled is None else ", and here for nothing: target_labels is false"),
        "distance of the domains: proxy A-distance of a linear critic over the features, 0 (it "
        "cannot tell them apart) to 2 (Ben-David et al. 2007)",
    ]
    found.pictures = [
        Row("Features by principal components, by domain and by class", [*rows.values()])
    ]
    task = next((key for key in ("target1", ALL.key) if key in known), None)
    if task and "distance" in known:
        found.plane = (task, "distance")
    found.protocol.append(f"scored on {model.device} in {str(model.dtype).removeprefix('torch.')}")


def _metrics(names: Sequence[str], sources: int) -> list[Metric]:
    """Accuracy by domain, targets first."""
    accuracies = [
        Metric(key, f"Accuracy, {name}", "task", "higher", 1, "%")
        for key, name in zip(_keys(len(names), sources), names, strict=True)
    ]
    return [*accuracies[sources:], *accuracies[:sources]]


def _keys(count: int, sources: int) -> list[str]:
    own = ["source", *(f"source{i + 1}" for i in range(1, sources))]
    return [*own, *(f"target{i + 1}" for i in range(count - sources))][:count]


def _figures(
    report: FeatureReport, names: Sequence[str], sources: int, one: bool
) -> dict[str, float]:
    """Accuracies by domain, or in `one` where an attribute's values are the domains."""
    accuracies = report.accuracies
    found = {}
    if one and accuracies:
        counts = [report.counts[name] for name in accuracies]
        right = sum(share * n for share, n in zip(accuracies.values(), counts, strict=True))
        found[ALL.key] = 100 * right / sum(counts)
    elif not one:
        keys = zip(_keys(len(names), sources), names, strict=True)
        found = {key: 100 * accuracies[name] for key, name in keys if name in accuracies}
    return found if report.distance is None else found | {"distance": report.distance}
