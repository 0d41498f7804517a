"""``imgan evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ImganError
from . import app
from .data import transfers

if TYPE_CHECKING:
    from ..evaluation.evaluate import Report, Scores
    from ..evaluation.translation import TranslationReport

_TITLES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "lpips": "LPIPS", "kid": "KID x 1000"}
_DIGITS = {"psnr": 2, "ssim": 4, "lpips": 4, "kid": 2}


@app.command()
def evaluate(
    models_and_data: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... DATA",
            help="Model files, shipped names (x4-mse), 'imgan' (the shipped models at --realism) "
            "or 'bicubic'; last a folder with HR/ and LR/, or of photos. For translation models a "
            "folder or name as for training; its test images are scored.",
        ),
    ],
    scale: Annotated[
        int | None, typer.Option(min=1, max=16, help="[default: the data's, or the model's]")
    ] = None,
    border: Annotated[
        int | None, typer.Option(min=0, help="Pixels left out at each side. [default: the scale]")
    ] = None,
    realism: Annotated[
        float | None, typer.Option(help="For the model 'imgan'. [default: 0.5]")
    ] = None,
    lpips: Annotated[
        Literal["squeeze", "alex", "vgg"] | None,
        typer.Option(help="Add LPIPS with this backbone, from torchvision's cache or download."),
    ] = None,
    lpips_weights: Annotated[
        Path | None, typer.Option(help="The backbone's weights from a file. [squeeze]")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")
    ] = None,
    direction: Annotated[
        Literal["AtoB", "BtoA"] | None,
        typer.Option(help="Of translation models. [default: what they were trained on, or AtoB]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Keep the translated images in this folder."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
) -> None:
    """Score models on a folder of images: PSNR and SSIM as in the papers, beside a baseline.

    The baseline is bicubic interpolation for models that enlarge, and the input itself for models
    that translate. With LPIPS and 20 images and more, translations get a kernel distance (KID) too.
    """
    *models, data = models_and_data
    if not models:
        raise ImganError("give a model and a folder: imgan evaluate MODEL DATA")
    from rich.console import Console

    from ..data.catalogue import locate
    from ..evaluation.evaluate import evaluate as run
    from ..evaluation.translation import evaluate_translation, is_translation
    from ..files import write_json
    from ..perceptual import LpipsDistance

    translating = {is_translation(model) for model in models}
    if len(translating) == 2:
        raise ImganError("these models do different work: some enlarge and some translate")
    if translating == {False} and (direction or out):
        raise ImganError("--direction and --out are for translation models")
    distance = LpipsDistance(lpips or "squeeze", lpips_weights) if lpips or lpips_weights else None
    if translating == {True}:
        if scale or border is not None or realism is not None:
            raise ImganError("--scale, --border and --realism are for models that enlarge")
        with transfers(data) as progress:
            folder = locate(data, progress)
        with Console(stderr=True).status("") as status:
            found = evaluate_translation(
                models,
                [folder],
                direction=direction,
                out=out,
                lpips=distance,
                device=device,
                precision=precision,
                progress=lambda model, i, n: status.update(f"{model}: image {i + 1} of {n}"),
            )
        _show_translation(found)
        if json_file:
            write_json(json_file, found.to_dict())
        return
    with Console(stderr=True).status("") as status:
        report = run(
            models,
            Path(data),
            scale,
            border=border,
            realism=realism,
            lpips=distance,
            device=device,
            precision=precision,
            progress=lambda model, i, count: status.update(f"{model}: image {i + 1} of {count}"),
        )
    _show(report)
    if json_file:
        write_json(json_file, report.to_dict())


def _show(report: Report) -> None:
    """A table an image for each model, then one of the means, then how they were measured."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    baseline, *others = report.models
    for scores in others or [baseline]:
        table = Table(title=scores.model)
        table.add_column("image", overflow="fold")
        _columns(table, scores)
        for name, row in scores.images.items():
            table.add_row(name, *_cells(row))
        console.print(table)
    table = Table(title=f"mean of {len(baseline.images)} images")
    table.add_column("model", overflow="fold")
    _columns(table, baseline)
    for scores in report.models:
        table.add_row(scores.model, *_cells(scores.mean))
    console.print(table)
    for line in report.protocol:
        console.print(line, highlight=False, markup=False)
    if "lpips" not in baseline.mean:
        console.print(
            "no LPIPS: --lpips squeeze, and --lpips-weights FILE where there is no network",
            highlight=False,
        )


def _show_translation(report: TranslationReport) -> None:
    """A table of the means, then how they were measured; each image's scores go to --json."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    means = report.means()
    metrics = list(dict.fromkeys(metric for row in means.values() for metric in row))
    table = Table(title=report.direction)
    table.add_column("model", overflow="fold")
    for metric in metrics:
        table.add_column(_TITLES[metric], justify="right")
    for model, row in means.items():
        table.add_row(model, *(f"{row[m]:.{_DIGITS[m]}f}" if m in row else "" for m in metrics))
    console.print(table)
    for line in report.protocol:
        console.print(line, highlight=False, markup=False)


def _columns(table: object, scores: Scores) -> None:
    from rich.table import Table

    assert isinstance(table, Table)
    for metric in scores.mean:
        table.add_column(_TITLES[metric], justify="right")


def _cells(row: dict[str, float]) -> list[str]:
    return [f"{value:.{_DIGITS[metric]}f}" for metric, value in row.items()]
