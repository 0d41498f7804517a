"""``imgan adapt``: features that hold in another domain, learned without its classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import app
from .data import located


@app.command()
def adapt(
    domains: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE TARGET...",
            help="Images with classes (a folder a class, a table, arrays), then images without; "
            "folders, files, or names of data sets.",
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="A recipe file, or a shipped recipe's name.")
    ] = "dann",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder. [default: runs/RECIPE-DOMAINS]"),
    ] = None,
    set_: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeat.")
    ] = [],  # noqa: B006  (typer copies it)
    before: Annotated[
        Path | None,
        typer.Option(
            help="A model whose features the page shows as those before, as one trained on the "
            "source only. [default: the networks as training begins]"
        ),
    ] = None,
    plot: Annotated[
        Literal["pca", "tsne"], typer.Option(help="How features become points.")
    ] = "pca",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Learn classes on SOURCE such that they hold on TARGET, whose classes are not known.

    Trains (or goes on where it was stopped), picks the checkpoint by a score that needs no classes
    of the target, and writes a page that shows the features of all domains, before and after.
    Where the target has classes (as a test set), its accuracy is told; they are used for nothing
    else. The twins: --set adversary=null --set target=null is trained on the source only,
    --set adversary=null --set moments.means=1 matches means and covariances by squared error.
    """
    from ..recipe import DannRecipe, load_recipe

    loaded = load_recipe(recipe, set_)  # first: its faults cost nothing
    from ..adapt import adapt as run
    from ..adapt import check_wanted

    check_wanted(loaded, plot)
    folders = [located(one) for one in domains]
    names = "-".join(Path(name).name.split(".")[0] for name in domains)
    place = out or Path("runs") / f"{loaded.name}-{names}"
    done = run(loaded, folders, place, before=before, plot=plot, device=device)
    report = done.report
    assert isinstance(loaded, DannRecipe)  # others were refused
    for number, (name, accuracy) in enumerate(report.accuracies.items()):
        of_source = loaded.data.attribute is not None or number < loaded.data.sources
        known = of_source and report.splits[name] == "train"
        typer.echo(
            f"{name}: {100 * accuracy:.1f} % of {report.counts[name]} images are given their class"
            + (" (most of them are images that it was trained on)" if known else ""),
            err=True,
        )
    typer.echo(done.page)
