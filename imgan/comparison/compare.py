"""The whole comparison: train the arms alike, score them on the same images, say what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import ImganError
from ..model_file import read_card
from ..pipelines import make_pipeline
from ..recipe import load_recipe, published
from ..report import curves
from ..report.run_charts import domains_of, run_charts
from ..training.run_folder import RunFolder
from .arms import Planned, plan
from .result import Arm, Comparison
from .runs import Run, keep_data, train_all
from .scoring import AS_USUAL, Progress, Scoring, check_scoring, eyes_of, scored
from .splits import named, parts
from .verdict import verdict

Say = Callable[[str], None]


def compare(
    recipe: str | Path,
    data: Sequence[Path],
    out: Path,
    *,
    changes: Sequence[str] = (),
    arms: Sequence[str] = (),
    seeds: int = 1,
    test: Sequence[Path] = (),
    scoring: Scoring = AS_USUAL,
    devices: Sequence[str] = ("auto",),
    say: Say = lambda text: None,
    progress: Progress = lambda done, count: None,
) -> Comparison:
    """Train every arm with every seed, or find that it is done, and score them.

    All arms of a seed start from the same generator's weights, see the same data in the same order,
    and take the same number of steps.

    Args:
        recipe: a file or a shipped name; it has an adversary, or an arm of that name.
        data: as for `imgan train`.
        out: the folder; ``runs/`` in it holds a run for every arm and seed.
        changes: ``key=value``, for all arms.
        arms: to be trained beside the twins, see `imgan.comparison.arms.plan`.
        seeds: that of the recipe and the ones after it.
        test: data to score on; by default what training holds out of `data`.
        scoring: see there.
        devices: several train runs side by side.
        say: takes lines on how it goes.
        progress: called with the test images done and their number.

    Raises:
        ImganError: the recipe, an arm or the data cannot be used.
        Stopped: Ctrl-C; what is done stays, and the same call goes on.
    """
    planned = plan(recipe, changes, arms)
    base = load_recipe(recipe, changes)
    check_scoring(base.pipeline, scoring)
    if base.pipeline == "pix2pix" and scoring.direction not in (None, base.direction):
        raise ImganError(
            f"the arms are trained to go {base.direction}; leave out --direction "
            f"{scoring.direction}, or change the recipe's (--set direction={scoring.direction})"
        )
    chosen = parts(base, data, test, seeds)
    numbers = range(base.seed, base.seed + seeds)
    runs = {
        (arm.name, seed): Run(
            arm.name, seed, arm.recipe(seed - base.seed), out / "runs" / f"{arm.name}-{seed}"
        )
        for seed in numbers
        for arm in planned
    }
    eyes = None if base.pipeline == "dann" else eyes_of(scoring)  # its faults cost nothing
    for arm in planned:  # such as weights that cannot be had: found before the first arm is trained
        make_pipeline(arm.recipe(0))
    keep_data(out / "data.json", chosen.train, list(runs.values()))
    train_all(list(runs.values()), chosen.train, devices, say)
    say("scoring")
    models = {key: run.model for key, run in runs.items()}
    kinds = [_trained(arm, [runs[arm.name, seed] for seed in numbers], out) for arm in planned]
    found = scored(base.pipeline, kinds, models, chosen, scoring, eyes, progress)
    found.name, found.seeds = base.name, list(numbers)
    found.data = named(data)
    found.recipe = published(base)
    found.data_card = read_card(next(iter(models.values()))).data
    found.seconds = sum(sum(arm.seconds) for arm in found.arms)
    found.verdict = verdict(found)
    return found


def _trained(arm: Planned, runs: Sequence[Run], out: Path) -> Arm:
    """An arm with what its runs have logged."""
    seconds, warnings = [], []
    for run in runs:
        rows = curves.read_rows(RunFolder(run.folder).metrics)
        train = run.recipe.train
        seconds.append(curves.seconds(rows, train.batch * train.steps))
        warnings += [text for _, text in curves.warnings(rows)]
    first = runs[0]
    rows = curves.read_rows(RunFolder(first.folder).metrics)
    adversary = first.recipe.adversary
    about = arm.about
    if adversary and adversary.critic_moves > 1:  # as many steps are not as many moves
        about += f"; the generator moves in one of {adversary.critic_moves} steps"
    return Arm(
        arm.name,
        arm.title,
        arm.kind,
        about,
        arm.changes,
        seconds=seconds,
        steps=first.recipe.train.steps,
        runs=[run.folder.relative_to(out).as_posix() for run in runs],
        charts=run_charts(rows, first.recipe.model_dump(mode="json"), domains_of(first.folder)),
        warnings=list(dict.fromkeys(warnings)),
    )
