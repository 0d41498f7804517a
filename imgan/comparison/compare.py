"""The whole comparison: train the arms alike, score them on the same images, say what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ImganError
from ..inference.device import choose
from ..machine import hardware, versions
from ..model_file import Card, read_card
from ..perceptual import Backbone
from ..pipelines import make_pipeline
from ..recipe import load_recipe, published
from ..report import curves
from ..report.run_charts import domains_of, run_charts
from ..report.words import flat, spoken
from ..shipped import labels, resolve
from ..training.run_folder import RunFolder
from .arms import Planned, plan
from .eyes import Eyes
from .features import compare_features
from .judge import Judge
from .judged import judge
from .judges import Frames, SuperResolution, Translation
from .result import TAKEN, Arm, Comparison, Kind, Metric
from .runs import Run, keep_data, train_all
from .splits import HELD_OUT, Parts, named, parts
from .verdict import verdict

Say = Callable[[str], None]
Progress = Callable[[int, int | None], None]

_WHAT = {
    "srgan": "Enlarging photos",
    "pix2pix": "Image translation, learned from pairs",
    "cyclegan": "Image translation, learned without pairs",
    "nextframe": "The next frames of clips",
    "dann": "Features that hold in another domain",
}


@dataclass(frozen=True)
class Scoring:
    """How models are scored.

    Attributes:
        lpips: a backbone, or None.
        lpips_weights, inception: local files of weights, see `Eyes`.
        insist: LPIPS was asked for by name.
        direction: of translation, as for `imgan translate`.
        horizon: frames ahead.
        device, precision: see `imgan.inference.device.choose`.
    """

    lpips: Backbone | None = "squeeze"
    lpips_weights: Path | None = None
    inception: Path | None = None
    insist: bool = False
    direction: str | None = None
    horizon: int | None = None
    size: int | None = None
    device: str | None = None
    precision: str = "auto"


def compare(
    recipe: str | Path,
    data: Sequence[Path],
    out: Path,
    *,
    changes: Sequence[str] = (),
    arms: Sequence[str] = (),
    seeds: int = 1,
    test: Sequence[Path] = (),
    scoring: Scoring = Scoring(),
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
    _check_scoring(base.pipeline, scoring)
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
    eyes = None if base.pipeline == "dann" else _eyes(scoring)  # its faults cost nothing
    for arm in planned:  # such as weights that cannot be had: found before the first arm is trained
        make_pipeline(arm.recipe(0))
    keep_data(out / "data.json", chosen.train, list(runs.values()))
    train_all(list(runs.values()), chosen.train, devices, say)
    say("scoring")
    models = {key: run.model for key, run in runs.items()}
    kinds = [_trained(arm, [runs[arm.name, seed] for seed in numbers], out) for arm in planned]
    found = _scored(base.pipeline, kinds, models, chosen, scoring, eyes, progress)
    found.name, found.seeds = base.name, list(numbers)
    found.data = named(data)
    found.recipe = published(base)
    found.data_card = read_card(next(iter(models.values()))).data
    found.seconds = sum(sum(arm.seconds) for arm in found.arms)
    found.verdict = verdict(found)
    return found


def compare_models(
    models: Sequence[str],
    data: Sequence[Path],
    *,
    scoring: Scoring = Scoring(),
    progress: Progress = lambda done, count: None,
) -> Comparison:
    """Score models that are there, beside each other.

    Args:
        models: files or shipped names, of one pipeline.
        data: to score on: the images that training held out are taken, see `imgan evaluate`.
        scoring, progress: see `compare`.

    Raises:
        ImganError: a model or the data cannot be used, or the models are of several pipelines.
    """
    paths = [resolve(model) for model in models]
    cards = [read_card(path) for path in paths]
    pipelines = list(dict.fromkeys(card.pipeline for card in cards))
    if len(pipelines) > 1:
        raise ImganError(
            f"these models are of {' and '.join(pipelines)}; only those of one pipeline compare"
        )
    _check_scoring(pipelines[0], scoring)
    plain = labels(models)
    names = [f"{name} (model)" if name in TAKEN else name for name in plain]
    arms = [
        _there(name, card, cards[0], kind)
        for name, card, kind in zip(names, cards, _kinds(cards, plain), strict=True)
    ]
    keys = {(name, 0): path for name, path in zip(names, paths, strict=True)}
    eyes = None if pipelines[0] == "dann" else _eyes(scoring)
    chosen = Parts(train=[], test=list(data), about=named(data))
    found = _scored(pipelines[0], arms, keys, chosen, scoring, eyes, progress)
    found.name = " and ".join(names)
    found.data = "; ".join(dict.fromkeys(_trained_on(card) for card in cards))
    found.recipe, found.data_card = cards[0].recipe, cards[0].data
    found.verdict = verdict(found)
    return found


def _check_scoring(pipeline: str, scoring: Scoring) -> None:
    """Refuse options of other pipelines."""
    translates = pipeline in ("pix2pix", "cyclegan")
    if scoring.direction is not None and not translates:
        raise ImganError(f"--direction is for translation, and these are of {pipeline}")
    for name in ("horizon", "size"):
        if getattr(scoring, name) is not None and pipeline != "nextframe":
            raise ImganError(f"--{name} is for next frames, and these are of {pipeline}")


# -- scoring -------------------------------------------------------------------------------------


def _scored(
    pipeline: str,
    arms: list[Arm],
    models: Mapping[tuple[str, int], Path],
    chosen: Parts,
    scoring: Scoring,
    eyes: Eyes | None,
    progress: Progress,
) -> Comparison:
    """The figures of all models into their arms, and everything that is shown of them."""
    device, dtype = choose(scoring.device, scoring.precision)
    found = Comparison(
        name="",
        what=_WHAT[pipeline],
        pipeline=pipeline,
        data="",
        test=chosen.about,
        seeds=[],
        arms=arms,
        metrics=[],
        protocol=[],
        versions=versions(),
        hardware=hardware(str(device)),
    )
    if eyes is None:
        compare_features(found, models, chosen.test, scoring.device, scoring.precision)
        return found
    scored = f"scored on {device} in {str(dtype).removeprefix('torch.')}"
    subjects = {f"{name} {seed}": path for (name, seed), path in models.items()}
    judging = _judge(pipeline, subjects, chosen, scoring)
    if chosen.about == HELD_OUT and not judging.held_out:
        found.test = "the images of training: none of so few were held out"
    first = {arm.name: next(f"{n} {s}" for n, s in models if n == arm.name) for arm in arms}
    titles = {first[arm.name]: arm.title for arm in arms}
    if base := judging.baseline:
        titles = {base.name: base.title} | titles
    mse, game = found.of_kind("mse"), found.of_kind("adversarial")
    rivals = (mse, game) if mse and game else (arms[0], arms[-1])
    names = (first[rivals[0].name], first[rivals[1].name])
    result = judge(judging, eyes, titles, names if names[0] != names[1] else None, progress)
    for arm in arms:
        for name, seed in models:
            if name == arm.name:
                for key, value in result.figures[f"{name} {seed}"].items():
                    arm.figures.setdefault(key, []).append(value)
    if base:
        figures = {key: [value] for key, value in result.figures[base.name].items()}
        found.arms = [Arm(base.name, base.title, "baseline", base.about, figures=figures), *arms]
    renamed = {subject: name for name, subject in first.items()}
    for row in [*result.rows, *result.crops]:
        for pane in row.panes:
            pane.subject = renamed.get(pane.subject, pane.subject)
    if result.spectra:
        for lines in (result.spectra.power, result.spectra.residual):
            _rename(lines, renamed)
    for horizon in result.horizons:
        _rename(horizon.lines, renamed)
    found.metrics, found.protocol = result.metrics, [*result.protocol, scored]
    found.spectra, found.horizons = result.spectra, result.horizons
    found.rows, found.crops, found.crop_rule = result.rows, result.crops, result.crop_rule
    found.tested = result.count
    found.plane = _plane(found.metrics)
    return found


def _judge(pipeline: str, models: Mapping[str, Path], chosen: Parts, scoring: Scoring) -> Judge:
    test, device, precision = chosen.test, scoring.device, scoring.precision
    if pipeline == "srgan":
        return SuperResolution(models, test, device, precision)
    if pipeline == "nextframe":
        return Frames(models, test, device, precision, scoring.horizon, scoring.size)
    return Translation(models, test, device, precision, scoring.direction, chosen.own)


def _plane(metrics: Sequence[Metric]) -> tuple[str, str] | None:
    """PSNR against the best perceptual distance that there is."""
    known = [metric.key for metric in metrics]
    seen = [key for key in ("lpips", "dists", "spectrum") if key in known]
    return ("psnr", seen[0]) if "psnr" in known and seen else None


def _eyes(scoring: Scoring) -> Eyes:
    device, _ = choose(scoring.device, "float32")
    return Eyes(scoring.lpips, scoring.lpips_weights, scoring.inception, scoring.insist, device)


# -- arms ----------------------------------------------------------------------------------------


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


def _kinds(cards: Sequence[Card], names: Sequence[str]) -> list[Kind]:
    """Which twin each model is, if one.

    A mean of which a part is compared, too, and is the other twin, stands between the two: it is
    none. Parts of parts are not looked for.
    """
    kinds = [_kind(card) for card in cards]
    known = dict(zip(names, kinds, strict=True))
    return [
        "other" if any(known.get(part, kind) != kind for part in card.mean_of) else kind
        for card, kind in zip(cards, kinds, strict=True)
    ]


def _kind(card: Card) -> Kind:
    if card.cost == "source only":
        return "other"
    return "adversarial" if card.recipe.get("adversary") or card.cost == "adversarial" else "mse"


def _there(name: str, card: Card, first: Card, kind: Kind) -> Arm:
    """A model as an arm: what its card says of it, and how its recipe is not the first one's."""
    own, shared = (flat(one.recipe) for one in (card, first))
    changes = [
        f"{key}={spoken(own.get(key))}"
        for key in own | shared
        if own.get(key) != shared.get(key) and key not in ("name", "licence", "notes")
    ]
    rows: list[dict[str, Any]] = [dict(row) for row in card.log]
    about = "trained with an adversary" if card.cost == "adversarial" else f"trained on {card.cost}"
    about = card.parts or f"{about}, {card.steps:,} steps"
    return Arm(
        name,
        name,
        kind,
        about,
        tuple(changes),
        cost=card.cost,
        steps=card.steps,
        charts=run_charts(rows, card.recipe, card.data.get("domains", [])),
    )


def _trained_on(card: Card) -> str:
    """The data's name, or its folders, or how much it was."""
    data = card.data
    places = data.get("folders") or data.get("domains")
    if isinstance(places, list):
        return ", ".join(map(str, places))
    counts = [f"{data[key]} {key}" for key in ("photos", "pairs", "clips") if key in data]
    return str(data.get("name") or ", ".join(counts) or "data that its card does not name")


def _rename(lines: dict[str, list[float]], names: Mapping[str, str]) -> None:
    for subject in list(lines):
        lines[names.get(subject, subject)] = lines.pop(subject)
