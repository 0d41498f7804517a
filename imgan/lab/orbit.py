"""The smallest game, V(x, y) = xy: why two players who both go downhill may never arrive."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core import EMA, AdversarialStep, Wasserstein
from ..report.charts import Chart, Series
from ..report.words import number
from .section import Picture, Section, Strip, Table, paths

RATE = 0.1
START = (0.6, 0.6)
STEPS, QUICK_STEPS = 400, 100
DECAY = 0.98

_WAYS = {
    "simultaneous": "both players move at once, each against where the other stood",
    "alternating": "the critic moves first, and the generator answers where it stands now",
    "averaged": "alternating moves; the mean of all places so far",
    "EMA": f"alternating moves; a moving average with a decay of {DECAY}",
}


@dataclass(frozen=True)
class Orbit:
    """Places ``[x, y]`` of the critic x and the generator y after each step, by way of moving."""

    rate: float
    places: dict[str, list[list[float]]]

    def radii(self, way: str) -> list[float]:
        """The distance from (0, 0), where neither player wants to move."""
        return [math.hypot(*place) for place in self.places[way]]


class _Critic(nn.Module):
    """Its score of a sample is x times the sample."""

    def __init__(self, x: float) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(x, dtype=torch.float64))

    def forward(self, samples: Tensor) -> Tensor:
        """``[N, 1] -> [N, 1]``."""
        return self.x * samples


class _Generator(nn.Module):
    """All that it makes is the number y."""

    def __init__(self, y: float) -> None:
        super().__init__()
        self.y = nn.Parameter(torch.tensor(y, dtype=torch.float64))

    def forward(self) -> Tensor:
        """A batch of one, ``[1, 1]``."""
        return self.y.view(1, 1)


def run(seeds: int, quick: bool, progress: Callable[[float], None]) -> Orbit:
    """Play the game in each way from the same start; nothing here is left to chance."""
    steps = QUICK_STEPS if quick else STEPS
    simultaneous, _ = play(steps, RATE, simultaneous=True)
    progress(0.5)
    alternating, moving = play(steps, RATE, simultaneous=False)
    progress(1.0)
    averaged = [
        [total / count for total in sums]
        for count, sums in enumerate(_running_sums(alternating), 1)
    ]
    ways = (simultaneous, alternating, averaged, moving)
    return Orbit(RATE, dict(zip(_WAYS, ways, strict=True)))


def play(
    steps: int, rate: float, simultaneous: bool
) -> tuple[list[list[float]], list[list[float]]]:
    """Places ``[x, y]`` before the first step and after each, and their moving average.

    Of the Wasserstein costs with the one real sample 0, the critic's is V = xy and the generator's
    is -xy: x wants V small, y wants it large.
    """
    critic, generator = _Critic(START[0]), _Generator(START[1])
    step = AdversarialStep(
        generator,
        critic,
        torch.optim.SGD(generator.parameters(), rate),
        torch.optim.SGD(critic.parameters(), rate),
        loss=Wasserstein(),
    )
    average = EMA(nn.ModuleList([critic, generator]), decay=DECAY)
    places, averages = [list(START)], [list(START)]
    real = torch.zeros(1, 1, dtype=torch.float64)
    for _ in range(steps):
        fake, before = generator(), critic.x.detach().clone()
        step.discriminator(critic, real=real, fake=fake)
        opponent = (lambda samples, x=before: x * samples) if simultaneous else critic
        step.generator(opponent, fake=fake)
        average.update()
        places.append([critic.x.item(), generator.y.item()])
        with average.averaged():
            averages.append([critic.x.item(), generator.y.item()])
    return places, averages


def _running_sums(places: list[list[float]]) -> list[list[float]]:
    sums, total = [], [0.0, 0.0]
    for x, y in places:
        total = [total[0] + x, total[1] + y]
        sums.append(total)
    return sums


def tell(found: Orbit) -> Section:
    """The section of the page."""
    radii = {way: found.radii(way) for way in found.places}
    steps = len(radii["simultaneous"]) - 1
    grown = radii["simultaneous"][-1] / radii["simultaneous"][0]
    swings = [radius / radii["alternating"][0] for radius in radii["alternating"]]
    shrunk = radii["averaged"][0] / radii["averaged"][-1]
    captions = {"averaged": "averaged", "EMA": "moving average"}
    return Section(
        title="Two players going round in circles",
        text=(
            "Two numbers play. The critic owns x and wants V = x times y to be small; the "
            "generator owns y and wants it large. Only at (0, 0) has neither a reason to move. "
            "Each player takes small steps downhill on its own cost, as in every GAN.",
            "Downhill for one turns the hill of the other: the pair circles. Moving both at once "
            "spirals outward at every rate, however small. Moving in turn keeps to a closed "
            "track, neither nearer nor farther. Yet the track runs around the answer, so the "
            "average of all places visited comes closer and closer to it.",
        ),
        take=(
            f"After {steps} steps with rate {found.rate:g} simultaneous moves stand "
            f"{grown:.1f} times as far from the answer as they began, alternating moves have "
            f"stayed between {min(swings):.2f} and {max(swings):.2f} times that distance, and "
            f"their average has come {shrunk:.0f} times as near: move in turn, and keep an "
            "average of the generator."
        ),
        papers=(
            "I. Goodfellow: NIPS 2016 tutorial, arXiv 1701.00160, on games that do not converge.",
            "Y. Yazici et al. 2019: The unusual effectiveness of averaging in GAN training, "
            "arXiv 1806.04498.",
        ),
        code="from imgan.core import EMA, AdversarialStep, Wasserstein\n"
        "step.discriminator(critic, real=real, fake=fake)  # moves in turn\n"
        "step.generator(critic, fake=fake)\n"
        "average.update()  # average = EMA(generator, decay=0.999)",
        charts=(
            (
                Chart(
                    "Distance from the answer",
                    "By step, logarithmic: only what falls is getting anywhere.",
                    tuple(
                        Series(captions.get(way, way), range(steps + 1), line, i)
                        for i, (way, line) in enumerate(radii.items(), 1)
                    ),
                    log=True,
                    smooth=False,
                ),
                (0, steps),
            ),
        ),
        strips=(
            Strip(
                "The paths of (x, y)",
                "The cross is the answer; a ring stands at the start, a dot at the end.",
                tuple(
                    Picture(
                        captions.get(way, way),
                        paths([(i, line)], _reach(line), f"The path of {way} steps"),
                    )
                    for i, (way, line) in enumerate(found.places.items(), 1)
                ),
            ),
        ),
        table=Table(
            ("moves", "what it is", "distance at the end"),
            tuple((way, _WAYS[way], number(line[-1])) for way, line in radii.items()),
            f"All begin at a distance of {number(radii['alternating'][0])}.",
        ),
    )


def _reach(line: list[list[float]]) -> float:
    return 1.08 * max(abs(value) for place in line for value in place)
