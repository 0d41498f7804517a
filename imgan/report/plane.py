"""The perception-distortion plane (Blau & Michaeli 2018): where its dots and names stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .arms import colours, cut, written
from .charts import COLOURS

if TYPE_CHECKING:
    from ..comparison.result import Arm, Comparison, Metric

WIDTH, HEIGHT = 420, 350
LEFT, RIGHT, TOP, BOTTOM = 62, 408, 12, 296
"""The drawing's size and the edges of its plot; y runs downward."""

TEXT = 13
"""Height of the names, in the same unit."""

_LETTER = 0.64 * TEXT  # the mean width of a letter
_LONGEST = 26  # letters of a name
_DOT = 7.0


class Dot(NamedTuple):
    """An arm's mean (large), or its figures with one seed; baselines are hollow."""

    x: float
    y: float
    colour: int
    large: bool
    hollow: bool
    about: str


class Name(NamedTuple):
    """An arm's name by its dot: where its `anchor` stands, and a line to the dot if it is far."""

    x: float
    y: float
    text: str
    anchor: str
    colour: int
    line: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Axis:
    """A metric, how the axis is labelled, and its ticks: places with their labels."""

    metric: Metric
    label: str
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Plane:
    """Everything that is drawn, in units of `WIDTH` and `HEIGHT`: the lower left is best."""

    x: Axis
    y: Axis
    dots: list[Dot]
    names: list[Name]


def plane(comparison: Comparison) -> Plane | None:
    """The plane of a comparison; None where it has none, or no arm has both figures."""
    if comparison.plane is None:
        return None
    across, upward = (comparison.metric(key) for key in comparison.plane)
    seeds = {arm.name: _pairs(arm, across, upward) for arm in comparison.arms}
    pairs = [pair for found in seeds.values() for pair in found]
    if not pairs:
        return None
    x_of = _Scale([across.distance(x) for x, _ in pairs], LEFT, RIGHT)
    y_of = _Scale([upward.distance(y) for _, y in pairs], BOTTOM, TOP)
    colour = {name: (number - 1) % COLOURS + 1 for name, number in colours(comparison).items()}

    def dot(arm: Arm, at: tuple[float, float], large: bool, which: str = "") -> Dot:
        x, y = x_of(across.distance(at[0])), y_of(upward.distance(at[1]))
        figures = ", ".join(
            f"{m.title} {written(m, v)}" for m, v in zip((across, upward), at, strict=True)
        )
        about = f"{arm.title}{which}: {figures}"
        return Dot(x, y, colour[arm.name], large, arm.kind == "baseline", about)

    small, large, titles = [], [], []
    for arm in sorted(comparison.arms, key=lambda arm: arm.kind != "baseline"):
        if found := seeds[arm.name]:
            if len(found) > 1:
                small += [dot(arm, pair, False, f", run {i}") for i, pair in enumerate(found, 1)]
            mean = (sum(x for x, _ in found) / len(found), sum(y for _, y in found) / len(found))
            large.append(dot(arm, mean, True))
            titles.append(arm.title)
    return Plane(
        Axis(across, _label(across), x_of.ticks(across)),
        Axis(upward, _label(upward), y_of.ticks(upward)),
        large + small,
        _names(titles, large, small),
    )


def _pairs(arm: Arm, across: Metric, upward: Metric) -> list[tuple[float, float]]:
    """The two figures seed by seed, those that can be drawn."""
    both = zip(arm.figures.get(across.key, ()), arm.figures.get(upward.key, ()), strict=False)
    return [pair for pair in both if all(map(math.isfinite, pair))]


def _label(metric: Metric) -> str:
    unit = f" ({metric.unit})" if metric.unit else ""
    name = cut(metric.title, 30)
    return f"distance of {name} from 1" if metric.better == "one" else f"{name}{unit}"


class _Scale:
    """Places of distances, whose range it fills with some room at both ends."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        low, high = min(values), max(values)
        room = 0.14 * (high - low) or 0.1 * abs(high) or 1.0
        self.low, self.high = low - room, high + room
        self.first, self.last = first, last

    def __call__(self, distance: float) -> float:
        share = (distance - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 2)

    def ticks(self, metric: Metric) -> list[tuple[float, str]]:
        from matplotlib.ticker import MaxNLocator

        found = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        inside = [float(at) for at in found if self.low < at < self.high]
        sign = -1 if metric.better == "higher" else 1
        return [(self(at), f"{sign * at + 0.0:.4g}".replace("-", "\u2212")) for at in inside]


def _names(titles: Sequence[str], large: Sequence[Dot], small: Sequence[Dot]) -> list[Name]:
    """Each name where it covers least: beside its dot, or a little away with a line to it."""
    taken = [_Box(d.x - _DOT, d.y - _DOT, d.x + _DOT, d.y + _DOT) for d in large]
    taken += [_Box(d.x - 3, d.y - 3, d.x + 3, d.y + 3) for d in small]
    names: list[Name] = []
    for title, dot in reversed(list(zip(titles, large, strict=True))):  # trained arms first
        text = cut(title, _LONGEST)
        places = _places(dot, len(text) * _LETTER)
        best = min(places, key=lambda place: place.cost(taken))
        taken += [best.box, *best.way]
        x, y = best.at
        line = (dot.x, dot.y, x, best.edge) if best.way else None
        names.append(Name(x, y, text, best.anchor, dot.colour, line))
    return names


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def covers(self, other: _Box) -> float:
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0.0


class _Place(NamedTuple):
    """Where a name might stand, what a line from the dot to it runs over, and its price."""

    anchor: str
    at: tuple[float, float]
    edge: float
    box: _Box
    way: list[_Box]
    price: float

    def cost(self, taken: Sequence[_Box]) -> float:
        """The price, and what it would cover of other things."""
        mine = [self.box, *self.way]
        return self.price + sum(one.covers(other) for one in mine for other in taken)


def _places(dot: Dot, width: float) -> list[_Place]:
    """Places around a dot in four rings, the outer ones dearer, and dear what leaves the plot."""
    inside = _Box(LEFT + 4, TOP, RIGHT, BOTTOM - 4)
    found = []
    for ring, gap in enumerate((_DOT + 4, 26.0, 46.0, 70.0)):
        for turn in range(16):
            angle = math.tau * turn / 16
            x, y = dot.x + 1.3 * gap * math.cos(angle), dot.y - gap * math.sin(angle)
            side = (math.cos(angle) > 0.3) - (math.cos(angle) < -0.3)  # 0: above or below
            anchor, left = ("middle", "start", "end")[side], x - width * (1 - side) / 2
            box = _Box(left, y - 0.6 * TEXT, left + width, y + 0.6 * TEXT)
            edge = y if side else (box.top if y > dot.y else box.bottom)
            outside = width * 1.2 * TEXT - box.covers(inside)
            price = 40.0 * ring + 2 * (turn % 8 > 0) + 10 * outside
            way = _way(dot, x, edge) if ring else []
            found.append(_Place(anchor, (x, y), edge, box, way, price))
    return found


def _way(dot: Dot, x: float, y: float) -> list[_Box]:
    """Small boxes along a line from the dot's rim."""
    shares = [0.3 + 0.1 * i for i in range(7)]
    points = [(dot.x + (x - dot.x) * share, dot.y + (y - dot.y) * share) for share in shares]
    return [_Box(x - 3, y - 3, x + 3, y + 3) for x, y in points]
