"""One bell curve fitted to two hills: KL covers both, the reverse KL picks one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Normal

from ..core import GanLoss, MaximumLikelihood, Minimax, NonSaturating, Wasserstein
from ..report.charts import Chart, Series
from .section import Section, Table

HILLS = (-2.0, 2.0)
WIDTH = 0.5
"""The density p: two normal hills of equal weight, and their standard deviation."""

STARTS = (-0.5, 0.5)
"""Means from which the one hill q sets out, with a standard deviation of 1."""

STEPS, QUICK_STEPS = 200, 100
RATE = 0.1
GRID = torch.linspace(-8, 8, 1601, dtype=torch.float64)
SHOWN = GRID[400:1201:4]  # -4 to 4

# Evenly spread shares of the normal distribution stand for its samples, without their chance.
_Z = torch.special.ndtri((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)

_GAMES: dict[str, tuple[GanLoss, str]] = {
    "MaximumLikelihood": (MaximumLikelihood(), "KL(p || q)"),
    "Minimax": (Minimax(), "Jensen-Shannon"),
    "NonSaturating": (NonSaturating(), "reverse KL - 2 Jensen-Shannon"),
    "Wasserstein": (Wasserstein(), "reverse KL, KL(q || p)"),
}

Fit = tuple[float, float]
"""Mean and standard deviation of q."""


@dataclass(frozen=True)
class Divergences:
    """Where q has come to rest, from each start.

    Args:
        fits: by descending each divergence itself, integrated over a grid.
        games: by descending each cost of the core against an ideal critic.
    """

    fits: dict[str, list[Fit]]
    games: dict[str, list[Fit]]


def run(seeds: int, quick: bool, progress: Callable[[float], None]) -> Divergences:
    """Fit q in every way from every start; nothing here is left to chance."""
    steps = QUICK_STEPS if quick else STEPS
    ways: dict[str, Callable[[Tensor], Tensor]] = {"KL": kl, "reverse KL": reverse_kl}
    ways |= {name: ideal_game(loss) for name, (loss, _) in _GAMES.items()}
    found = {}
    for done, (name, cost) in enumerate(ways.items(), 1):
        found[name] = fit(cost, STARTS, steps)
        progress(done / len(ways))
    return Divergences(
        {name: found[name] for name in ("KL", "reverse KL")},
        {name: found[name] for name in _GAMES},
    )


def log_p(x: Tensor) -> Tensor:
    """The logarithm of the density of the two hills."""
    hills = [_log_normal(x, hill, WIDTH) for hill in HILLS]
    return torch.logsumexp(torch.stack(hills), 0) - math.log(len(hills))


def log_q(x: Tensor, q: Tensor) -> Tensor:
    """The logarithm of the density of one hill at each x.

    ``q`` ``[2, S]`` holds, for each of S fits at once, its mean and its log deviation; `x` is
    ``[N, S]``, or ``[N, 1]`` for all of them.
    """
    return _log_normal(x, q[0], q[1].exp())


def _log_normal(x: Tensor, mean: float | Tensor, deviation: float | Tensor) -> Tensor:
    density: Tensor = Normal(mean, deviation, validate_args=False).log_prob(x)  # type: ignore[no-untyped-call]
    return density


def kl(q: Tensor) -> Tensor:
    """KL(p || q): the penalty for leaving out what is there."""
    x = GRID[:, None]
    return torch.trapezoid(log_p(x).exp() * (log_p(x) - log_q(x, q)), x, dim=0).sum()


def reverse_kl(q: Tensor) -> Tensor:
    """KL(q || p): the penalty for making up what is not there."""
    x = GRID[:, None]
    own = log_q(x, q)
    return torch.trapezoid(own.exp() * (own - log_p(x)), x, dim=0).sum()


def ideal_game(loss: GanLoss) -> Callable[[Tensor], Tensor]:
    """The generator's cost against the best critic there can be, whose logit is log p / q.

    The critic is held still while the generator moves, as in every GAN: its q is detached.
    """

    def cost(q: Tensor) -> Tensor:
        samples = q[0] + q[1].exp() * _Z[:, None]
        return loss.generator(log_p(samples) - log_q(samples, q.detach()))

    return cost


def fit(cost: Callable[[Tensor], Tensor], starts: Sequence[float], steps: int) -> list[Fit]:
    """Descend from each mean of `starts` and a deviation of 1; all at once, to save time."""
    q = torch.tensor([starts, [0.0] * len(starts)], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([q], RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        cost(q).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return list(zip(q[0].tolist(), q[1].exp().tolist(), strict=True))


def tell(found: Divergences) -> Section:
    """The section of the page."""
    covering = [name for name, fits in found.games.items() if not any(map(_picks, fits))]
    picking = [name for name, fits in found.games.items() if all(map(_picks, fits))]
    (kl_mean, kl_width), _ = found.fits["KL"]
    picked = " and ".join(f"{mean:.2f}" for mean, _ in found.fits["reverse KL"])
    return Section(
        title="Cover everything, or pick one",
        text=(
            "The data p has two hills, the model q is a single one: it cannot be right, only "
            "wrong in one of two ways. KL(p || q) punishes leaving out what is there, so q "
            "spreads over both hills and over the empty valley between: that is what training on "
            "averages does, and why it blurs. The reverse KL(q || p) punishes making up what is "
            "not there, so q settles on the hill that it began nearer to and is sharp: but it "
            "has lost the other.",
            "The same choice hides in the costs of a GAN. Below, the generator plays against the "
            "best critic that there can be, whose logit is known here (log p / q): each cost then "
            "descends a divergence of its own.",
        ),
        take=(
            f"KL comes to rest at {_round(kl_mean)}, between the hills, with a width of "
            f"{kl_width:.2f} for hills of {WIDTH:g}; the reverse KL at {picked}, by its start. "
            "Against the ideal critic "
            f"{_named(covering)} covered both hills, {_named(picking)} picked one."
        ),
        papers=(
            "I. Goodfellow: NIPS 2016 tutorial, arXiv 1701.00160, on the choice of divergence.",
            "M. Arjovsky and L. Bottou 2017: Towards principled methods for training GANs, "
            "arXiv 1701.04862, theorem 2.5.",
        ),
        code="from imgan.core import MaximumLikelihood, Minimax, NonSaturating, Wasserstein\n"
        "MaximumLikelihood().generator(log_p(x) - log_q(x))  # descends KL(p || q)",
        charts=tuple(
            (_chart(title, about, found.fits[name]), (-4.0, 4.0))
            for name, title, about in (
                ("KL", "KL(p || q): cover", "From both starts q comes to the same place."),
                ("reverse KL", "KL(q || p): pick", "Each start leads to the hill nearer to it."),
            )
        ),
        table=Table(
            ("what is descended", "divergence", *(f"from {_round(s)}" for s in STARTS)),
            tuple(_row(name, "integrated", fits) for name, fits in found.fits.items())
            + tuple(_row(name, _GAMES[name][1], fits) for name, fits in found.games.items()),
            "Where q comes to rest: its mean, and its standard deviation. The lower rows are "
            "costs of the core against the ideal critic.",
        ),
    )


def _picks(place: Fit) -> bool:
    """Whether q stands on one hill."""
    return min(abs(place[0] - hill) for hill in HILLS) < WIDTH


def _named(names: list[str]) -> str:
    *first, last = names or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def _round(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"  # no -0


def _row(name: str, divergence: str, fits: list[Fit]) -> tuple[str, ...]:
    return name, divergence, *(f"{_round(mean)} ± {width:.2f}" for mean, width in fits)


def _chart(title: str, about: str, fits: list[Fit]) -> Chart:
    x = SHOWN.tolist()
    lines = [Series("the data p", x, _rounded(log_p(SHOWN).exp()), 8)]
    for colour, (start, (mean, width)) in enumerate(zip(STARTS, fits, strict=True), 1):
        density = _log_normal(SHOWN, mean, width).exp()
        dashed = colour + 8 * (colour == 2)  # the two may lie on each other
        lines.append(Series(f"q from {_round(start)}", x, _rounded(density), dashed))
    return Chart(title, about, tuple(lines), zero=True, smooth=False)


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
