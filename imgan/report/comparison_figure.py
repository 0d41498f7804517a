"""MSE against adversarial as one picture, for a paper or a README: crops, charts, and the means."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import replacing
from .arms import arrow, cell, columns, cut, winners
from .figure_charts import HAIR, HEIGHT, INK, SMALL, SOFT, TITLE, charts, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..comparison.result import Comparison, Metric, Row

WIDTH, DPI = 10.0, 200
"""Inches, and pixels an inch."""

MOST_ROWS, MOST_METRICS = 3, 8
"""So many rows of pictures, and columns of the table."""

_MARGIN, _GAP = 0.2, 0.06  # inches
_LARGEST = 2.2  # inches, of a picture's side
_ROOM = 0.15  # inches, above the charts
_LINE = 0.25  # inches, of the table


def write_comparison_figure(comparison: Comparison, path: Path) -> Path:
    """Write the figure as a PNG of `WIDTH` x `DPI` pixels across and return its path.

    On top the crops of up to `MOST_ROWS` test images (without crops, whole images or pictures of
    the features), then the plane and the spectrum, or what there is in their place, then the
    means. Whatever the comparison does not have is left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = (comparison.crops or comparison.rows or comparison.pictures)[:MOST_ROWS]
    metrics = _chosen(comparison)
    drawings = charts(comparison, metrics)
    parts = [
        (sum(_height(row) + _GAP + _heading(rows, i) for i, row in enumerate(rows)), bool(rows)),
        (_ROOM + HEIGHT, bool(drawings)),
        (_LINE * (len(comparison.arms) + 2.4), bool(metrics)),
        (0.34, True),
    ]
    height = 2 * _MARGIN + sum(size for size, there in parts if there)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    sheet = _Sheet(figure, height, _MARGIN)
    _pictures(sheet, rows)
    if drawings:
        wide = (WIDTH - 2 * _MARGIN) / 2
        left = (WIDTH - wide * len(drawings)) / 2
        for i, draw in enumerate(drawings):
            draw(sheet.axes(left + i * wide, wide, HEIGHT, down=_ROOM))
        sheet.top += _ROOM + HEIGHT
    if metrics:
        _table(sheet, comparison, metrics)
    _caption(sheet, comparison)
    with replacing(path) as beside, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names of any script
        figure.savefig(beside, dpi=DPI, format="png", metadata={"Software": None})
    return path


@dataclass
class _Sheet:
    """A figure that is filled from top to bottom, in inches from its upper left corner."""

    figure: Figure
    height: float
    top: float

    def axes(self, left: float, width: float, height: float, down: float = 0.0) -> Axes:
        """A box below everything that is there."""
        bottom = self.height - self.top - down - height
        return self.figure.add_axes(
            (left / WIDTH, bottom / self.height, width / WIDTH, height / self.height)
        )

    def text(self, x: float, down: float, text: str, size: float = SMALL, **style: Any) -> None:
        """A text that begins at `x`, its middle line `down` from the top of what is free."""
        y = 1 - (self.top + down) / self.height
        style = {"color": INK, "va": "center"} | style
        printable = text.encode(errors="replace").decode()  # names may be of any bytes
        self.figure.text(x / WIDTH, y, printable, fontsize=size, parse_math=False, **style)

    def line(self, down: float, colour: str = HAIR, width: float = 0.8) -> None:
        """A rule from side to side."""
        from matplotlib.lines import Line2D

        y = 1 - (self.top + down) / self.height
        across = (_MARGIN / WIDTH, 1 - _MARGIN / WIDTH)
        self.figure.add_artist(Line2D(across, (y, y), color=colour, linewidth=width))


# -- pictures ------------------------------------------------------------------------------------


def _side(row: Row) -> float:
    """The width of each of a row's pictures."""
    room = WIDTH - 2 * _MARGIN - _GAP * (len(row.panes) - 1)
    pixels = row.panes[0].pixels
    tall = pixels.shape[0] / pixels.shape[1]
    return float(min(room / len(row.panes), 1.6 * _LARGEST, _LARGEST / tall))


def _height(row: Row) -> float:
    height, width, _ = row.panes[0].pixels.shape
    return _side(row) * float(height / width)


def _heading(rows: Sequence[Row], index: int) -> float:
    """Room for the titles, which stand above the first row and where they change."""
    same = index and _titles(rows[index]) == _titles(rows[index - 1])
    return 0.0 if same and _side(rows[index]) == _side(rows[index - 1]) else 0.26


def _titles(row: Row) -> list[str]:
    return [pane.title for pane in row.panes]


def _pictures(sheet: _Sheet, rows: Sequence[Row]) -> None:
    for index, row in enumerate(rows):
        side, height = _side(row), _height(row)
        left = (WIDTH - len(row.panes) * (side + _GAP) + _GAP) / 2
        heading = _heading(rows, index)
        for i, pane in enumerate(row.panes):
            x = left + i * (side + _GAP)
            if heading:
                points = 110 * side  # over the letters: about the size at which they fit
                size = min(TITLE, max(7.0, points / max(len(pane.title), 1)))
                title = cut(pane.title, round(points / size))
                sheet.text(x + side / 2, heading / 2, title, size, ha="center")
            axes = sheet.axes(x, side, height, down=heading)
            axes.imshow(pane.pixels, aspect="auto", interpolation="antialiased")
            axes.set_axis_off()
        sheet.top += heading + height + _GAP


# -- text ----------------------------------------------------------------------------------------


def _chosen(comparison: Comparison) -> list[Metric]:
    """The table's metrics: all, or of each group in turn the next one until there are enough."""
    groups = [metrics for _, metrics in columns(comparison)]
    deepest = max(map(len, groups), default=0)
    ranked = [group[i] for i in range(deepest) for group in groups if i < len(group)]
    kept = ranked[:MOST_METRICS]
    return [metric for group in groups for metric in group if metric in kept]


def _table(sheet: _Sheet, comparison: Comparison, metrics: Sequence[Metric]) -> None:
    """Arms by metrics: means, with several seeds their spread; the best trained arms are bold."""
    first = 2.0
    wide = min((WIDTH - 2 * _MARGIN - first) / len(metrics), 1.9)
    letters = int(wide * 12)
    x = [_MARGIN + first + i * wide for i in range(len(metrics))]
    for metric, left in zip(metrics, x, strict=True):
        unit = f" {metric.unit}" if metric.unit else ""
        lines = textwrap.wrap(f"{metric.title}{unit}", letters - 2) or [""]
        title = "\n".join([*lines[:1], cut(" ".join(lines[1:]), letters - 2)]).strip()
        sheet.text(left, 0.28, f"{title} {arrow(metric)}", color=SOFT, linespacing=1.1)
    sheet.top += 1.9 * _LINE
    sheet.line(0.0, SOFT)
    best = [winners(comparison, metric) for metric in metrics]
    for i, arm in enumerate(comparison.arms):
        middle = (i + 0.55) * _LINE
        weight = "normal" if arm.kind == "baseline" else "bold"
        sheet.text(_MARGIN, middle, "\u25cf", color=style(comparison, arm)[0], size=7)
        sheet.text(_MARGIN + 0.17, middle, cut(arm.title, 22), fontweight=weight)
        for metric, left, winning in zip(metrics, x, best, strict=True):
            mean, spread = cell(arm, metric)
            text = f"{mean} \u00b1 {spread}" if spread else mean
            size = min(SMALL, 100 * wide / max(len(text), 1))
            bold = "bold" if arm.name in winning else "normal"
            sheet.text(left, middle, text, size, fontweight=bold)
        sheet.line((i + 1.05) * _LINE)
    sheet.top += _LINE * (len(comparison.arms) + 0.5)


def _caption(sheet: _Sheet, comparison: Comparison) -> None:
    """What it is, and over how many seeds."""
    several = len(comparison.seeds)
    seeds = f" Means over {several} seeds \u00b1 standard deviation." if several > 1 else ""
    best = " Bold: best of the trained arms." if comparison.metrics else ""
    words = f"{comparison.what.rstrip('.')}. Tested on {comparison.test.rstrip('.')}.{seeds}{best}"
    lines = textwrap.wrap(" ".join(words.split()), 180)
    for i, line in enumerate(lines[:2]):
        last = i == 1 and len(lines) > 2
        sheet.text(_MARGIN, 0.1 + 0.16 * i, line + " \u2026" * last, 7.5, color=SOFT)
