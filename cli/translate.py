"""``imgan translate``: turn images into others by a trained model."""

from __future__ import annotations

from typing import Annotated

import typer

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


@app.command()
def translate(
    inputs: Inputs,
    out: Out = None,
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
    ] = 32,
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
    """
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
