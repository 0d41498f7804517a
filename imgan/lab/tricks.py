"""Two habits of the trade, with and without: one-sided label smoothing, and a history of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import mean

from ..core import NonSaturating
from ..report.charts import Chart, Series
from .ring import lines, strips
from .ring_game import MODES, QUICK_STEPS, RATE, STEPS, Arm, Play, late, play_all
from .section import Section, Table, spread

SMOOTHING = 0.1
POOL = 1024
"""Samples that the history holds: those of eight batches."""

# Here the critic is strong: what nobody is sure of cannot be smoothed.
_PLAIN = Arm("plain", "the non-saturating game and nothing else", critic_layers=2, critic_rate=RATE)
ARMS = (
    _PLAIN,
    replace(
        _PLAIN,
        name="smoothed labels",
        about=f"the critic's answer for real samples is to be {1 - SMOOTHING:g}, not 1",
        loss=NonSaturating(smoothing=SMOOTHING),
    ),
    replace(
        _PLAIN,
        name="history",
        about=f"the critic is shown samples of earlier generators too, out of a pool of {POOL}",
        history=POOL,
        cost=1.4,
    ),
)


@dataclass(frozen=True)
class Tricks:
    """The games of each arm, one a seed."""

    plays: dict[str, list[Play]]


def run(seeds: int, quick: bool, progress: Callable[[float], None]) -> Tricks:
    """Play every arm with every seed, on the ring of eight Gaussians."""
    return Tricks(play_all(ARMS, seeds, QUICK_STEPS if quick else STEPS, progress))


def tell(found: Tricks) -> Section:
    """The section of the page."""
    plays = found.plays
    names = [arm.name for arm in ARMS]
    seeds = len(plays["plain"])
    steps = plays["plain"][0].steps[-1]
    sure = math.log((1 - SMOOTHING) / SMOOTHING)
    return Section(
        title="Smoothed labels and a history",
        text=(
            "Two habits, tried on the same ring with a stronger critic: a layer more, and as fast "
            "as the generator. One-sided label smoothing asks it to "
            f"call real samples real with {1 - SMOOTHING:.0%} and not with certainty: being "
            f"surer than that, a logit of {sure:.1f} on real samples, costs it. A history shows "
            "the critic half of its fakes from earlier rounds, so that it does not forget what it "
            "has seen through; the price is that half of what it learns from is out of date.",
            "What they are meant to change is measured for itself: how sure the critic becomes, "
            "how far the generator's samples still run about, and how many modes it holds.",
        ),
        take=_take(plays),
        papers=(
            "T. Salimans et al. 2016: Improved techniques for training GANs, arXiv 1606.03498, "
            "section 3.4.",
            "A. Shrivastava et al. 2017: Learning from simulated and unsupervised images through "
            "adversarial training, arXiv 1612.07828, section 2.3.",
        ),
        code="from imgan.core import ImageHistory, NonSaturating\n"
        f"NonSaturating(smoothing={SMOOTHING:g})\n"
        f"history = ImageHistory({POOL})\n"
        "step.discriminator(critic, real=real, fake=history.query(fake))",
        charts=tuple(
            (Chart(title, about, series, zero=True, smooth=False), (0.0, float(steps)))
            for title, about, series in _curves(names, plays)
        ),
        strips=strips(ARMS, plays),
        table=Table(
            ("game", "surest", "moved", "covered modes", "good samples", "what it is"),
            tuple(
                (
                    arm.name,
                    spread([surest(play) for play in plays[arm.name]]),
                    spread([moved(play) for play in plays[arm.name]], 2),
                    spread([late(play.modes) for play in plays[arm.name]]),
                    spread([100 * late(play.good) for play in plays[arm.name]], 1, " %"),
                    arm.about,
                )
                for arm in ARMS
            ),
            f"Means over {seeds} seeds, with the least and the greatest where they differ. The "
            "critic's largest logit on real samples (surest) and the distance moved are means over "
            "the second half of training; modes and good samples, as on the ring above, over its "
            "last quarter.",
        ),
    )


def surest(play: Play) -> float:
    """How sure the critic was in the second half of training."""
    return mean(play.surest[len(play.surest) // 2 :])


def moved(play: Play) -> float:
    """How far samples ran between two measures in the second half of training."""
    return mean(play.moved[len(play.moved) // 2 :])


def _curves(
    names: list[str], plays: dict[str, list[Play]]
) -> list[tuple[str, str, tuple[Series, ...]]]:
    apart = plays["plain"][0].steps[0]
    return [
        (
            "How sure the critic is",
            "Its largest logit on real samples; means over the seeds.",
            lines(names, plays, lambda play: play.surest),
        ),
        (
            "How far samples move",
            f"Over {apart} steps, for the same noise; the circle's radius is 2.",
            lines(names, plays, lambda play: play.moved),
        ),
        (
            "Covered modes",
            f"Of {MODES}, by step; means over the seeds.",
            lines(names, plays, lambda play: play.modes),
        ),
    ]


def _take(plays: dict[str, list[Play]]) -> str:
    """What each trick did beside the plain game, good or not."""
    plain = _means(plays[ARMS[0].name])
    sentences = []
    for arm, name in zip(ARMS[1:], ("Smoothed labels", "The history"), strict=True):
        sure, ran, modes = (
            f"{own:.{digits}f} instead of {beside:.{digits}f}"
            for own, beside, digits in zip(_means(plays[arm.name]), plain, (1, 2, 1), strict=True)
        )
        sentences.append(
            f"{name}: the critic's largest logit on real samples became {sure}, samples moved "
            f"{ran} between two measures, and {modes} modes were held."
        )
    return " ".join(sentences)


def _means(games: list[Play]) -> tuple[float, float, float]:
    return mean(map(surest, games)), mean(map(moved, games)), mean(late(p.modes) for p in games)
