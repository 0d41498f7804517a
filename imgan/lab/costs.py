"""What a generator pays for one sample, by how real the critic finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..core import GanLoss, MaximumLikelihood, Minimax, NonSaturating
from ..report.charts import Chart, Series
from ..report.words import number
from .section import Section, Table

LOSSES: dict[str, GanLoss] = {
    "minimax": Minimax(),
    "non-saturating": NonSaturating(),
    "maximum likelihood": MaximumLikelihood(),
}
POINTS = 190
LEAST, MOST = 0.005, 0.95
"""The axis of D(G(z)): at 0 and at 1 some costs are infinite."""


@dataclass(frozen=True)
class Costs:
    """Curves over D(G(z)).

    Args:
        verdicts: the axis: the probability that the critic gives the sample of being real.
        costs: of each loss, what the generator pays there.
        slopes: of each loss, how strongly it pulls there: the size of the cost's derivative with
            respect to the critic's raw score (its logit).
    """

    verdicts: list[float]
    costs: dict[str, list[float]]
    slopes: dict[str, list[float]]


def run(seeds: int, quick: bool, progress: Callable[[float], None]) -> Costs:
    """Evaluate the core's losses and their slopes; nothing here is left to chance."""
    verdicts = torch.linspace(LEAST, MOST, POINTS, dtype=torch.float64)
    found = {name: [at(loss, float(v)) for v in verdicts] for name, loss in LOSSES.items()}
    progress(1.0)
    return Costs(
        verdicts.tolist(),
        {name: [cost for cost, _ in pairs] for name, pairs in found.items()},
        {name: [slope for _, slope in pairs] for name, pairs in found.items()},
    )


def at(loss: GanLoss, verdict: float) -> tuple[float, float]:
    """The generator's cost for a sample with this D(G(z)), and the size of its slope."""
    logit = torch.logit(torch.tensor([verdict], dtype=torch.float64)).requires_grad_()
    cost = loss.generator(logit)
    (slope,) = torch.autograd.grad(cost, logit)
    return cost.item(), abs(slope.item())


def tell(found: Costs) -> Section:
    """The section of the page."""
    early, late = 0.01, 0.9
    pulls = {name: (at(loss, early)[1], at(loss, late)[1]) for name, loss in LOSSES.items()}
    strongest = max(pulls, key=lambda name: pulls[name][0])
    weakest = min(pulls, key=lambda name: pulls[name][0])
    times = pulls[strongest][0] / pulls[weakest][0]
    favours = max(pulls, key=lambda name: pulls[name][1] / pulls[name][0])
    return Section(
        title="What the generator pays",
        text=(
            "The critic gives every made-up sample G(z) a probability D(G(z)) of being real. "
            "The generator's cost turns this number into a price. All three prices here fall as "
            "the critic is fooled better, so all three want the same thing: what differs is "
            "where they are steep, and a generator learns only where its cost is steep.",
            "At the left end the critic has seen through the sample, as it does when training "
            "begins. The minimax cost is flat there. Turned round, as -log D, it is steep where "
            "help is needed. Maximum likelihood is flat on the left and falls off a cliff on the "
            "right: nearly all its pull comes from the few best samples.",
        ),
        take=(
            f"On a sample that the critic sees through (D = {early:.0%}), the {strongest} cost "
            f"pulls {times:.0f} times as hard as the {weakest} one; on a sample that fools it "
            f"(D = {late:.0%}), {favours} pulls {pulls[favours][1] / pulls[favours][0]:.0f} "
            "times as hard as on the bad one."
        ),
        papers=(
            "I. Goodfellow: NIPS 2016 tutorial, Generative Adversarial Networks, "
            "arXiv 1701.00160, figure 16 (its costs are half of these).",
        ),
        code="from imgan.core import MaximumLikelihood, Minimax, NonSaturating\n"
        "cost = NonSaturating().generator(critic(generator(z)))",
        charts=(
            (
                Chart(
                    "Cost against D(G(z))",
                    "To the left the critic sees through the sample, to the right it is fooled.",
                    _series(found.verdicts, found.costs),
                    smooth=False,
                ),
                (0, 1),
            ),
            (
                Chart(
                    "Pull against D(G(z))",
                    "How much the cost changes with the critic's raw score; logarithmic.",
                    _series(found.verdicts, found.slopes),
                    log=True,
                    smooth=False,
                ),
                (0, 1),
            ),
        ),
        table=Table(
            ("cost", f"pull at D = {early:.0%}", "pull at D = 50%", f"pull at D = {late:.0%}"),
            tuple(
                (name, number(pull[0]), number(at(LOSSES[name], 0.5)[1]), number(pull[1]))
                for name, pull in pulls.items()
            ),
            "The size of the derivative of the cost with respect to the logit.",
        ),
    )


def _series(x: list[float], lines: dict[str, list[float]]) -> tuple[Series, ...]:
    return tuple(Series(name, x, y, i) for i, (name, y) in enumerate(lines.items(), 1))
