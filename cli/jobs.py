"""Many images through one model: what `imgan upscale` and `imgan translate` share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ImganError, Stopped

if TYPE_CHECKING:
    from ..data.pixels import Image
    from ..inference.batch import Job

Report = Callable[[int, int], None]

Inputs = Annotated[
    list[str], typer.Argument(metavar="IMAGE...", help="Files, folders, patterns, or - .")
]
Out = Annotated[
    str | None,
    typer.Option("-o", "--out", help="A folder, a file, or - ; by default beside each image."),
]
Format = Annotated[
    str | None,
    typer.Option(
        help="png, jpg, webp, tiff, avif, gif or npy. [default: each image's own, or png]"
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        help="For jpg (95), webp (90; 100 is lossless), avif (85). JPEG has no alpha: white.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Precision = Annotated[str, typer.Option(help="auto, float32 or bf16.")]


@dataclass(frozen=True)
class Work:
    """What is done to an image.

    `result` tells, before any work, width, height and channels of colour of what it becomes;
    `image` does it, and reports its tiles; `advice` is what else to say of it, if anything.
    """

    result: Callable[[Image], tuple[int, int, int]]
    image: Callable[[Image, Report], Image]
    advice: Callable[[Image], str] = lambda image: ""


def process(
    inputs: list[str],
    out: str | None,
    label: str,
    *,
    format: str | None,
    quality: int | None,
    overwrite: bool,
    make: Callable[[], Work],
) -> None:
    """Do the work to all images; `make` loads the model, once it is known that there is work.

    In a run over several images those whose result exists are skipped, and a bad image is reported
    at the end and stops no other: exit code 1.

    Raises:
        ImganError: nothing can be done.
    """
    from ..inference.batch import one_file, plan

    suffix = format.lower().removeprefix(".") if format else None
    jobs = plan(inputs, out, label, suffix)
    todo = (
        jobs
        if overwrite
        else [job for job in jobs if not (job.target and os.path.exists(job.target))]
    )
    single = one_file(inputs)
    if single and not todo:
        raise ImganError(f"{jobs[0].target} exists; --overwrite replaces it, -o names another")
    if todo:
        _check_pipes(todo[0])
        if quality is not None:
            _check_quality(jobs, suffix)

    from ..inference.device import keep_freed_memory

    keep_freed_memory()
    failed = _run(todo, make(), suffix, quality, overwrite) if todo else []
    failures = [*jobs.faults, *failed]
    if single and failures:
        raise ImganError(failures[0])
    if not single:
        _summary(len(todo) - len(failed), len(jobs) - len(todo), jobs.left_out, failures)
    if failures:
        raise typer.Exit(1)


def _check_pipes(job: Job) -> None:
    """Standard input and output as image files: either can be closed, and one a terminal."""
    if job.source is None and sys.stdin is None:
        raise ImganError("standard input is closed; send an image in with | or <")
    if job.target is None and sys.stdout is None:
        raise ImganError("standard output is closed; give -o FILE")
    if job.target is None and sys.stdout.isatty():
        raise ImganError("an image is not for the terminal; give -o FILE, or send it on with |")


def _check_quality(jobs: list[Job], suffix: str | None) -> None:
    """Refuse --quality where no result loses anything."""
    from ..data.images import FORMATS, QUALITY, format_of

    piped = FORMATS[f".{suffix}"] if suffix else ""  # "": not known yet
    formats = {format_of(job.target) if job.target else piped for job in jobs}
    if not formats & {"", *QUALITY}:
        name = jobs[0].target or f"{suffix} to the standard output"
        raise ImganError(
            f"--quality is for jpg, webp and avif, and {name} loses nothing; leave it out, or give "
            "--format webp"
        )


def _run(
    jobs: list[Job], work: Work, suffix: str | None, quality: int | None, overwrite: bool
) -> list[str]:
    """Do the jobs; the sentences of those that failed."""
    failures: list[str] = []
    done = 0
    try:
        with _progress(len(jobs)) as (say, report):
            for done, job in enumerate(jobs):
                began = time.perf_counter()
                try:
                    size, advice = _one(job, work, suffix, quality, overwrite, report(done))
                except ImganError as error:
                    failures.append(str(error))
                    continue
                except MemoryError:
                    failures.append(f"{job} does not fit into memory; cut it into parts first")
                    continue
                took = time.perf_counter() - began
                made = f"{job} -> {job.target or '-'} ({size}, {took:.1f} s)"
                say(f"{made}; {advice}" if advice else made)
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped, {done - len(failures)} of {len(jobs)} images written; "
            "the same command without --overwrite does the rest"
        ) from None
    return failures


def _one(
    job: Job,
    work: Work,
    suffix: str | None,
    quality: int | None,
    overwrite: bool,
    report: Report,
) -> tuple[str, str]:
    """Do a job; the size of what was made, and what to say of it."""
    from ..data.images import FORMATS, check_fits, format_of, read_image, write_image
    from ..inference.memory import check_memory

    if job.source is None:
        image = read_image(sys.stdin.buffer, "standard input")
    else:
        image = read_image(job.source)
    own = image.format if image.format in FORMATS.values() else "PNG"
    format = format_of(job.target) if job.target else FORMATS[f".{suffix}"] if suffix else own
    width, height, channels = work.result(image)
    name = str(job.target or "the output")
    check_fits(name, format, (width, height), len(image.frames), channels, image.one_size)
    check_memory(name, image, (width, height))
    _check_free(job, overwrite)
    result = work.image(image, report)
    _check_free(job, overwrite)
    write_image(job.target or sys.stdout.buffer, result, format, quality)
    return f"{width}x{height}", work.advice(image)


def _check_free(job: Job, overwrite: bool) -> None:
    """Another program may have written there since the run began."""
    if job.target and not overwrite and os.path.exists(job.target):
        raise ImganError(
            f"{job.target} has been written meanwhile by another program; --overwrite replaces it"
        )


@contextmanager
def _progress(count: int) -> Iterator[tuple[Callable[[str], None], Callable[[int], Report]]]:
    """How to print a line, and how to report the tiles of image i: a bar on terminals only."""
    if sys.stderr is None or not sys.stderr.isatty():
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


def _summary(written: int, skipped: int, left: Sequence[Path], failures: list[str]) -> None:
    parts = [f"{written} written"]
    if skipped:
        parts.append(f"{skipped} skipped (the result exists; --overwrite makes it again)")
    if left:
        parts.append(
            f"{len(left)} left out, named as results of an earlier run ({left[0]}); "
            "give them by their names and -o FOLDER to have them too"
        )
    if failures:
        parts.append(f"{len(failures)} failed:")
    typer.echo(", ".join(parts), err=True)
    for failure in failures:
        typer.echo(f"  {failure}", err=True)
