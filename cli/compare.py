"""``imgan compare``: MSE against adversarial."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ImganError
from . import app
from .data import located

if TYPE_CHECKING:
    from ..comparison.result import Arm, Comparison, Metric

WIDE = 160
"""Columns of the table where it goes to a file."""


@app.command()
def compare(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE DATA...",
            help="A recipe with an adversary, then its data as for training: folders, or names of "
            "data sets. With --models: model files or shipped names, then the data to score on.",
        ),
    ],
    models: Annotated[
        bool, typer.Option("--models", help="Compare models that are there; nothing is trained.")
    ] = False,
    arm: Annotated[
        list[str],
        typer.Option(
            help="Another arm beside the twins: l1, hinge, least-squares, wgan-gp, r1, dragan and "
            "more, or one of the recipe's own; repeat."
        ),
    ] = [],  # noqa: B006  (typer copies it)
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds; figures get a spread.")] = 1,
    set_: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all arms; repeat."),
    ] = [],  # noqa: B006
    test: Annotated[
        list[str],
        typer.Option(help="Data to score on; repeat. [default: what training holds out]"),
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder. [default: runs/compare-RECIPE-DATA]"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Insist on going on with a comparison in --out.")
    ] = False,
    direction: Annotated[
        Literal["AtoB", "BtoA"] | None,
        typer.Option(help="Of translation. [default: the recipe's, or AtoB]"),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16, help="Of clips: pixels of the shorter side. [default: as in training]"
        ),
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Frames ahead. [default: 8; of digits 10]")
    ] = None,
    lpips: Annotated[
        Literal["squeeze", "alex", "vgg", "none"] | None,
        typer.Option(help="LPIPS' backbone. [default: squeeze, if its weights can be had]"),
    ] = None,
    lpips_weights: Annotated[
        Path | None, typer.Option(help="The backbone's weights from a file.")
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="FID and KID on Inception, with torch-fidelity's weights from a file."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw it as one picture, too.")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the figures here, too."),
    ] = None,
    device: Annotated[
        list[str],
        typer.Option(
            help="auto, cpu, cuda, cuda:1 or mps; several train arms side by side. [default: all "
            "GPUs, else auto]"
        ),
    ] = [],  # noqa: B006
    precision: Annotated[
        Literal["auto", "float32", "bf16"], typer.Option(help="Of scoring.")
    ] = "auto",
) -> None:
    """Train the twins of a recipe alike, score both on the same images, and write a page.

    imgan compare pix2pix-quick my_pairs/ trains two arms from the same first weights, on the same
    data in the same order, for as many steps: mse (squared error, no critic) and adversarial (the
    recipe as it is), and any --arm beside them. OUT/index.html is one file that shows what was
    found, OUT/comparison.json has every figure. Ctrl-C keeps what is done; the same command goes
    on.
    """
    if len(what) < 2:
        raise ImganError(
            "give models and the data to score them on: imgan compare --models A B DATA"
            if models
            else "give a recipe and its data: imgan compare RECIPE DATA"
        )
    if models and (arm or set_ or test or resume or seeds > 1):
        raise ImganError("--arm, --seeds, --set, --test and --resume train; leave out --models")
    if lpips_weights and lpips == "none":
        raise ImganError("--lpips none leaves LPIPS out and --lpips-weights is for it; give one")
    place = out or Path("runs") / _folder(what, models)
    if resume and not (place / "runs").is_dir():
        raise ImganError(f"there is no comparison in {place} to resume; leave --resume out")
    if not models:
        from ..comparison.arms import plan

        plan(what[0], set_, arm)  # its faults cost nothing, not even the import of torch
    first = _models(what) if models else 1
    data = [located(one) for one in what[first:]]
    from ..comparison.compare import compare as run
    from ..comparison.models import compare_models
    from ..comparison.scoring import Scoring

    scoring = Scoring(
        None if lpips == "none" else lpips or "squeeze",
        lpips_weights,
        inception,
        insist=lpips not in (None, "none") or lpips_weights is not None,
        direction=direction,
        horizon=horizon,
        size=size,
        device=device[0] if device else None,
        precision=precision,
    )
    progress = _Scored()
    if models:
        found = compare_models(what[:first], data, scoring=scoring, progress=progress)
    else:
        found = run(
            what[0],
            data,
            place,
            changes=set_,
            arms=arm,
            seeds=seeds,
            test=[located(one) for one in test],
            scoring=scoring,
            devices=device or _all_gpus(),
            say=lambda line: typer.echo(line, err=True),
            progress=progress,
        )
    _write(found, place, figure, json_file)
    _show(found)
    typer.echo(place / "index.html")


def _folder(what: list[str], models: bool) -> str:
    names = [Path(name).name.removesuffix(".yaml") for name in what]
    if models:
        from ..shipped import labels

        first = _models(what)
        names = [*labels(what[:first]), *names[first:]]
    return "-".join(["compare", *names])[:100]  # of photos one by one there may be hundreds


def _models(what: list[str]) -> int:
    """How many of the words are models; the rest, the last one at least, is data."""
    from ..shipped import shipped_models

    known = [word in shipped_models() or word.endswith((".safetensors", ".pth")) for word in what]
    rest = [*known[1:-1], False].index(False) + 1
    return rest if any(known) else len(what) - 1


def _all_gpus() -> list[str]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"cuda:{i}" for i in range(count)] if count > 1 else ["auto"]


class _Scored:
    """A line every ten seconds on how far scoring is."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, done: int, count: int | None) -> None:
        if time.monotonic() - self._told > 10:
            self._told = time.monotonic()
            of = f" of {count}" if count else ""
            typer.echo(f"scoring test image {done + 1}{of}", err=True)


def _write(found: Comparison, place: Path, figure: Path | None, json_file: Path | None) -> None:
    from ..files import replacing
    from ..report.comparison_figure import write_comparison_figure
    from ..report.comparison_page import write_comparison_page

    text = json.dumps(found.to_dict(), indent=1) + "\n"
    try:
        for file in [place / "comparison.json", *([json_file] if json_file else [])]:
            with replacing(file) as beside:
                beside.write_text(text, encoding="utf-8")
        write_comparison_page(found, place / "index.html")
        if figure:
            write_comparison_figure(found, figure)
    except OSError as error:
        raise ImganError(
            f"{error.filename or place} cannot be written ({error.strerror or error}); the same "
            "command with another place writes it, and trains nothing again"
        ) from None


def _show(found: Comparison) -> None:
    """The verdict, a row an arm, and what was scored."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDE)
    for sentence in found.verdict:
        console.print(sentence, highlight=False, markup=False)
    table = Table()
    table.add_column("arm", overflow="fold")
    for metric in found.metrics:
        table.add_column(metric.title, justify="right")
    for one in found.arms:
        table.add_row(escape(one.title), *(_cell(one, metric) for metric in found.metrics))
    console.print(table)
    for line in found.protocol:
        if line == found.protocol[0] or line.startswith("no LPIPS"):
            console.print(line, highlight=False, markup=False)


def _cell(arm: Arm, metric: Metric) -> str:
    mean, spread = arm.mean(metric.key), arm.spread(metric.key)
    if mean is None:
        return ""
    text = f"{mean:.{metric.digits}f}"
    return text if spread is None else f"{text} +- {spread:.{metric.digits}f}"
