"""``imgan lab``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import Stopped
from . import app


@app.command()
def lab(
    experiments: Annotated[
        list[str],
        typer.Argument(
            metavar="[EXPERIMENT...]",
            help="costs, orbit, divergences, ring or tricks. [default: all]",
        ),
    ] = [],  # noqa: B006  (typer copies it)
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder; its page is index.html.")
    ] = Path("lab"),
    seeds: Annotated[
        int, typer.Option(min=1, help="Games of each kind, where chance plays a part.")
    ] = 3,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few steps each: to try it, not to learn from.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")
    ] = None,
) -> None:
    """Play the tutorials' small experiments and write a page on what an adversary does.

    What is finished is kept: the same command goes on, and after other settings begins anew.
    """
    from ..files import write_json
    from ..lab.progress import Display
    from ..lab.run import run_lab

    display = Display()
    try:
        with display.running():
            content = run_lab(experiments, out, seeds, quick, display.update)
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped; finished experiments are kept in {out}, and the same command goes on"
        ) from None
    if json_file:
        write_json(json_file, content)
    typer.echo(f"{out / 'index.html'}")
