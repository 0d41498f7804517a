"""MSE against adversarial as a page: one file that holds everything, and fetches nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import plane as planes
from .arms import GROUPS, arrow, cell, colours, columns, cut, winners
from .charts import COLOURS, Chart, Series, drawn
from .page import write_page
from .pixels import data_uri, is_exact
from .words import flat

if TYPE_CHECKING:
    from ..comparison.result import Arm, Comparison, Row

FLOOR = -40.0
"""Decibels: lines of power that go deeper stay on the chart's edge."""

_DIGIT = "\u2007"  # a space as wide as a digit

_POWER = (
    "How much fine detail there is: the power of each answer at every spatial frequency, over the "
    "truth's. 0 dB: as much as in the truth. Coarse structure is on the left, the finest on the "
    "right."
)
_RESIDUAL = (
    "How much is wrong: the power of the difference between answer and truth, over the truth's. "
    "0 dB: the error is as strong as the picture itself. Lower is nearer to the truth."
)


def write_comparison_page(comparison: Comparison, path: Path) -> Path:
    """Write the page of a comparison and return its path.

    Whatever the comparison does not have is left out. The pictures are in the file itself: those
    of up to 256 x 256 pixels exact, larger ones as WebP of quality 95.
    """
    number = colours(comparison)
    curves = [_curves(arm, i, number[arm.name]) for i, arm in enumerate(comparison.trained)]
    shown = [*comparison.rows, *comparison.crops, *comparison.pictures]
    return write_page(
        path,
        "compare.html.j2",
        comparison=comparison,
        colours={name: (at - 1) % COLOURS + 1 for name, at in number.items()},
        groups=[(*GROUPS[group], len(metrics)) for group, metrics in columns(comparison)],
        metrics=[(m, arrow(m)) for _, found in columns(comparison) for m in found],
        bodies=_table(comparison),
        several=len(comparison.seeds) > 1,
        plane=planes.plane(comparison),
        room=planes,
        rows=[_row(comparison, row) for row in comparison.rows],
        crops=[_row(comparison, crop) | {"box": crop.box} for crop in comparison.crops],
        pictures=[_row(comparison, row) for row in comparison.pictures],
        exact=all(is_exact(pane.pixels) for row in shown for pane in row.panes),
        spectra=_spectra(comparison, number),
        horizons=_horizons(comparison, number),
        curves=[found for found in curves if found["charts"] or found["warnings"]],
        runs={arm.name: [_run(path, run) for run in arm.runs] for arm in comparison.arms},
        recipe=_sections(comparison.recipe),
        data=_named(comparison.data_card),
        title=cut(comparison.name, 80),
    )


# -- the table -----------------------------------------------------------------------------------


def _table(comparison: Comparison) -> list[list[tuple[Arm, list[tuple[str, str, bool]]]]]:
    """Baselines, then trained arms: each with its cells, the mean, the spread, and if it is best.

    The means of a column have one length, so that their points stand below each other.
    """
    table: dict[str, list[tuple[str, str, bool]]] = {arm.name: [] for arm in comparison.arms}
    for metric in (metric for _, found in columns(comparison) for metric in found):
        best = winners(comparison, metric)
        texts = {arm.name: cell(arm, metric) for arm in comparison.arms}
        longest = max(len(mean) for mean, _ in texts.values())
        for name, (mean, spread) in texts.items():
            table[name].append((mean.rjust(longest, _DIGIT), spread, name in best))
    baselines = [arm for arm in comparison.arms if arm.kind == "baseline"]
    bodies = [[(arm, table[arm.name]) for arm in arms] for arms in (baselines, comparison.trained)]
    return [body for body in bodies if body]


# -- pictures ------------------------------------------------------------------------------------


def _row(comparison: Comparison, row: Row) -> dict[str, Any]:
    """A row's pictures, and the two that its slider shows first."""
    panes = [
        {
            "subject": pane.subject,
            "title": pane.title,
            "width": pane.pixels.shape[1],
            "height": pane.pixels.shape[0],
            "address": data_uri(pane.pixels),
        }
        for pane in row.panes
    ]
    pair = _pair(comparison, [pane.subject for pane in row.panes])
    return {"name": row.name, "note": row.note, "panes": panes, "pair": pair}


def _pair(comparison: Comparison, subjects: Sequence[str]) -> tuple[int, int]:
    """The panes to lay over each other: MSE and adversarial, else what comes nearest to it."""
    wanted = [arm.name for kind in ("mse", "adversarial") if (arm := comparison.of_kind(kind))]
    wanted += [arm.name for arm in comparison.trained if arm.name not in wanted]
    wanted += ["truth", *reversed(subjects)]
    there = [subjects.index(name) for name in dict.fromkeys(wanted) if name in subjects]
    first, second = [*there, 0, 0][:2]
    return first, second


# -- charts --------------------------------------------------------------------------------------


def _spectra(comparison: Comparison, number: Mapping[str, int]) -> list[dict[str, Any]]:
    """Power, and power of the residual, by spatial frequency."""
    spectra = comparison.spectra
    if spectra is None:
        return []
    made = []
    for key, title, about, lines in (
        ("power", "Detail by frequency, dB", _POWER, spectra.power),
        ("residual", "Error by frequency, dB", _RESIDUAL, spectra.residual),
    ):
        if series := _series(comparison, number, spectra.frequency, lines, FLOOR):
            if any(FLOOR in line.y for line in series):
                about += f" What lies deeper than \u2212{-FLOOR:.0f} dB is drawn on the lower edge."
            level = (0.0, "as the truth")
            chart = Chart(title, about, series, zero=True, level=level, smooth=False)
            made.append(drawn(chart, key, (0, max(spectra.frequency))))
    return made


def _horizons(comparison: Comparison, number: Mapping[str, int]) -> list[dict[str, Any]]:
    made = []
    for i, lines in enumerate(comparison.horizons):
        if series := _series(comparison, number, lines.x, lines.lines):
            chart = Chart(lines.title, lines.about, series, smooth=False)
            made.append(drawn(chart, f"horizon{i}", (min(lines.x), max(lines.x))))
    return made


def _series(
    comparison: Comparison,
    number: Mapping[str, int],
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    floor: float = -math.inf,
) -> tuple[Series, ...]:
    """A line for every arm that has one, in its colour; points that are no numbers are left out."""
    found = []
    for arm in comparison.arms:
        points = zip(x, lines.get(arm.name, ()), strict=False)
        known = [(at, max(y, floor)) for at, y in points if not math.isnan(y)]
        known = [(at, y) for at, y in known if math.isfinite(y)]
        if known:
            xs, ys = zip(*known, strict=True)
            found.append(Series(arm.title, xs, ys, number[arm.name]))
    return tuple(found)


def _curves(arm: Arm, index: int, colour: int) -> dict[str, Any]:
    """Losses and health of an arm's first run, and what training warned of."""
    last = max((at for chart in arm.charts for s in chart.series for at in s.x), default=1)
    charts = [
        drawn(chart, f"arm{index}-{i}", (0, max(last, 1))) for i, chart in enumerate(arm.charts)
    ]
    return {"arm": arm, "colour": colour, "charts": charts, "warnings": arm.warnings}


# -- how it was done -----------------------------------------------------------------------------


def _run(page: Path, run: str) -> dict[str, str | None]:
    """A run's folder, and the address of its own page where it has one."""
    there = (page.parent / run / "index.html").is_file()
    return {"name": run, "address": quote(f"{run}/index.html") if there else None}


def _sections(recipe: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The recipe by section."""
    single = {key: value for key, value in recipe.items() if not isinstance(value, Mapping)}
    sections = {"": single} | {k: v for k, v in recipe.items() if isinstance(v, Mapping)}
    return [(section, flat(settings)) for section, settings in sections.items() if settings]


def _named(card: Mapping[str, Any]) -> dict[str, Any]:
    flattened = flat(card).items()
    return {name.replace("_", " ").replace(".", " \u00b7 "): value for name, value in flattened}
