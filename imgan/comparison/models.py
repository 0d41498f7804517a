"""Models that are there already, scored beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ImganError
from ..model_file import Card, read_card
from ..report.run_charts import run_charts
from ..report.words import flat, spoken
from ..shipped import labels, resolve
from .judges import one_scale
from .result import TAKEN, Arm, Comparison, Kind
from .scoring import AS_USUAL, Progress, Scoring, check_scoring, eyes_of, scored
from .splits import Parts, named
from .verdict import verdict


def compare_models(
    models: Sequence[str],
    data: Sequence[Path],
    *,
    scoring: Scoring = AS_USUAL,
    progress: Progress = lambda done, count: None,
) -> Comparison:
    """Score models that are there, beside each other.

    Args:
        models: files or shipped names, of one pipeline.
        data: to score on: the images that training held out are taken, see `imgan evaluate`.
        scoring, progress: see `compare`.

    Raises:
        ImganError: a model or the data cannot be used, or the models are of several pipelines.
    """
    paths = [resolve(model) for model in models]
    cards = [read_card(path) for path in paths]
    pipelines = list(dict.fromkeys(card.pipeline for card in cards))
    if len(pipelines) > 1:
        raise ImganError(
            f"these models are of {' and '.join(pipelines)}; only those of one pipeline compare"
        )
    check_scoring(pipelines[0], scoring)
    if pipelines[0] == "srgan":
        one_scale(card.scale for card in cards)
    plain = labels(models)
    names = [f"{name} (model)" if name in TAKEN else name for name in plain]
    arms = [
        _there(name, card, cards[0], kind)
        for name, card, kind in zip(names, cards, _kinds(cards, plain), strict=True)
    ]
    keys = {(name, 0): path for name, path in zip(names, paths, strict=True)}
    eyes = None if pipelines[0] == "dann" else eyes_of(scoring)
    chosen = Parts(train=[], test=list(data), about=named(data))
    found = scored(pipelines[0], arms, keys, chosen, scoring, eyes, progress)
    found.name = " and ".join(names)
    found.data = "; ".join(dict.fromkeys(_trained_on(card) for card in cards))
    found.recipe, found.data_card = cards[0].recipe, cards[0].data
    found.verdict = verdict(found)
    return found


def _kinds(cards: Sequence[Card], names: Sequence[str]) -> list[Kind]:
    """Which twin each model is, if one.

    A mean of which a part is compared, too, and is the other twin, stands between the two: it is
    none. Parts of parts are not looked for.
    """
    kinds = [_kind(card) for card in cards]
    known = dict(zip(names, kinds, strict=True))
    return [
        "other" if any(known.get(part, kind) != kind for part in card.mean_of) else kind
        for card, kind in zip(cards, kinds, strict=True)
    ]


def _kind(card: Card) -> Kind:
    if card.cost == "source only":
        return "other"
    return "adversarial" if card.recipe.get("adversary") or card.cost == "adversarial" else "mse"


def _there(name: str, card: Card, first: Card, kind: Kind) -> Arm:
    """A model as an arm: what its card says of it, and how its recipe is not the first one's."""
    own, shared = (flat(one.recipe) for one in (card, first))
    changes = [
        f"{key}={spoken(own.get(key))}"
        for key in own | shared
        if own.get(key) != shared.get(key) and key not in ("name", "licence", "notes")
    ]
    rows: list[dict[str, Any]] = [dict(row) for row in card.log]
    about = "trained with an adversary" if card.cost == "adversarial" else f"trained on {card.cost}"
    about = card.parts or f"{about}, {card.steps:,} steps"
    return Arm(
        name,
        name,
        kind,
        about,
        tuple(changes),
        cost=card.cost,
        steps=card.steps,
        charts=run_charts(rows, card.recipe, card.data.get("domains", [])),
    )


def _trained_on(card: Card) -> str:
    """The data's name, or its folders, or how much it was."""
    data = card.data
    places = data.get("folders") or data.get("domains")
    if isinstance(places, list):
        return ", ".join(map(str, places))
    counts = [f"{data[key]} {key}" for key in ("photos", "pairs", "clips") if key in data]
    return str(data.get("name") or ", ".join(counts) or "data that its card does not name")
