"""``imgan train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import app


@app.command()
def train(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe."),
    ],
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...", help="Folders: of photos, of pairs, or of two sets to translate."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's folder.")] = Path("run"),
    set_: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeat.")
    ] = [],  # noqa: B006  (typer copies it)
    resume: Annotated[
        bool, typer.Option("--resume", help="Insist on going on with a run in --out.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Train a recipe on a folder of images. A run that was stopped goes on where it was.

    Several processes: torchrun --nproc-per-node 2 -m imgan train RECIPE DATA
    """
    from ..recipe import load_recipe

    loaded = load_recipe(recipe, set_)
    from ..training.loop import Trainer

    Trainer(loaded, data, out, resume, device).run()
