"""The whole task of domain adaptation: train, score, and a page that shows the features."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ImganError
from .files import replacing
from .recipe import DannRecipe, Recipe

if TYPE_CHECKING:
    from torch import nn

    from .evaluation.features import FeatureReport
    from .training.loop import Trainer

MOST = 500
"""Points of a domain in the plots."""


@dataclass
class Adapted:
    """`model` and `page` are files; `report` is of the chosen checkpoint, `chosen` says which."""

    model: Path
    page: Path
    chosen: str
    report: FeatureReport


def adapt(
    recipe: Recipe,
    folders: Sequence[Path],
    out: Path,
    *,
    features: nn.Module | None = None,
    before: Path | None = None,
    plot: str = "pca",
    device: str | None = None,
    quiet: bool = False,
) -> Adapted:
    """Train features that hold in another domain, or go on, score them, and write the run's page.

    Args:
        recipe: of pipeline dann.
        folders: sources first, then targets; each what `imgan.data.labelled` understands.
        out: the run's folder.
        features: with ``features: {name: own}`` a module ``[N, C, S, S] -> [N, F]``, input in
            [-1, 1].
        before: a model whose features are shown as those before; by default the networks as
            training begins.
        plot: ``pca``, or ``tsne``, which needs scikit-learn.
        device: see `imgan.inference.device.choose`.
        quiet: show nothing on the terminal.

    Raises:
        ImganError: the recipe is of another pipeline, or the data cannot be used.
    """
    if not isinstance(recipe, DannRecipe):
        raise ImganError(
            f"recipe {recipe.name} is of {recipe.pipeline}, not of domain adaptation; train it "
            "with imgan train"
        )
    from .evaluation.features import FeatureReport, domain_names, evaluate_features
    from .inference.classify import Classifier
    from .model_file import read_card
    from .pipelines.dann import Dann
    from .report import write_run_page
    from .training.loop import Trainer

    if plot == "tsne":
        from .pipelines.scatter import tsne_there

        tsne_there()
    earlier = Classifier(before, device) if before else None  # its faults cost nothing
    trainer = Trainer(
        recipe, folders, out, device=device, quiet=quiet, pipeline=Dann(recipe, features)
    )
    names = domain_names(folders)
    first = out / "results" / "before.png"
    main = trainer.accelerator.is_main_process
    if main and earlier is None and trainer.step_number == 0:
        _at_start(trainer, names, plot, first)
    model = trainer.run()
    if not main:
        return Adapted(model, out / "index.html", "", FeatureReport())
    if earlier is not None:
        _draw(evaluate_features(earlier, folders, names), names, plot, first)
    report = evaluate_features(Classifier(model, device, features=features), folders, names)
    _draw(report, names, plot, out / "results" / "after.png")
    _results(out, report, plot)
    chosen = next(iter(read_card(model).scores), "")
    return Adapted(model, write_run_page(out), chosen, report)


def confusion(classes: list[str], report: FeatureReport, name: str) -> list[list[Any]]:
    """How often each true class (rows) is taken for each (columns), with a head."""
    answers = report.answers[name]
    said = answers.probabilities.argmax(1)
    counts = [[0] * len(classes) for _ in classes]
    for true, guess in zip(answers.labels.tolist(), said.tolist(), strict=True):
        if true >= 0:
            counts[true][guess] += 1
    return [["", *classes], *([c, *row] for c, row in zip(classes, counts, strict=True))]


def _at_start(trainer: Trainer, names: list[str], plot: str, file: Path) -> None:
    """The features of the networks as they are when training begins."""
    import torch

    from .pipelines.choosing import outputs

    pipeline: Any = trainer.pipeline
    data, networks = pipeline.data, pipeline.networks
    found = []
    for network in networks.values():
        network.eval()
    with torch.no_grad():
        for i, name in enumerate(names):
            shelf = data.test.get(name) or (data.held_out + data.train[data.sources :])[i]
            features, _, labels = outputs(networks, shelf, MOST)
            found.append((features.numpy(), labels.numpy()))
    for network in networks.values():
        network.train()
    _scatter(found, names, data.classes, plot, file)


def _draw(report: FeatureReport, names: list[str], plot: str, file: Path) -> None:
    import numpy as np

    found, classes = [], []
    for name in names:
        answers = report.answers[name]
        chosen = np.unique(np.linspace(0, len(answers.names) - 1, MOST).round().astype(int))
        found.append((answers.features[chosen], answers.labels[chosen]))
        classes = answers.classes
    _scatter(found, names, classes, plot, file)


def _scatter(
    found: list[tuple[Any, Any]], names: list[str], classes: list[str], plot: str, file: Path
) -> None:
    import numpy as np
    from PIL import Image

    from .pipelines import scatter

    features = np.concatenate([values for values, _ in found])
    domains = np.concatenate([np.full(len(v), i) for i, (v, _) in enumerate(found)])
    labels = np.concatenate([labels for _, labels in found])
    points = scatter.tsne(features) if plot == "tsne" else scatter.principal(features)
    groups = [("by domain", names, domains), ("by class (grey: not known)", classes, labels)]
    with replacing(file) as beside:
        Image.fromarray(scatter.picture(points, groups)).save(beside)


def _results(out: Path, report: FeatureReport, plot: str) -> None:
    scores: dict[str, Any] = {
        f"accuracy on {name}": f"{100 * value:.1f} % of {report.counts[name]:,}"
        for name, value in report.accuracies.items()
    }
    if report.distance is not None:
        scores["distance of the domains (0 to 2)"] = f"{report.distance:.2f}"
    method = "t-SNE" if plot == "tsne" else "principal components"
    content = {
        "columns": ["before", "after"],
        "rows": [{"name": f"features, by {method}", "images": ["before.png", "after.png"]}],
        "scores": scores,
        "protocol": "Accuracy on the test split where there is one, else on all images, of a "
        "source also those that were trained on; classes of a target are used for this alone. The "
        "distance is the proxy A-distance of a linear critic.",
    }
    for name in report.accuracies:
        table = out / "results" / f"confusion-{name}.csv"
        with replacing(table) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            answers = report.answers[name]
            csv.writer(file).writerows(confusion(answers.classes, report, name))
    with replacing(out / "results" / "results.json") as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
