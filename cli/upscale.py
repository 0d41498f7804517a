"""``imgan upscale``: make images larger."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ImganError, Stopped
from . import app

if TYPE_CHECKING:
    from ..inference.batch import Job
    from ..inference.target import Target
    from ..inference.upscale import Upscaler

Report = Callable[[int, int], None]


@app.command()
def upscale(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Files, folders, patterns, or - .")
    ],
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", help="A folder, a file, or - ; by default beside each image."),
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Any factor up to 16. [default: 4, or the model's]")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Width in pixels, instead of --scale.")] = None,
    height: Annotated[int | None, typer.Option(help="Height in pixels.")] = None,
    fit: Annotated[
        str,
        typer.Option(help="With width and height: inside or outside the box, or stretch to it."),
    ] = "inside",
    realism: Annotated[
        float | None,
        typer.Option(
            help="0: only what the pixels tell; 1: detail that looks real. [default: 0.5]"
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A shipped name (x4-mse), or a model file instead.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="png, jpg, webp, tiff, avif or gif. [default: each image's own, or png]"),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="For jpg (95), webp (90; 100 is lossless), avif (85). JPEG has no alpha: white.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that exist.")
    ] = False,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Mean over flips and turns: 8 times slower, slightly better."),
    ] = False,
    tile: Annotated[
        int, typer.Option(help="Side of the tiles; less takes less memory, the result is the same.")
    ] = 340,
    batch: Annotated[int, typer.Option(help="Tiles at once; more may be faster on a GPU.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
) -> None:
    """Make images larger, four times by default: photo.png becomes photo_x4.png beside it.

    In a run over several images those whose result exists are skipped, so that the same command
    goes on where it was stopped; a bad image is reported at the end and stops no other.
    Exit code: 0, 1 if images of several failed, 2 if nothing could be done.
    """
    from ..inference.batch import one_file, plan
    from ..inference.target import Target

    target = Target(scale, width, height, fit)
    suffix = format.lower().removeprefix(".") if format else None
    label = target.label
    if model is not None and not (scale or width or height):
        from ..inference.models import scale_of

        label = f"x{scale_of(model)}"
    jobs = plan(inputs, out, label, suffix)
    todo = jobs if overwrite else [job for job in jobs if not (job.target and job.target.exists())]
    single = one_file(inputs)
    if single and not todo:
        raise ImganError(f"{jobs[0].target} exists; --overwrite replaces it, -o names another")
    if todo and todo[0].target is None and sys.stdout.isatty():
        raise ImganError("an image is not for the terminal; give -o FILE, or send it on with |")

    from ..inference.device import keep_freed_memory
    from ..inference.upscale import Upscaler

    keep_freed_memory()
    upscaler = Upscaler(
        realism=realism,
        model=model,
        tile=tile,
        batch=batch,
        device=device,
        precision=precision,
        tta=tta,
    )
    failures = _run(todo, upscaler, target, suffix, quality)
    if single and failures:
        raise ImganError(failures[0])
    if not single:
        _summary(len(todo) - len(failures), len(jobs) - len(todo), failures)
    if failures:
        raise typer.Exit(1)


def _run(
    jobs: list[Job], upscaler: Upscaler, target: Target, suffix: str | None, quality: int | None
) -> list[str]:
    """Do the jobs; the sentences of those that failed."""
    failures: list[str] = []
    done = 0
    try:
        with _progress(len(jobs)) as (say, report):
            for done, job in enumerate(jobs):
                began = time.perf_counter()
                try:
                    size = _one(job, upscaler, target, suffix, quality, report(done))
                except ImganError as error:
                    failures.append(str(error))
                    continue
                except MemoryError:
                    failures.append(f"{job} does not fit into memory; cut it into parts first")
                    continue
                took = time.perf_counter() - began
                say(f"{job} -> {job.target or '-'} ({size[0]}x{size[1]}, {took:.1f} s)")
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped, {done - len(failures)} of {len(jobs)} images written; "
            "the same command goes on"
        ) from None
    return failures


def _one(
    job: Job,
    upscaler: Upscaler,
    target: Target,
    suffix: str | None,
    quality: int | None,
    report: Report,
) -> tuple[int, int]:
    from ..data.images import FORMATS, check_fits, format_of, read_image, write_image

    if job.source is None:
        image = read_image(sys.stdin.buffer, "standard input")
    else:
        image = read_image(job.source)
    own = image.format if image.format in FORMATS.values() else "PNG"
    format = format_of(job.target) if job.target else FORMATS[f".{suffix}"] if suffix else own
    size = target.size(*image.size, upscaler.scale)
    check_fits(str(job.target or "the output"), format, size, len(image.frames))
    result = upscaler.image(image, target, report)
    write_image(job.target or sys.stdout.buffer, result, format, quality)
    return size


@contextmanager
def _progress(count: int) -> Iterator[tuple[Callable[[str], None], Callable[[int], Report]]]:
    """How to print a line, and how to report the tiles of image i: a bar on terminals only."""
    if not sys.stderr.isatty():
        yield lambda line: typer.echo(line, err=True), lambda index: lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"0/{count}", total=count, rate="")

        def report(index: int) -> Report:
            def tiles(done: int, total: int) -> None:
                at = index + done / total
                speed = bar.tasks[0].speed
                rate = f"{speed * 60:.1f} images/min" if speed else ""
                bar.update(task, completed=at, description=f"{index}/{count}", rate=rate)

            return tiles

        yield lambda line: bar.console.print(line, markup=False, highlight=False), report


def _summary(written: int, skipped: int, failures: list[str]) -> None:
    parts = [f"{written} written"]
    if skipped:
        parts.append(f"{skipped} skipped (the result exists; --overwrite makes it again)")
    if failures:
        parts.append(f"{len(failures)} failed:")
    typer.echo(", ".join(parts), err=True)
    for failure in failures:
        typer.echo(f"  {failure}", err=True)
