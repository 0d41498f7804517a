"""``imgan card``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from . import app


@app.command()
def card(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file, or the name of a shipped model.")
    ],
    log: Annotated[bool, typer.Option("--log", help="With the log of the training.")] = False,
    parents: Annotated[
        bool,
        typer.Option(
            "--parents",
            help="The whole cards of the models that training began from, one within the other, "
            "instead of a line for each. A mean's is that of its largest share.",
        ),
    ] = False,
) -> None:
    """Show what stands in a model file beside its weights: network, recipe, data, scores."""
    import yaml

    from ..model_file import read_card
    from ..shipped import resolve

    content = read_card(resolve(model)).model_dump(mode="json", exclude_defaults=True)
    cards = list(_line(content))
    if not log:
        for one in cards:
            one.pop("log", None)
    if not parents and cards[1:]:
        content["parents"] = [_words(one) for one in cards[1:]]
        del content["parent"]
    if log and not parents and content.get("mean_of"):
        typer.echo("a mean has no log; those of its parents: --log --parents", err=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=math.inf)
    typer.echo(text.rstrip())


def _line(card: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The card, that of its parent, and so on."""
    while card:
        yield card
        card = card.get("parent")


def _words(card: Mapping[str, Any]) -> str:
    mean = card.get("mean_of")
    said = f"the mean of {' and '.join(mean)}" if mean else f"{card.get('steps', 0):,} steps"
    return ", ".join(filter(None, (card["name"], card.get("cost"), said)))
