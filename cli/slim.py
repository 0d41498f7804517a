"""``imgan slim``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ImganError
from . import app
from .jobs import Overwrite


@app.command()
def slim(
    models_and_photos: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... PHOTOS",
            help="Models for super-resolution (files or shipped names); last a folder of photos. "
            "Twins together lose the same blocks, so that their weights still blend.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the new models.")],
    limit: Annotated[
        float,
        typer.Option(min=0, help="Grey levels of 255 that the answers may differ by, in the mean."),
    ] = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Take out of networks the blocks that do nothing: the same answers from less computing.

    Training leaves some blocks of units that never fire. Without them a model is smaller and
    faster; here they are found on photos, and how far the answers differ is printed.
    """
    if len(models_and_photos) < 2:
        raise ImganError("give models and photos: imgan slim MODEL... PHOTOS --out FOLDER")
    from ..inference.slim import slim as run
    from .data import located

    *models, photos = models_and_photos
    told = {"done": -1}

    def progress(done: int, most: int) -> None:
        if done * 5 // most > told["done"] * 5 // most:
            typer.echo(f"tried {done} of at most {most}", err=True)
        told["done"] = done

    found = run(models, [located(photos)], out, limit=limit, overwrite=overwrite, progress=progress)
    kept = found.blocks - len(found.removed)
    if not found.removed:
        typer.echo(f"each of the {found.blocks} blocks does something; nothing is written")
        return
    typer.echo(f"{found.blocks} -> {kept} blocks, judged on {found.photos} photos")
    for model in found.models:
        typer.echo(
            f"{model.path}: answers differ by {model.mean:.2g} grey levels in the mean, "
            f"{model.most:.2g} at most"
        )
