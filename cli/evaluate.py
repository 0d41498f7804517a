"""``imgan evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ImganError
from . import app
from .data import located

if TYPE_CHECKING:
    from ..evaluation.evaluate import Report, Scores
    from ..evaluation.nextframe import FrameReport
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
            "folder or name as for training; its test images are scored. For models of next frames "
            "a folder of clips, or a file of digits for moving digits. For models of classes "
            "images with classes.",
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
    restore: Annotated[
        bool, typer.Option("--restore", help="For the model 'imgan': as imgan upscale --restore.")
    ] = False,
    jpeg: Annotated[
        int | None,
        typer.Option(metavar="QUALITY", help="Compress what is enlarged first, to such a JPEG."),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(help="Add noise to what is enlarged first: deviation in grey levels."),
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
    horizon: Annotated[
        int | None,
        typer.Option(help="Of next frames: how many ahead. [default: 8, of moving digits 10]"),
    ] = None,
    sequences: Annotated[
        int | None, typer.Option(help="Of moving digits: how many. [default: 1000]")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Of clips: pixels of the shorter side. [default: as in training]"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
) -> None:
    """Score models on a folder of images: PSNR and SSIM as in the papers, beside a baseline.

    The baseline is bicubic interpolation for models that enlarge, the input itself for models that
    translate, and a copy of the last frame for models of next frames. With LPIPS and 20 images and
    more, translations get a kernel distance (KID) too. Next frames are scored by how far ahead they
    lie, over all pixels and over moving ones, with their sharpness.
    """
    *models, data = models_and_data
    if not models:
        raise ImganError("give a model and a folder: imgan evaluate MODEL DATA")
    from rich.console import Console
    from rich.markup import escape

    from ..data.damage import Damage
    from ..evaluation.evaluate import evaluate as run
    from ..evaluation.features import is_classifier
    from ..evaluation.frame_windows import SEQUENCES
    from ..evaluation.nextframe import evaluate_nextframe, is_nextframe
    from ..evaluation.translation import evaluate_translation, is_translation
    from ..files import write_json
    from ..perceptual import LpipsDistance

    works = {
        "predict frames"
        if is_nextframe(model)
        else "tell classes"
        if is_classifier(model)
        else "translate"
        if is_translation(model)
        else "enlarge"
        for model in models
    }
    if len(works) > 1:
        some = " and ".join(f"some {work}" for work in sorted(works))
        raise ImganError(f"these models do different work: {some}")
    if works != {"translate"} and (direction or out):
        raise ImganError("--direction and --out are for translation models")
    enlarging = [scale, border, realism, restore or None, jpeg, noise]
    if works != {"enlarge"} and any(setting is not None for setting in enlarging):
        raise ImganError(
            "--scale, --border, --realism, --restore, --jpeg and --noise are for models that "
            "enlarge"
        )
    if works != {"predict frames"} and any(n is not None for n in (horizon, sequences, size)):
        raise ImganError("--horizon, --sequences and --size are for models of next frames")
    if works == {"tell classes"}:
        if lpips or lpips_weights:
            raise ImganError("--lpips and --lpips-weights are for models that make images")
        _evaluate_classes(models, data, located(data), json_file, device, precision)
        return
    distance = LpipsDistance(lpips or "squeeze", lpips_weights) if lpips or lpips_weights else None
    # What enlarging is scored on (HR and LR, or photos) has no name in the catalogue.
    folder = Path(data) if works == {"enlarge"} else located(data)
    if works == {"predict frames"}:
        with Console(stderr=True).status(escape(f"{data}: reading the clips")) as status:
            frames = evaluate_nextframe(
                models,
                [folder],
                horizon,
                sequences=SEQUENCES if sequences is None else sequences,
                size=size,
                lpips=distance,
                device=device,
                precision=precision,
                progress=lambda clip, count: status.update(escape(f"{clip}: window {count}")),
            )
        _show_frames(frames)
        if json_file:
            write_json(json_file, frames.to_dict())
        return
    if works == {"translate"}:
        with Console(stderr=True).status("") as status:
            found = evaluate_translation(
                models,
                [folder],
                direction=direction,
                out=out,
                lpips=distance,
                device=device,
                precision=precision,
                progress=lambda *at: status.update(_image(*at)),
            )
        _show_translation(found)
        if json_file:
            write_json(json_file, found.to_dict())
        return
    with Console(stderr=True).status("") as status:
        report = run(
            models,
            folder,
            scale,
            border=border,
            realism=realism,
            restore=restore,
            damage=Damage(noise or 0.0, jpeg),
            lpips=distance,
            device=device,
            precision=precision,
            progress=lambda *at: status.update(_image(*at)),
        )
    _show(report)
    if json_file:
        write_json(json_file, report.to_dict())


def _image(model: str, index: int, count: int) -> str:
    """Where the work is, for a console that reads [brackets]."""
    from rich.markup import escape

    return escape(f"{model}: image {index + 1} of {count}")


def _evaluate_classes(
    models: list[str],
    data: str,
    folder: Path,
    json_file: Path | None,
    device: str,
    precision: str,
) -> None:
    """The share of right answers of each model."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..evaluation.features import evaluate_features
    from ..files import write_json
    from ..inference.classify import Classifier
    from ..model_file import read_card

    table = Table(title=escape(data))
    for column in ("model", "right answers", "of images"):
        table.add_column(column, overflow="fold", justify="left" if column == "model" else "right")
    found = {}
    for model in models:
        precise = "float32" if precision == "auto" else precision
        report = evaluate_features(Classifier(model, device, precise), [folder], [data])
        if data not in report.accuracies:
            own = ", ".join(read_card(Path(model)).data.get("classes", ()))
            raise ImganError(
                f"{data} has none of the classes that {model} knows ({own}); give a folder a class"
            )
        found[model] = {"accuracy": report.accuracies[data], "images": report.counts[data]}
        table.add_row(escape(model), f"{report.accuracies[data]:.2%}", str(report.counts[data]))
    Console().print(table)
    if json_file:
        write_json(json_file, {"data": data, "models": found})


def _show(report: Report) -> None:
    """A table an image for each model, then one of the means, then how they were measured."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    baseline, *others = report.models
    for scores in others or [baseline]:
        table = Table(title=escape(_label(scores)))
        table.add_column("image", overflow="fold")
        _columns(table, scores)
        for name, row in scores.images.items():
            table.add_row(escape(name), *_cells(row))
        console.print(table)
    table = Table(title=f"mean of {len(baseline.images)} images")
    table.add_column("model", overflow="fold")
    _columns(table, baseline)
    for scores in report.models:
        table.add_row(escape(_label(scores)), *_cells(scores.mean))
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
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    means = report.means()
    metrics = list(dict.fromkeys(metric for row in means.values() for metric in row))
    table = Table(title=escape(report.direction))
    table.add_column("model", overflow="fold")
    for metric in metrics:
        table.add_column(_TITLES[metric], justify="right")
    for model, row in means.items():
        cells = (f"{row[m]:.{_DIGITS[m]}f}" if m in row else "" for m in metrics)
        table.add_row(escape(model), *cells)
    console.print(table)
    for line in report.protocol:
        console.print(line, highlight=False, markup=False)


def _show_frames(report: FrameReport) -> None:
    """A table over all pixels and one over moving ones, then how they were measured.

    Each has a row for each model at each horizon, and for the mean of them.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..evaluation.frames import METRICS
    from ..shipped import labels

    console = Console()
    copy, *models = report.models
    names = dict(zip(report.models, [copy, *labels(models)], strict=True))
    means = {model: report.mean(model) for model in report.models}
    blocks = [
        (f"+{k + 1}", {model: rows[k] for model, rows in report.models.items()})
        for k in range(report.horizon)
    ]
    for moving, where in ((False, "all pixels"), (True, "moving pixels")):
        shown = [
            metric
            for metric in METRICS
            if metric.endswith("_moving") == moving and any(metric in row for row in means.values())
        ]
        if not shown:
            continue
        table = Table(title=f"over {where}, by frames ahead")
        table.add_column("ahead", justify="right")
        table.add_column("model", overflow="fold")
        for metric in shown:
            table.add_column(METRICS[metric].title, justify="right", no_wrap=True)
        for ahead, block in [*blocks, ("mean", means)]:
            for model, row in block.items():
                cells = (f"{row[m]:.{METRICS[m].digits}f}" if m in row else "" for m in shown)
                table.add_row(ahead if model == copy else "", escape(names[model]), *cells)
            table.add_section()
        console.print(table)
    for line in [*report.protocol, *report.verdicts]:
        console.print(line, highlight=False, markup=False)
    if not any("lpips" in row for row in means.values()):
        console.print(
            "no LPIPS: --lpips squeeze, and --lpips-weights FILE where there is no network",
            highlight=False,
        )


def _label(scores: Scores) -> str:
    """The model as it was named; of the shipped twins, in which setting they were."""
    from ..evaluation.evaluate import TWINS

    return scores.card_name if scores.model == TWINS else scores.model


def _columns(table: object, scores: Scores) -> None:
    from rich.table import Table

    assert isinstance(table, Table)
    for metric in scores.mean:
        table.add_column(_TITLES[metric], justify="right")


def _cells(row: dict[str, float]) -> list[str]:
    return [f"{value:.{_DIGITS[metric]}f}" for metric, value in row.items()]
