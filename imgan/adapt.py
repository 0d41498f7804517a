"""The whole task of domain adaptation: train, score, and a page that shows the features."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ImganError
from .files import replacing
from .recipe import DannRecipe, Recipe

if TYPE_CHECKING:
    from torch import nn

    from .evaluation.features import FeatureReport
    from .inference.classify import Classifier
    from .pipelines.dann import Dann

MOST = 500
"""Points of a domain in the plots."""


@dataclass
class Adapted:
    """`model` and `page` are files; `report` is of the chosen checkpoint, `chosen` says which."""

    model: Path
    page: Path
    chosen: str
    report: FeatureReport


def check_wanted(recipe: Recipe, plot: str) -> None:
    """Refuse, before data is fetched, what cannot be done.

    Raises:
        ImganError: the recipe is of another pipeline, or what draws the plot is not installed.
    """
    if not isinstance(recipe, DannRecipe):
        raise ImganError(
            f"recipe {recipe.name} is of {recipe.pipeline}, not of domain adaptation; train it "
            "with imgan train"
        )
    if plot == "tsne":
        from .pipelines.scatter import tsne_there

        tsne_there()


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
    check_wanted(recipe, plot)
    assert isinstance(recipe, DannRecipe)
    from .evaluation.features import FeatureReport, evaluate_features
    from .inference.classify import Classifier
    from .model_file import read_card
    from .pipelines.dann import Dann
    from .report import write_run_page
    from .training.loop import Trainer

    earlier = Classifier(before, device) if before else None  # its faults cost nothing

    def make(one: Recipe) -> Dann:
        assert isinstance(one, DannRecipe)
        return Dann(one, features)

    trainer = Trainer(recipe, folders, out, device=device, quiet=quiet, make=make)
    pipeline = trainer.pipeline
    assert isinstance(pipeline, Dann)
    main = trainer.accelerator.is_main_process
    labelled = None if recipe.data.target_labels else recipe.data.sources
    score = partial(evaluate_features, attribute=recipe.data.attribute, labelled=labelled)
    if main and (earlier or trainer.step_number == 0):
        with _untrained(pipeline, device) if earlier is None else nullcontext(earlier) as model:
            report = score(model, folders, most=MOST)
        _draw(report, plot, out / "results" / "before.png")
    file = trainer.run()
    if not main:
        return Adapted(file, out / "index.html", "", FeatureReport())
    trained = Classifier(file, device, features=features)
    report = score(trained, folders)
    _draw(report, plot, out / "results" / "after.png")
    _results(out, report, plot)
    chosen = next(iter(read_card(file).scores), "")
    return Adapted(file, write_run_page(out), chosen, report)


@contextmanager
def _untrained(pipeline: Dann, device: str | None) -> Iterator[Classifier]:
    """The networks as they are when training begins."""
    from .inference.classify import Classifier
    from .model_file import Model

    for network in pipeline.networks.values():
        network.eval()
    card = pipeline.card()
    card.data = pipeline.data_card()
    yield Classifier(Model(card, pipeline.networks), device)
    for network in pipeline.networks.values():
        network.train()


def confusion(classes: list[str], report: FeatureReport, name: str) -> list[list[Any]]:
    """How often each true class (rows) is taken for each (columns), with a head."""
    answers = report.answers[name]
    said = answers.probabilities.argmax(1)
    counts = [[0] * len(classes) for _ in classes]
    for true, guess in zip(answers.labels.tolist(), said.tolist(), strict=True):
        if true >= 0:
            counts[true][guess] += 1
    return [["", *classes], *([c, *row] for c, row in zip(classes, counts, strict=True))]


def _draw(report: FeatureReport, plot: str, file: Path) -> None:
    from PIL import Image

    from .pipelines import scatter

    points = scatter.tsne if plot == "tsne" else scatter.principal
    with replacing(file) as beside:
        Image.fromarray(scatter.of_domains(*report.some(MOST), points=points)).save(beside)


def _results(out: Path, report: FeatureReport, plot: str) -> None:
    scores: dict[str, Any] = {
        f"accuracy on {name}": f"{100 * value:.1f} % of {report.counts[name]:,}"
        for name, value in report.accuracies.items()
    }
    if report.distance is not None:
        scores["distance of the domains (0: told apart by nothing, 2: always)"] = (
            f"{report.distance:.2f}"
        )
    method = "t-SNE" if plot == "tsne" else "principal components"
    content = {
        "columns": ["before", "after"],
        "rows": [{"name": f"features, by {method}", "images": ["before.png", "after.png"]}],
        "scores": scores,
        "protocol": "Accuracy on the test split where there is one, else on val or all images, of "
        "a source also those that were trained on; classes of a target are used for this alone. "
        "The distance is the proxy A-distance of a linear critic.",
    }
    for name in report.accuracies:
        table = out / "results" / f"confusion-{name.replace('/', '_')}.csv"
        with (
            replacing(table) as beside,
            beside.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            answers = report.answers[name]
            csv.writer(file).writerows(confusion(answers.classes, report, name))
    with replacing(out / "results" / "results.json") as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
