"""``imgan card``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import app


@app.command()
def card(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file, or the name of a shipped model.")
    ],
    log: Annotated[bool, typer.Option("--log", help="With the log of the training.")] = False,
) -> None:
    """Show what stands in a model file beside its weights: network, recipe, data, scores."""
    import yaml

    from ..model_file import read_card
    from ..shipped import resolve

    content = read_card(resolve(model)).model_dump(mode="json", exclude_defaults=True)
    if not log:
        below: dict[str, Any] | None = content
        while below:
            below.pop("log", None)
            below = below.get("parent")
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True).rstrip())
