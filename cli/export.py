"""``imgan export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import app
from .jobs import Overwrite

_ROLES = {"AtoB": "a_to_b", "BtoA": "b_to_a"}


@app.command()
def export(
    model: Annotated[
        str,
        typer.Argument(
            help="A model file, the name of a shipped model, or a generator (.pth) of "
            "pytorch-CycleGAN-and-pix2pix."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")],
    direction: Annotated[
        Literal["AtoB", "BtoA"] | None,
        typer.Option(help="Of a model that translates both ways (CycleGAN). [default: AtoB]"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model as ONNX, for images of any size, and compare it with PyTorch."""
    from ..inference.export import export_onnx

    done = export_onnx(model, out, _ROLES[direction] if direction else None, overwrite=overwrite)
    height, width = done.checked
    typer.echo(f"{done.path}: {done.card.name}, {done.role}")
    typer.echo(f"input:  {done.takes}")
    typer.echo(f"output: {done.gives}")
    typer.echo(
        f"largest difference from PyTorch: {done.difference:.2g} (ONNX Runtime, {width}x{height})"
    )
