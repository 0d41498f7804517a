"""The charts of a comparison's figure, each drawn into a box that it is given."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import plane as planes
from .arms import arrow, colours, cut
from .charts import COLOURS
from .comparison_page import FLOOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..comparison.result import Arm, Comparison, Lines, Metric

HEIGHT = 3.5
"""Inches of a box; it is about 1.4 times as wide."""

TITLE, SMALL = 9.5, 8.5
"""Points of titles, and of all other text."""

INK, SOFT, HAIR = "#1b1c1f", "#5d6067", "#d9d7d0"

_HUES = ("#d4501c", "#3253cf", "#0f7d69", "#9239ad", "#a97400", "#0b79a1", "#c0255a", "#596575")
"""The page's colours on white."""

Draw = Callable[["Axes"], None]


def charts(comparison: Comparison, metrics: Sequence[Metric]) -> list[Draw]:
    """At most two: the plane, the spectrum, lines; where there are none, bars of the metrics."""
    found: list[Draw] = []
    if laid := planes.plane(comparison):
        found.append(lambda box: _plane(box, laid))
    if comparison.spectra:
        found.append(lambda box: _spectrum(box, comparison))
    found += [_bound(_horizon, comparison, lines) for lines in comparison.horizons]
    return (found or [_bound(_bars, comparison, metric) for metric in metrics])[:2]


def _bound(draw: Callable[..., None], comparison: Comparison, what: object) -> Draw:
    return lambda box: draw(box, comparison, what)


def _plane(box: Axes, plane: planes.Plane) -> None:
    """The plane as it is laid out, in a box of its own shape."""
    box.set(xlim=(0, planes.WIDTH), ylim=(planes.HEIGHT, 0), aspect="equal")
    box.set_axis_off()
    size = 72 * HEIGHT / planes.HEIGHT * planes.TEXT  # points
    size = min(size, TITLE)
    left, right, top, bottom = planes.LEFT, planes.RIGHT, planes.TOP, planes.BOTTOM

    def text(x: float, y: float, text: str, **style: Any) -> None:
        plain: dict[str, Any] = {"fontsize": size, "color": SOFT, "parse_math": False}
        box.text(x, y, text, **plain | style)

    for at, label in plane.x.ticks:
        box.plot((at, at), (top, bottom), color=HAIR, linewidth=0.7, zorder=1)
        text(at, bottom + 15, label, ha="center", va="center")
    for at, label in plane.y.ticks:
        box.plot((left, right), (at, at), color=HAIR, linewidth=0.7, zorder=1)
        text(left - 6, at, label, ha="right", va="center")
    box.plot((left, left, right), (top, bottom, bottom), color=SOFT, linewidth=1, zorder=1)
    green = {"color": _HUES[2], "fontweight": "bold"}
    text(left, bottom + 38, "\u2190 better", ha="left", va="center", **green)
    text(right, bottom + 38, plane.x.label, ha="right", va="center")
    text(10, bottom, "\u2190 better", ha="center", va="bottom", rotation=90, **green)
    text(10, top, plane.y.label, ha="center", va="top", rotation=90)
    for dot in sorted(plane.dots, key=lambda dot: dot.large):
        colour = _HUES[dot.colour - 1]
        face = "white" if dot.hollow else colour
        area, above = (60, 4) if dot.large else (9, 3)
        box.scatter(
            *(dot.x, dot.y, area), color=face, edgecolors=colour, linewidths=1.6, zorder=above
        )
    for name in plane.names:
        if name.line:
            x, y, end_x, end_y = name.line
            box.plot((x, end_x), (y, end_y), color=SOFT, linewidth=0.8, zorder=2)
        anchor = {"start": "left", "middle": "center", "end": "right"}[name.anchor]
        bold = {"color": _HUES[name.colour - 1], "fontweight": "bold"}
        text(name.x, name.y, name.text, ha=anchor, va="center_baseline", zorder=5, **bold)


def _inside(box: Axes, foot: float) -> Axes:
    """Axes in a box, with room for their numbers, a title above and a legend below."""
    box.set_axis_off()
    axes: Axes = box.inset_axes((0.13, foot, 0.84, 0.92 - foot))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    axes.tick_params(labelsize=SMALL, colors=SOFT, length=0)
    axes.grid(color=HAIR, linewidth=0.7)
    axes.set_axisbelow(True)
    return axes


def _titled(axes: Axes, title: str) -> None:
    axes.set_title(cut(title, 60), fontsize=TITLE, color=INK, loc="left", parse_math=False)


def _lines(
    box: Axes,
    comparison: Comparison,
    title: str,
    x: Sequence[float],
    lines: dict[str, list[float]],
    level: float | None = None,
) -> None:
    """A line for every arm, and their names below."""
    axes = _inside(box, 0.27)
    _titled(axes, title)
    if level is not None:
        axes.axhline(level, color=SOFT, linewidth=1, linestyle=":")
    for arm in comparison.arms:
        values = np.asarray(lines.get(arm.name, ()), float)
        if len(values) and np.isfinite(values).any():
            colour, dash = style(comparison, arm)
            count = min(len(x), len(values))
            known = np.where(np.isfinite(values), values, np.nan)
            (drawn,) = axes.plot(x[:count], known[:count], dash, color=colour, linewidth=1.8)
            drawn.set_label(cut(arm.title, 16))
    legend = axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.46, -0.1),
        ncol=3,
        frameon=False,
        fontsize=SMALL,
        handlelength=1.4,
        columnspacing=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _spectrum(box: Axes, comparison: Comparison) -> None:
    spectra = comparison.spectra
    assert spectra is not None
    lines = {name: [max(y, FLOOR) for y in line] for name, line in spectra.power.items()}
    title = "Power over the truth's (dB) by cycles a pixel"
    _lines(box, comparison, title, spectra.frequency, lines, level=0.0)


def _horizon(box: Axes, comparison: Comparison, lines: Lines) -> None:
    _lines(box, comparison, lines.title, lines.x, lines.lines)


def _bars(box: Axes, comparison: Comparison, metric: Metric) -> None:
    """The arms' means, where there is neither a plane nor a line."""
    axes = _inside(box, 0.14)
    _titled(axes, f"{metric.title}{f' ({metric.unit})' if metric.unit else ''} {arrow(metric)}")
    axes.grid(visible=False, axis="x")
    for i, arm in enumerate(comparison.arms):
        mean = arm.mean(metric.key)
        if mean is not None and np.isfinite(mean):
            axes.bar(i, mean, color=style(comparison, arm)[0], width=0.6)
    names = [textwrap.fill(cut(arm.title, 26), 13) for arm in comparison.arms]
    axes.set_xticks(range(len(names)), names, rotation=30 if len(names) > 4 else 0)
    for label in axes.get_xticklabels():
        label.set_parse_math(False)


def style(comparison: Comparison, arm: Arm) -> tuple[str, str]:
    """An arm's colour, and how its lines are drawn."""
    number = colours(comparison)[arm.name]
    return _HUES[(number - 1) % COLOURS], "--" if number > COLOURS else "-"
