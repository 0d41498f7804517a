"""``imgan classify``: the classes of images, by a trained model."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import ImganError
from . import app
from .jobs import Device, Precision

Images = Annotated[
    list[Path],
    typer.Argument(metavar="IMAGES...", help="Files, folders, tables (.csv) or arrays (.npz)."),
]
Model = Annotated[Path, typer.Option(help="A model file that imgan adapt or train made.")]
Split = Annotated[
    Literal["train", "val", "test"] | None,
    typer.Option(help="Of data with splits, this one alone. [default: all]"),
]


@app.command()
def classify(
    images: Images,
    model: Model,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A .csv file. [default: the terminal]")
    ] = None,
    split: Split = None,
    device: Device = "auto",
    precision: Precision = "float32",
) -> None:
    """Tell the class of each image, and how probable it is: columns image, class, probability.

    Where the images have classes already, as in a folder a class, they stand beside as "label", and
    the share of right answers is told.
    """
    from ..inference.classify import check_out, write_predictions

    if out is not None:
        if out.suffix != ".csv":
            raise ImganError(f"{out}: predictions are written as .csv")
        check_out(out, images)
    answers = answered(images, model, split, device, precision)
    write_predictions(answers, out or sys.stdout)
    tell(answers, out)


def answered(
    images: list[Path], model: Path, split: str | None, device: str, precision: str
) -> Any:
    """What the model says, with a bar on terminals."""
    from rich.progress import Progress

    from ..inference.classify import Classifier, classify

    loaded = Classifier(model, device, precision)

    def say(line: str) -> None:
        typer.echo(f"imgan: left out {line}", err=True)

    shown: AbstractContextManager[Any] = nullcontext()
    if sys.stderr.isatty():
        from rich.console import Console

        shown = Progress(console=Console(stderr=True), transient=True)
    with shown as bar:
        task = bar.add_task("", total=None) if bar else None

        def progress(done: int, total: int) -> None:
            if bar and task is not None:
                bar.update(task, completed=done, total=total)

        return classify(loaded, images, split, say, progress)


def tell(answers: Any, out: Path | None) -> None:
    """A line on what was done."""
    parts = [f"{len(answers.names)} images" + (f" -> {out}" if out else "")]
    if answers.accuracy is not None:
        known = int((answers.labels >= 0).sum())
        parts.append(f"{100 * answers.accuracy:.2f} % of {known} with a known class are right")
    typer.echo("; ".join(parts), err=True)
