"""What training of features has logged, as charts: classes, domains, and what chose."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence

from .charts import COLOURS, Chart, Series
from .curves import Points, Row, columns

_PLAYER, _CRITIC = 1, 2  # colours that mean the same on the pages of other pipelines
_PAID = {
    "g_loss": "all together",
    "class": "wrong classes",
    "consistency": "unlike answers to an image and the changed one",
    "target_entropy": "unsure answers on the target",
    "target_diversity": "classes that are not equally frequent",
    "means": "means of the domains",
    "covariances": "covariances of the domains",
}
_CHOSEN = {
    "information": "information of the target's classes, times source accuracy",
    "entropy": "sureness on the target",
    "confusion": "confusion of the critic",
    "source": "accuracy on held-out images of the source",
}
_STRENGTH = {"grad_norm_g": "features and classifier", "grad_norm_d": "critic"}


def charts(rows: Sequence[Row], domains: Sequence[str], even: bool) -> list[Chart]:
    """The charts of a run, those that there are numbers for.

    Args:
        rows: as from `imgan.report.curves.read_rows`.
        domains: their names.
        even: whether a step sees as many images of each domain, so that guessing is right for one
            in so many.
    """
    found = columns(rows)
    count = len(domains) if even else 0
    paid = _named(found, _PAID) | _of_each(found, "g_", domains, "to be taken for {}")
    told = _named(found, {"domain": "telling the domain", "d_loss": "all together"})
    told |= _of_each(found, "d_", domains, "telling {}")
    if "domain" in found:  # of the reversal, where the sum is of both players
        paid.pop(_PAID["g_loss"], None)
    right = _named(found, {"accuracy": "images in training", "source": "held out of the source"})
    right |= {
        name.removeprefix("accuracy "): points
        for name, points in found.items()
        if name.startswith("accuracy ")
    }
    knows = _named(found, {"domain_accuracy": "all domains"})
    knows |= _of_each(found, "accuracy_real_", domains, "{}, taken for it")
    knows |= _of_each(found, "accuracy_fake_", domains, "others, not taken for {}")
    made = [
        Chart(
            "What features and classifier pay",
            "Each cost with its weight; those of the game without, as it grows with training.",
            _lines(paid, _PLAYER),
        ),
        Chart(
            "How often the class is right",
            "Target classes, where there are any, are counted here and used for nothing.",
            _lines(right, _PLAYER),
            percent=True,
        ),
        Chart(
            "What the critic pays",
            "Low: it tells the domains apart with ease. High: the features tell nothing of them.",
            _lines(told, _CRITIC),
            level=(math.log(count), "guessing") if count > 1 and "domain" in found else None,
        ),
        Chart(
            "How often the critic knows the domain",
            "The nearer to guessing, the less the features tell of the domain.",
            _lines(knows, _CRITIC),
            percent=True,
            level=(1 / count, "guessing") if count > 1 and "domain" in found else None,
        ),
        Chart(
            "What checkpoints are chosen by",
            "Scores that need no classes of the target; of the recipe's, the highest is kept.",
            _lines(_named(found, _CHOSEN), _PLAYER),
            percent=True,
            smooth=False,
        ),
        Chart(
            "How often it is sure of the target",
            "The share of the target's images that teach what they are taken for.",
            _lines(_named(found, {"sure": "images of the target"}), _PLAYER),
            percent=True,
        ),
        Chart(
            "Strength of the gradients",
            "Their norms before clipping: a steep climb comes before training breaks.",
            _lines(_named(found, _STRENGTH), _PLAYER),
            log=True,
        ),
        Chart(
            "Learning rate",
            "How far each step goes.",
            _lines(_named(found, {"rate": "features and classifier"}), _PLAYER),
            zero=True,
            smooth=False,
        ),
        Chart(
            "Speed",
            "Images of each folder per second.",
            _lines(_named(found, {"images_per_second": "images per second"}), COLOURS),
            zero=True,
        ),
    ]
    return [chart for chart in made if chart.series]


def _named(found: Mapping[str, Points], names: Mapping[str, str]) -> dict[str, Points]:
    return {said: found[name] for name, said in names.items() if name in found}


def _of_each(
    found: Mapping[str, Points], prefix: str, domains: Sequence[str], said: str
) -> dict[str, Points]:
    """The numbers that end in a domain's own: ``d_0`` is that of the first."""
    named = {}
    for name, points in found.items():
        if match := re.fullmatch(rf"{prefix}(\d+)", name):
            number = int(match[1])
            known = domains[number] if number < len(domains) else f"domain {number}"
            named[said.format(known)] = points
    return named


def _lines(found: Mapping[str, Points], first: int) -> tuple[Series, ...]:
    """Lines in colours of their own, the first in a given one."""
    colours = itertools.chain([first], (c for c in itertools.count(3) if c != first))
    return tuple(
        Series(name, x, y, colour)
        for (name, (x, y)), colour in zip(found.items(), colours, strict=False)
    )
