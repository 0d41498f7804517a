"""Mode collapse on a ring of eight Gaussians, and what the remedies do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from ..core import Dragan, Unroll, Wasserstein, WganGP
from ..report.charts import Chart, Series
from ..report.words import percent
from .ring_game import (
    BATCH,
    CENTRES,
    CRITIC_RATE,
    MODES,
    NEAR,
    QUICK_STEPS,
    RATE,
    SAMPLES,
    STEPS,
    WIDTH,
    Arm,
    Play,
    late,
    play_all,
)
from .section import Picture, Section, Strip, Table, scatter, spread

ARMS = (
    Arm("plain", "the non-saturating game and nothing else"),
    Arm(
        "unrolled",
        "the generator looks five moves of the critic ahead",
        unroll=Unroll(steps=5, lr=0.1),
        cost=3.5,
    ),
    Arm(
        "DRAGAN",
        "the critic pays for slopes other than 1 around the real samples",
        penalties=(Dragan(weight=1.0),),
        cost=1.2,
    ),
    Arm(
        "WGAN-GP",
        "Wasserstein costs; the critic pays for slopes other than 1 between real and fake, moves "
        "five times a step, and has a layer more",
        loss=Wasserstein(),
        penalties=(WganGP(weight=0.1),),
        critic_moves=5,
        critic_layers=2,
        cost=4.5,
    ),
    Arm(
        "minibatch statistics",
        "the critic is told how much the samples of a batch differ",
        batch_statistics=True,
        cost=1.3,
    ),
    Arm("deeper critic", "no remedy, but that layer more", critic_layers=2, cost=1.2),
    Arm(
        "deeper, faster critic",
        "no remedy, but a critic with a layer more and as fast as the generator",
        critic_layers=2,
        critic_rate=RATE,
        cost=1.2,
    ),
)


@dataclass(frozen=True)
class Ring:
    """The games of each arm, one a seed."""

    plays: dict[str, list[Play]]


def run(seeds: int, quick: bool, progress: Callable[[float], None]) -> Ring:
    """Play every arm with every seed."""
    return Ring(play_all(ARMS, seeds, QUICK_STEPS if quick else STEPS, progress))


def tell(found: Ring) -> Section:
    """The section of the page."""
    arms = [arm for arm in ARMS if arm.name in found.plays]
    plays = found.plays
    seeds = len(plays["plain"])
    steps = plays["plain"][0].steps[-1]
    return Section(
        title="Mode collapse on a ring",
        text=(
            f"The data are {MODES} small spots on a circle. A generator that fools the critic "
            "with one spot has no reason of its own to make the others: the critic learns to "
            "distrust that spot, the generator runs to another, and so on. That is mode collapse.",
            "Each row plays the same game with one remedy. The critic is the weaker player here, "
            "which is where the plain game is in trouble. WGAN-GP wants a critic that is near its "
            "best, so its critic has a layer more; the last rows show what a stronger critic "
            "changes by itself. A good run ends with a cloud of dots in every ring, and nothing "
            "between.",
        ),
        take=_take(plays),
        papers=(
            "L. Metz et al. 2017: Unrolled generative adversarial networks, arXiv 1611.02163 "
            "(the ring, and the unrolled critic).",
            "N. Kodali et al. 2017: On convergence and stability of GANs, arXiv 1705.07215.",
            "I. Gulrajani et al. 2017: Improved training of Wasserstein GANs, arXiv 1704.00028.",
            "T. Karras et al. 2018: Progressive growing of GANs, arXiv 1710.10196, section 3 "
            "(the minibatch's standard deviation).",
        ),
        code="from imgan.core import AdversarialStep, Dragan, MinibatchStdDev, Unroll, WganGP\n"
        "AdversarialStep(generator, critic, adam_g, adam_d, unroll=Unroll(steps=5, lr=0.1))\n"
        "AdversarialStep(generator, critic, adam_g, adam_d, penalties=[Dragan(weight=1.0)])",
        charts=(
            (
                Chart(
                    "Covered modes",
                    f"Of {MODES}, by step; means over the seeds.",
                    lines([arm.name for arm in arms], plays, lambda play: play.modes),
                    zero=True,
                    smooth=False,
                ),
                (0, steps),
            ),
            (
                Chart(
                    "Good samples",
                    f"Per cent within {NEAR:g} of a mode's middle, by step; means over the seeds.",
                    lines([arm.name for arm in arms], plays, lambda p: [100 * g for g in p.good]),
                    zero=True,
                    smooth=False,
                ),
                (0, steps),
            ),
        ),
        strips=strips(arms, plays),
        table=Table(
            ("game", "covered modes", "good samples", "what it is"),
            tuple(
                (
                    arm.name,
                    spread([late(play.modes) for play in plays[arm.name]]),
                    spread([100 * late(play.good) for play in plays[arm.name]], 1, " %"),
                    arm.about,
                )
                for arm in arms
            ),
            f"Over the last quarter of {steps} steps, as modes still come and go, measured on "
            f"{SAMPLES} samples each time: the mean over {seeds} seeds, with the least and the "
            "greatest where they differ. A mode is covered when at least "
            f"one sample lies within 3 standard deviations ({NEAR:g}) of its middle; the same "
            "distance makes a sample a good one (some papers take 4; the pictures' rings are drawn "
            "four times as wide, to be seen). Networks of one and two "
            f"hidden layers of {WIDTH}, batches of {BATCH}, Adam with rates of {RATE:g} for the "
            f"generator and {CRITIC_RATE:g} for the critic.",
        ),
    )


def _take(plays: dict[str, list[Play]]) -> str:
    """The remedies by whether they held more modes and more good samples than plain."""
    modes = {name: mean(late(play.modes) for play in games) for name, games in plays.items()}
    good = {name: mean(late(play.good) for play in games) for name, games in plays.items()}
    both = [n for n in plays if modes[n] > modes["plain"] and good[n] > good["plain"]]
    neither = [n for n in plays if modes[n] < modes["plain"] or good[n] < good["plain"]]
    best = max(plays, key=lambda name: (modes[name], good[name]))
    said = (
        f"Toward the end the plain game held {modes['plain']:.1f} of {MODES} modes and "
        f"{percent(good['plain'])} good samples; the best here, {best}, {modes[best]:.1f} "
        f"and {percent(good[best])}."
    )
    if both:
        said += f" More of both than the plain game: {', '.join(both)}."
    if neither:
        said += f" Worse than it in modes or in good samples: {', '.join(neither)}."
    return said


def lines(
    names: Sequence[str], plays: dict[str, list[Play]], of: Callable[[Play], Sequence[float]]
) -> tuple[Series, ...]:
    """The mean over the seeds of a measure, a line an arm."""
    return tuple(
        Series(
            name,
            plays[name][0].steps,
            [mean(at) for at in zip(*(of(play) for play in plays[name]), strict=True)],
            i,
        )
        for i, name in enumerate(names, 1)
    )


def strips(arms: Sequence[Arm], plays: dict[str, list[Play]]) -> tuple[Strip, ...]:
    """The samples of each arm's first seed over its training."""
    found = []
    for arm in arms:
        play = plays[arm.name][0]
        pictures = tuple(
            Picture(
                f"step {at}",
                scatter(points, CENTRES.tolist(), 3.0, f"Samples of {arm.name} at step {at}"),
            )
            for at, points in zip(play.shown_steps(), play.samples, strict=True)
        )
        found.append(Strip(arm.name, arm.about, pictures))
    return tuple(found)
