"""``imgan data``: which data sets there are, and whether a folder is fit to train on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import ImganError
from . import app

if TYPE_CHECKING:
    from ..data.check import Finding, Report
    from ..data.check_clips import ClipReport

data = typer.Typer(
    help="Data sets: look for one, fetch it, check a folder of your own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(data, name="data")

Layout = Literal["joined", "folders", "unpaired", "photos", "clips"]
_Name = Annotated[str, typer.Argument(help="A name that 'imgan data list' shows.")]
_SHOWN = 20
_LINE_EVERY = 10.0


@data.command("list")
def list_() -> None:
    """List the data sets that can be fetched by name."""
    from rich.console import Console
    from rich.table import Table

    from ..data import catalogue

    table = Table("name", "layout", "download", "here")
    for name in catalogue.names():
        entry, folder = catalogue.entry(name), catalogue.path(name)
        size = f"{entry.bytes / 1e6:.0f} MB" if entry.bytes else "size not known"
        table.add_row(name, entry.layout, size, "yes" if folder else "")
    Console().print(table)
    typer.echo(f"They are kept in {catalogue.datasets_folder()}")


@data.command()
def get(name: _Name) -> None:
    """Fetch a data set: download it, go on if that was cut, check and unpack it."""
    from ..data import catalogue

    here = catalogue.path(name)
    with transfers(name) as progress:
        folder = here or catalogue.get(name, progress)
    typer.echo(f"{name} {'is already' if here else 'is now'} in {folder}")
    if catalogue.entry(name).sha256:
        return
    for file, checksum in catalogue.checksums(name).items():
        typer.echo(f"SHA-256 {checksum}: none is published for {file}; this checks later downloads")


@data.command()
def path(name: _Name) -> None:
    """Print the folder of a data set that is here, and nothing else."""
    from ..data import catalogue

    folder = catalogue.path(name)
    if folder is None:
        raise ImganError(f"{name} is not here yet; fetch it with: imgan data get {name}")
    typer.echo(folder)


@data.command()
def check(
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="A folder, or the name of a set that is here; or several."
        ),
    ],
    layout: Annotated[
        Layout | None,
        typer.Option(help="What the folder is meant to be. [default: by what is in it]"),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")
    ] = None,
) -> None:
    """Look through a folder before training: layout, counts, sizes, faults. Exit 1 if faulty.

    Every image is decoded. Partners, damaged files and images that stand in both train and test
    are named. Of clips the frames are counted and the first is decoded. Several folders are looked
    through one by one, such as those of two sets without partners.
    """
    reports = [_checked(folder, layout) for folder in folders]
    if json_file:
        from ..files import write_json

        found = [report.to_dict() for report, _ in reports]
        write_json(json_file, found[0] if len(found) == 1 else found)
    for _, show in reports:
        show()
    if not all(report.usable for report, _ in reports):
        raise typer.Exit(1)


def _checked(folder: str, layout: Layout | None) -> tuple[Report | ClipReport, Callable[[], None]]:
    """What was found in a folder, and how it is shown."""
    from ..data import catalogue
    from ..data.check import check as run
    from ..data.check_clips import check_clips, holds_clips

    root = Path(folder)
    if not root.is_dir():
        if folder not in catalogue.names():
            raise ImganError(f"there is no folder {folder}, and no data set of that name")
        root = catalogue.path(folder) or root
        if not root.is_dir():
            raise ImganError(f"{folder} is not here yet; fetch it with: imgan data get {folder}")
    with _counting() as progress:
        if layout == "clips" or (layout is None and holds_clips(root)):
            clips = check_clips(root, progress)
            return clips, partial(_show_clips, clips)
        report = run(root, layout, progress)
        return report, partial(_show, report)


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    what = {
        "joined": "pairs side by side: A is the left half of each file, B the right",
        "folders": "pairs in two folders, partners by name",
        "unpaired": "two sides that are not paired",
        "photos": "photos without partners",
    }
    if report.kind and report.sides:
        typer.echo(f"{report.root}: {report.kind} ({what[report.kind]})")
        table = Table("split", "side", "images", "sizes", "channels")
        for side in report.sides:
            sizes = _most(side.sizes, 3)
            table.add_row(side.split, side.side, str(side.images), sizes, _most(side.channels, 4))
        Console().print(table)
    _list("note", report.notes)
    _verdict(report.faults)


def _show_clips(report: ClipReport) -> None:
    from rich.console import Console
    from rich.table import Table

    what = "sequences to score models on" if report.kind == "sequences" else "clips"
    split = any(one.split for one in report.splits)
    typer.echo(f"{report.root}: {what}{'' if split else ', without splits'}")
    table = Table("split", "clips", "frames", "sizes", "unreadable")
    for one in report.splits:
        unreadable = one.clips - sum(one.sizes.values())
        counts = (str(one.clips), str(one.frames), _most(one.sizes, 3), str(unreadable or ""))
        table.add_row(one.split or "none", *counts)
    Console().print(table)
    _verdict(report.faults, "score" if report.kind == "sequences" else "train")


def _verdict(faults: list[Finding], use: str = "train") -> None:
    _list("fault", faults)
    typer.echo(_count(len(faults), "fault") if faults else f"fit to {use} on")


def _most(counted: dict[str, int], most: int) -> str:
    """The most frequent with their counts, and how many others."""
    first = list(counted.items())[:most]
    if len(counted) == 1:
        return first[0][0]
    lines = [f"{name} ({count})" for name, count in first]
    rest = len(counted) - len(first)
    return "\n".join(lines + ([f"and {rest} others"] if rest else []))


def _list(word: str, findings: list[Finding]) -> None:
    for finding in findings[:_SHOWN]:
        typer.echo(f"{word}: {finding.text}")
    if len(findings) > _SHOWN:
        typer.echo(f"{word}: and {len(findings) - _SHOWN} more, all of them with --json FILE")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def located(name: str) -> Path:
    """The file or folder that is meant, or the data set of that name, fetched with a display.

    Raises:
        ImganError: it is neither, or the data set cannot be had.
    """
    from ..data.catalogue import locate

    if os.path.exists(name):
        return Path(name)
    with transfers(name) as progress:
        return locate(name, progress)


@contextmanager
def transfers(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show bytes, rate and time left of what `imgan.data.catalogue` does; lines where no terminal.

    The callable is what `get` and `locate` of the catalogue take.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(name)
        return
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=console) as bars:

        def show(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                # What was there before does not count for the rate.
                tasks[doing] = bars.add_task(f"{doing} {name}", total=total or None, completed=done)
            bars.update(tasks[doing], completed=done, total=total or None)

        yield show


def _lines(name: str) -> Callable[[str, int, int], None]:
    """A line when something begins, and one every ten seconds."""
    last: dict[str, float] = {}
    start: dict[str, tuple[float, int]] = {}

    def show(doing: str, done: int, total: int) -> None:
        now = time.monotonic()
        began, before = start.setdefault(doing, (now, done))
        if now - last.get(doing, -_LINE_EVERY) < _LINE_EVERY:
            return
        last[doing] = now
        rate = (done - before) / (now - began) if now > began else 0.0
        text = f"{doing} {name}: {done / 1e6:.1f}"
        text += f" of {total / 1e6:.1f} MB" if total else " MB"
        if rate:
            text += f", {rate / 1e6:.1f} MB/s"
            text += f", {max(total - done, 0) / rate:.0f} s left" if total else ""
        typer.echo(text, err=True)

    return show


@contextmanager
def _counting() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("looking through", BarColumn(bar_width=20), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
