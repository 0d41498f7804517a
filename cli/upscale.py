"""``imgan upscale``: make images larger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from ..data.pixels import Image

COMPRESSED = 80
"""JPEGs of a lower quality come out better with --restore (README, Measured)."""


@app.command()
def upscale(
    inputs: Inputs,
    out: Out = None,
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
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="For photos that are compressed or noisy: undo that as well, into "
            "photo_x4_restored.png. With --scale 1 it cleans and keeps the size.",
        ),
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="A shipped name (x4-mse), or a model file instead.")
    ] = None,
    format: Format = None,
    quality: Quality = None,
    overwrite: Overwrite = False,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Mean over flips and turns: 8 times slower, slightly better."),
    ] = False,
    tile: Annotated[
        int, typer.Option(help="Side of the tiles; less takes less memory, the result is the same.")
    ] = 340,
    batch: Annotated[int, typer.Option(help="Tiles at once; more may be faster on a GPU.")] = 1,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Make images larger, four times by default: photo.png becomes photo_x4.png beside it.

    In a run over several images those whose result exists are skipped, so that the same command
    goes on where it was stopped; a bad image is reported at the end and stops no other.
    Exit code: 0, 1 if images of several failed, 2 if nothing could be done.
    """
    from ..inference.target import Target

    target = Target(scale, width, height, fit)
    label = target.label
    if model is not None and not (scale or width or height):
        from ..inference.models import scale_of

        label = f"x{scale_of(model)}"
    if restore:
        label += "_restored"  # to lie beside the plain one: the advice below is to try both

    def make() -> Work:
        from ..inference.upscale import Upscaler

        upscaler = Upscaler(
            realism=realism,
            restore=restore,
            model=model,
            tile=tile,
            batch=batch,
            device=device,
            precision=precision,
            tta=tta,
        )
        plain = model is None and not restore
        return Work(
            lambda image: upscaler.result(image, target),
            lambda image, report: upscaler.image(image, target, report),
            lambda image: _advice(image) if plain else "",
        )

    process(inputs, out, label, format=format, quality=quality, overwrite=overwrite, make=make)


def _advice(image: Image) -> str:
    """What to do better for a photo that the models for clean ones are not made for."""
    if image.quality is None or image.quality >= COMPRESSED:
        return ""
    return f"it was compressed to a quality of about {image.quality}: try --restore"
