"""``imgan slim``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ImganError
from . import app
from .jobs import Overwrite

if TYPE_CHECKING:
    from ..inference.slim import Difference


@app.command()
def slim(
    models_and_photos: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... PHOTOS",
            help="Models for super-resolution (files or shipped names); last a folder of photos, "
            "or one. Twins together lose the same blocks, so that their weights still have a mean.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the new models.")],
    limit: Annotated[
        float,
        typer.Option(min=0, help="Grey levels of 255 that the answers may differ by, in the mean."),
    ] = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Take out of networks the blocks that do next to nothing: less computing, hardly a difference.

    Training leaves some blocks of units that never fire on photos. They are found on the photos
    that are given, and how far the answers differ without them is printed.
    """
    *models, photos = models_and_photos
    if not models:
        raise ImganError("give models and photos: imgan slim MODEL... PHOTOS --out FOLDER")
    from ..model_file import read_card
    from ..shipped import resolve

    for model in models:
        read_card(resolve(model, "srgan"))  # its faults cost nothing, not even the photos' download
    from ..inference.slim import slim as run
    from .data import located

    def progress(done: int, most: int) -> None:
        typer.echo(f"trial {done + 1} of at most {most}", err=True)

    found = run(models, [located(photos)], out, limit=limit, overwrite=overwrite, progress=progress)
    for path, reason in found.skipped.items():
        typer.echo(f"skipped {path}: {reason}", err=True)
    if not found.removed:
        typer.echo(
            f"none of the {found.blocks} blocks can go: without the one that does least, answers "
            f"differ by {found.least:.2g} grey levels (--limit {limit:g}); nothing is written"
        )
        return
    kept = found.blocks - len(found.removed)
    typer.echo(f"blocks: {found.blocks} -> {kept}, judged on {found.images} parts of photos")
    for written, difference in found.written.items():
        typer.echo(f"{written}: {_words(difference)}")
    if len(models) > 1:
        typer.echo(f"blended in equal parts: {_words(found.between)}")


def _words(difference: Difference) -> str:
    return (
        f"answers differ by {difference.mean:.2g} grey levels in the mean, "
        f"{difference.most:.2g} at most"
    )
