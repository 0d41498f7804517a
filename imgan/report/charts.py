"""Line charts as inline SVG, in the page's own colours and type, with numbers for its readout."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from .words import number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 380, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 362, 10, 172
"""The chart's size and the edges of its plot, in units of its viewBox."""

COLOURS = 8
"""The page has as many line colours, ``--c1`` and on."""

POINTS = 240
"""So many points of a line are drawn; more cannot be told apart."""

SPREAD = 30.0
"""Largest over smallest value from which a logarithmic axis helps."""

# The SVG is drawn in these colours, and then each becomes a colour of the page, light or dark.
_LINES = [f"#0000f{i}" for i in range(1, COLOURS + 1)]
_PAGE = {"#00f001": "--soft", "#00f002": "--line"} | {
    line: f"--c{i}" for i, line in enumerate(_LINES, 1)
}
_SOFT, _HAIR = list(_PAGE)[:2]


@dataclass(frozen=True)
class Series:
    """A line: its name in the legend, points with rising x, and the number of its colour, from 1.

    A colour over `COLOURS` begins again with the first, dashed.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int


@dataclass(frozen=True)
class Chart:
    """Lines that belong together, and what to say of them.

    Args:
        title, about: a heading, and one sentence that tells how to read the chart.
        series: the lines.
        percent: the values are shares, shown from 0 to 100 %.
        log: a logarithmic axis may be taken where the values ask for one.
        zero: the axis reaches down to 0.
        level: a value to measure the lines by, and its name.
        smooth: draw the lines smoothed, the values as they are behind them.
    """

    title: str
    about: str
    series: tuple[Series, ...]
    percent: bool = False
    log: bool = False
    zero: bool = False
    level: tuple[float, str] | None = None
    smooth: bool = True


def drawn(chart: Chart, key: str, span: tuple[float, float]) -> dict[str, Any]:
    """What the template ``chart.html.j2`` shows: the SVG, the legend, and the points.

    Args:
        chart: what to draw.
        key: unlike that of any other chart of the page; its ids begin with it.
        span: first and last x of the axis, the same for all charts of a page.
    """
    lines = [_thin(series) for series in chart.series]
    show = percent if chart.percent else number
    return {
        "title": chart.title,
        "about": chart.about,
        "svg": _svg(chart, lines, key, span),
        "legend": [
            {"name": s.name, "colour": _number(s), "dashed": _dashed(s), "value": show(s.y[-1])}
            for s in chart.series
        ],
        "level": chart.level[1] if chart.level else None,
        "points": {
            "left": LEFT / WIDTH,
            "right": RIGHT / WIDTH,
            "span": span,
            "percent": chart.percent,
            "x": [[round(x, 4) for x in line.x] for line in lines],
            "y": [[float(f"{y:.4g}") for y in line.y] for line in lines],
        },
    }


def _number(series: Series) -> int:
    return (series.colour - 1) % COLOURS + 1


def _dashed(series: Series) -> bool:
    return series.colour > COLOURS


def _thin(series: Series) -> Series:
    """At most `POINTS` points, each the mean of its neighbours; the last keeps its x."""
    size = math.ceil(len(series.x) / POINTS)
    if size < 2:
        return series
    starts = range(0, len(series.x), size)
    chunks = [series.y[start : start + size] for start in starts]
    x = [series.x[min(start + size, len(series.x)) - 1] for start in starts]
    return Series(series.name, x, [sum(c) / len(c) for c in chunks], series.colour)


def _smoothed(y: Sequence[float]) -> list[float]:
    """Means over a window around each point, an eighth of the line wide in all."""
    half = len(y) // 16
    windows = (y[max(0, i - half) : i + half + 1] for i in range(len(y)))
    return [sum(window) / len(window) for window in windows]


def _svg(chart: Chart, lines: Sequence[Series], key: str, span: tuple[float, float]) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "imgan"}):
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
        FigureCanvasSVG(figure)
        _plot(figure, chart, lines, span)
        text = io.StringIO()
        none = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=none, transparent=True)
    return _inline(text.getvalue(), key, chart.title, _described(chart))


def _plot(figure: Figure, chart: Chart, lines: Sequence[Series], span: tuple[float, float]) -> None:
    """Lines and text straight into the figure: an Axes would take most of the time."""
    from matplotlib.lines import Line2D

    scale = _scale(chart, [value for line in lines for value in line.y])
    first, last = span if span[0] < span[1] else (span[0], span[0] + 1)

    def line(x: Sequence[float], y: Sequence[float], **style: Any) -> None:
        across = [(LEFT + (RIGHT - LEFT) * (at - first) / (last - first)) / WIDTH for at in x]
        upward = (BOTTOM - TOP) / (scale.high - scale.low)
        up = [1 - (BOTTOM - (at - scale.low) * upward) / HEIGHT for at in y]
        figure.add_artist(Line2D(across, up, **style))

    def text(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / WIDTH, 1 - y / HEIGHT, text, size=13, color=_SOFT, **style)

    for height, label in scale.ticks:
        line((first, last), (height, height), color=_HAIR, linewidth=0.8)
        place = BOTTOM - (height - scale.low) / (scale.high - scale.low) * (BOTTOM - TOP)
        text(LEFT - 6, place, label, ha="right", va="center")
    for x in _even(first, last, whole=all(x == int(x) for line in lines for x in line.x)):
        place = LEFT + (RIGHT - LEFT) * (x - first) / (last - first)
        text(place, BOTTOM + 7, _short(x), ha="center", va="top")
    if chart.level:
        height = scale.of(chart.level[0])
        line((first, last), (height, height), color=_SOFT, linewidth=1, linestyle=":")
    for series in lines:
        heights = [scale.of(value) for value in series.y]
        style: dict[str, Any] = {"color": _LINES[_number(series) - 1], "linewidth": 1.8}
        style |= {"linestyle": "--"} if _dashed(series) else {"solid_capstyle": "round"}
        if len(heights) == 1:
            line(series.x, heights, marker="o", markersize=4, **style)
        elif chart.smooth and len(heights) >= 32:
            line(series.x, heights, alpha=0.28, **style | {"linewidth": 1})
            line(series.x, _smoothed(heights), **style)
        else:
            line(series.x, heights, **style)


@dataclass(frozen=True)
class _Scale:
    """The upright axis: its ends, its ticks with their labels, and a value's place on it."""

    low: float
    high: float
    ticks: list[tuple[float, str]]
    log: bool = False

    def of(self, value: float) -> float:
        return math.log10(value) if self.log else value


_LEAST = 1e-30  # smaller numbers are drawn as zero


def _scale(chart: Chart, values: Sequence[float]) -> _Scale:
    low, high = min(values), max(values)
    if chart.percent:
        return _Scale(-0.02, 1.04, [(0, "0"), (0.5, "50 %"), (1, "100 %")])
    if chart.log and low > 0 and high / low > SPREAD:
        bottom, top = math.log10(low), math.log10(high)
        decades = range(math.floor(bottom), math.ceil(top) + 1)
        every = math.ceil(len(decades) / 6)
        between = (1, 3) if top - bottom < 2.5 else (1,)
        marks = [m * 10.0**e for e in decades if e % every == 0 for m in between]
        inside = [mark for mark in marks if low <= mark <= high]
        pad = 0.04 * (top - bottom)
        ticks = [(math.log10(mark), _short(mark)) for mark in inside]
        return _Scale(bottom - pad, top + pad, ticks, log=True)
    if chart.level and chart.zero:
        high = max(high, chart.level[0])
    low = min(0, low) if chart.zero else low
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * max(size, _LEAST):  # a flat line stands in the middle
        around = (size if size > _LEAST else 1) / 2
        low, high = (0, 1) if chart.zero else (low - around, high + around)
    pad = 0.05 * (high - low)
    low, high = (low if chart.zero else low - pad), high + pad
    return _Scale(low, high, [(tick, _short(tick)) for tick in _even(low, high)])


def _even(low: float, high: float, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, about four of them."""
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    slack = 1e-6 * (high - low)
    return [float(tick) for tick in ticks if low - slack <= tick <= high + slack]


def _short(value: float) -> str:
    """A tick's label: 0.002, 3e-5, 20k, 3M."""
    size = abs(value)
    if size and not 1e-3 <= size < 1e12:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    else:
        unit, letter = next(
            ((u, name) for u, name in ((1e9, "G"), (1e6, "M")) if size >= u),
            (1e3, "k") if size >= 1e4 else (1, ""),
        )
        text = f"{value / unit:.4g}{letter}"
    return text.replace("-", "\u2212")


def _described(chart: Chart) -> str:
    show = percent if chart.percent else number
    lines = [
        f"{s.name}: from {show(s.y[0])} at {number(s.x[0])} to {show(s.y[-1])} at {number(s.x[-1])}"
        for s in chart.series
    ]
    return f"{chart.about} {'; '.join(lines)}."


def _inline(svg: str, key: str, title: str, description: str) -> str:
    """Matplotlib's file as an element of a page.

    Its style sheet would hold for the whole page, its ids are the same in every chart, and its
    size is fixed; without these and the namespaces it is plain SVG in HTML.
    """
    body = svg[svg.index("<svg") :].partition(">")[2]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = body.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    for name in used:
        body = re.sub(rf'(id="|href="#|url\(#){re.escape(name)}(?=[")])', rf"\1{key}-{name}", body)
    body = re.sub(rf' id="(?!{re.escape(key)}-)[^"]*"', "", body)
    body = re.sub("|".join(_PAGE), lambda match: f"var({_PAGE[match[0]]})", body)
    body = re.sub(r"\s*\n\s*", " ", body)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{key}-title {key}-about">'
        f'<title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-about">{escape(description)}</desc>{body}'
    )
