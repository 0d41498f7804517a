"""Whole tasks, made of the rooms: from a recipe and the name of a data set to a page to look at."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import ImganError
from .files import replacing
from .recipe import CycleGANRecipe, Pix2PixRecipe, Recipe

Progress = Callable[[str, int, int], None]


def run_folder(recipe: Recipe, data: Sequence[str | Path]) -> Path:
    """Where a task's run lies by default: ``runs/RECIPE-DATA`` here."""
    names = "-".join(Path(name).name for name in data)
    return Path("runs") / f"{recipe.name}-{names}"


def translate_with_recipe(
    recipe: Recipe,
    folders: Sequence[Path],
    out: Path,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train, or go on, or find that it is done; translate the held-out images; write the page.

    Args:
        recipe: of Pix2Pix or CycleGAN.
        folders: the data, see `imgan.data.layouts`.
        out: the run's folder; ``results/`` in it holds the translated images.
        device: see `imgan.inference.device.choose`.
        progress: called with direction, image's number and count before each image.

    Returns:
        The page, ``out/index.html``.

    Raises:
        ImganError: the recipe is not one of translation, or the data cannot be used.
    """
    if not isinstance(recipe, Pix2PixRecipe | CycleGANRecipe):
        raise ImganError(
            f"recipe {recipe.name} is of {recipe.pipeline}, not of translation; train it with "
            "imgan train"
        )
    from .evaluation.translation import evaluate_translation
    from .report import write_run_page
    from .training.loop import Trainer

    trainer = Trainer(recipe, folders, out, device=device)
    main = trainer.accelerator.is_main_process
    model = trainer.run()
    if not main:
        return out / "index.html"
    asked: str = recipe.direction if isinstance(recipe, Pix2PixRecipe) else recipe.directions
    directions = ["AtoB", "BtoA"] if asked == "both" else [asked]
    results: dict[str, Any] = {"columns": [], "rows": [], "scores": {}}
    for direction in directions:

        def translated(model: str, done: int, count: int, direction: str = direction) -> None:
            if progress:
                progress(direction, done, count)

        folder = out / "results" / direction
        report = evaluate_translation(
            [model],
            folders,
            direction=direction,
            out=folder,
            device=device,
            progress=translated,
        )
        _join(results, json.loads((folder / "results.json").read_text()), direction)
        results["scores"] |= {f"{direction} {k}": v for k, v in report.means().items()}
    with replacing(out / "results" / "results.json") as beside:
        beside.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return write_run_page(out)


def _join(results: dict[str, Any], part: dict[str, Any], direction: str) -> None:
    """Add the results of one direction to those of all."""
    results["columns"] = part["columns"]
    results["protocol"] = part["protocol"]
    for row in part["rows"]:
        images = [f"{direction}/{image}" for image in row["images"]]
        results["rows"].append({"name": f"{row['name']} {direction}", "images": images})
