"""What an experiment shows on the page: prose, charts, pictures and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import mean

from ..report.charts import Chart

SIDE = 200
"""A picture is a square of so many units."""


@dataclass(frozen=True)
class Picture:
    """A drawing as inline SVG, and what stands under it."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Strip:
    """Pictures that are looked at together, with a name and a line about them."""

    name: str
    about: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Table:
    """A row has a cell for each column; `about` tells how the numbers were measured."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    about: str


@dataclass(frozen=True)
class Section:
    """An experiment as the page tells it.

    Args:
        title: a heading.
        text: what is asked and what one sees, a paragraph each.
        take: what to take along, a sentence made from the numbers.
        papers: where it comes from.
        code: what the core calls it: lines of Python.
        charts: line charts, each with the first and last x of its axis.
        strips: rows of pictures.
        table: numbers.
    """

    title: str
    text: tuple[str, ...]
    take: str
    papers: tuple[str, ...]
    code: str
    charts: tuple[tuple[Chart, tuple[float, float]], ...] = ()
    strips: tuple[Strip, ...] = ()
    table: Table | None = None


def scatter(
    points: Sequence[Sequence[float]], marks: Sequence[Sequence[float]], reach: float, label: str
) -> str:
    """Points ``(x, y)`` as SVG, over rings around `marks`; both axes run from -reach to reach.

    Points outside stand at the edge, so that none is hidden.
    """
    circles = "".join(
        f'<circle cx="{_place(x, reach)}" cy="{_place(-y, reach)}" r="8"/>' for x, y in marks
    )
    # A line of length 0 with round ends is a dot: far shorter than an element a point.
    dots = "".join(f"M{_place(x, reach)} {_place(-y, reach)}h0" for x, y in points)
    return _square(
        f'<g class="marks">{circles}</g><path class="dots" d="{dots}"/>',
        label,
    )


def paths(lines: Sequence[tuple[int, Sequence[Sequence[float]]]], reach: float, label: str) -> str:
    """Paths of points ``(x, y)``, each with the number of its colour, around a cross at 0.

    A ring stands where a path begins, a dot where it ends.
    """
    drawn = []
    for colour, line in lines:
        places = [(_place(x, reach), _place(-y, reach)) for x, y in line]
        steps = "L".join(f"{x} {y}" for x, y in places)
        (x0, y0), (x1, y1) = places[0], places[-1]
        drawn.append(
            f'<g style="--own:var(--c{colour})"><path class="trail" d="M{steps}"/>'
            f'<circle class="begin" cx="{x0}" cy="{y0}" r="4"/>'
            f'<circle class="end" cx="{x1}" cy="{y1}" r="4"/></g>'
        )
    middle = SIDE // 2
    cross = f"M{middle - 5} {middle}h10M{middle} {middle - 5}v10"
    return _square(f'<path class="cross" d="{cross}"/>{"".join(drawn)}', label)


def _place(value: float, reach: float) -> str:
    """Where a value stands from the left, or its negative from the top."""
    share = (max(-reach, min(reach, value)) / reach + 1) / 2
    return f"{2 + share * (SIDE - 4):.1f}".removesuffix(".0")


def _square(body: str, label: str) -> str:
    return f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{escape(label)}">{body}</svg>'


def spread(values: Sequence[float], digits: int = 1, unit: str = "") -> str:
    """The mean of a few values, and the least and the greatest where they differ.

    >>> spread([8, 7, 8]), spread([3.0, 3.0])
    ('7.7 (7.0 to 8.0)', '3.0')
    """
    low, high = min(values), max(values)
    middle = f"{mean(values):.{digits}f}{unit}"
    if f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return middle
    return f"{middle} ({low:.{digits}f} to {high:.{digits}f})"
