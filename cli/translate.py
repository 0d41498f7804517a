"""``imgan translate``: turn images into others by a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ImganError
from . import app
from .jobs import (
    Device,
    Format,
    Inputs,
    Out,
    Overwrite,
    Precision,
    Quality,
    Work,
    process,
)

OVERLAP = 32


@app.command()
def translate(
    inputs: Inputs,
    out: Out = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Train this recipe first, on the data named in place of the images: a folder, or "
            "a data set's name (imgan data list)."
        ),
    ] = None,
    set_: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="With --recipe: change a setting; repeat."),
    ] = [],  # noqa: B006  (typer copies it)
    model: Annotated[
        str | None,
        typer.Option(
            help="A model file, a shipped name, or a published pix2pix or CycleGAN generator "
            "(.pth). [default: colourise, for grey photos]"
        ),
    ] = None,
    direction: Annotated[
        str | None,
        typer.Option(metavar="AtoB|BtoA", help="For models that go both ways. [default: AtoB]"),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="N|WxH",
            help="Resize before the network: N for the shorter side, or width x height. The result "
            "has this size. [default: each image's own]",
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            help="Side of the tiles; less takes less memory. [default: as the model asks: in one "
            "piece while memory allows, where tiles would show]"
        ),
    ] = None,
    overlap: Annotated[
        int, typer.Option(help="Pixels over which such tiles go over into each other.")
    ] = OVERLAP,
    format: Format = None,
    quality: Quality = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Turn images into others by a trained model: photo.png becomes photo_NAME.png beside it.

    NAME is the model's, with the direction where it goes both ways. In a run over several images
    those whose result exists are skipped, so that the same command goes on where it was stopped; a
    bad image is reported at the end and stops no other.
    Exit code: 0, 1 if images of several failed, 2 if nothing could be done.

    imgan translate --recipe cyclegan horse2zebra does the whole job: fetches the data, trains (or
    goes on where it was stopped), translates the test images, and writes runs/cyclegan-horse2zebra/
    index.html, a page that shows them. -o names another folder for the run.
    """
    if recipe is not None:
        if model is not None:
            raise ImganError("--recipe trains a model and --model names one; give one of them")
        images = (size, tile, format, quality)
        if any(one is not None for one in images) or overlap != OVERLAP or overwrite:
            raise ImganError(
                "--size, --tile, --overlap, --format, --quality and --overwrite are for images; "
                "leave them out with --recipe"
            )
        change = [] if precision == "auto" else [f"train.precision={precision}"]
        _whole_job(recipe, inputs, out, [*set_, *change], direction, device)
        return
    if set_:
        raise ImganError("--set changes a recipe; give --recipe, or leave it out")
    from ..inference.translate import Translator

    translator = Translator(
        model,
        direction=direction,
        size=size,
        tile=tile,
        overlap=overlap,
        device=device,
        precision=precision,
        say=lambda line: typer.echo(f"imgan: {line}", err=True),
    )
    process(
        inputs,
        out,
        translator.label,
        format=format,
        quality=quality,
        overwrite=overwrite,
        make=lambda: Work(translator.result, translator.image),
    )


def _whole_job(
    name: str,
    data: list[str],
    out: str | None,
    changes: list[str],
    direction: str | None,
    device: str,
) -> None:
    from ..data.catalogue import locate
    from ..recipe import load_recipe
    from .data import transfers

    recipe = load_recipe(name, changes)  # first: its faults cost nothing
    if direction is not None:
        key = "directions" if recipe.pipeline == "cyclegan" else "direction"
        recipe = load_recipe(name, [*changes, f"{key}={direction}"])
    folders = []
    for one in data:
        with transfers(one) as progress:
            folders.append(locate(one, progress))

    from rich.console import Console
    from rich.markup import escape

    from ..tasks import run_folder, translate_with_recipe

    run = Path(out) if out else run_folder(recipe, data)
    with Console(stderr=True).status("") as status:
        status.stop()  # the training has a display of its own

        def show(direction: str, done: int, count: int) -> None:
            status.start()
            status.update(escape(f"{direction}: image {done + 1} of {count}"))

        page = translate_with_recipe(recipe, folders, run, device=device, progress=show)
    typer.echo(page)
