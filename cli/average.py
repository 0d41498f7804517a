"""``imgan average``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ImganError
from . import app
from .jobs import Overwrite

_NUMBER = re.compile(r"[0-9]+[.]?[0-9]*|[.][0-9]+")


@app.command()
def average(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Two or more models of imgan: files, or names of shipped ones."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file: NAME.safetensors.")],
    shares: Annotated[
        str | None,
        typer.Option(
            help="How much of each, with commas: 0.7,0.3, or 7,3. [default: the same of all]"
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the model whose weights are the mean of others': twins, or stages of one training.

    Models have a useful mean when they were trained on from the same weights. Score the result.
    """
    stray = [word for word in models if _NUMBER.fullmatch(word) and not Path(word).exists()]
    if shares is not None and stray:
        asked = ",".join([shares.rstrip(","), *stray])
        raise ImganError(f"--shares takes numbers with commas, without spaces: --shares {asked}")
    parts = None if shares is None else [_number(share) for share in shares.split(",")]
    from ..averaging import average as run

    card = run(models, out, shares=parts, overwrite=overwrite)
    told = " and ".join(f"{share:.4g} of {name}" for name, share in card.mean_of.items())
    typer.echo(f"{out}: {told}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ImganError(
            f"--shares: {text!r} is no number; give one for each model: --shares 0.7,0.3"
        ) from None
