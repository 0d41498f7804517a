"""``imgan train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import app
from .data import located


@app.command()
def train(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe."),
    ],
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="Folders: of photos, of pairs, of two sets to translate, of clips; a file of "
            "digits; or names of data sets ('imgan data list').",
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
    """Train a recipe on a folder of images or clips. A run that was stopped goes on where it was.

    Several processes: torchrun --nproc-per-node 2 -m imgan train RECIPE DATA
    """
    from ..recipe import load_recipe

    loaded = load_recipe(recipe, set_)  # first: its faults cost nothing
    folders = [located(one) for one in data]
    from ..training.loop import Trainer

    Trainer(loaded, folders, out, resume, device).run()
