"""What a comparison has found: plain data, which the page, the figure and the JSON all show."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Kind = Literal["baseline", "mse", "adversarial", "other"]
Group = Literal["fidelity", "perception", "distribution", "sharpness", "task"]
Better = Literal["higher", "lower", "one"]


TAKEN = ("input", "bicubic", "copy", "truth")
"""Names of baselines and panes, which no arm can have."""


@dataclass(frozen=True)
class Metric:
    """A figure: how it is written, which way is better (``one``: the nearer to 1), and its room."""

    key: str
    title: str
    group: Group
    better: Better
    digits: int = 2
    unit: str = ""

    def distance(self, value: float) -> float:
        """How bad a value is: the less the better."""
        if self.better == "one":
            return abs(value - 1)
        return value if self.better == "lower" else -value


@dataclass
class Arm:
    """One side of the comparison: a baseline, or a way to train, with its figures seed by seed.

    Attributes:
        name: of its own, as on the command line: ``mse``.
        title: as tables show it: ``MSE``.
        about: what it is in this pipeline, in words.
        changes: the settings in which it differs from the recipe, as ``key=value``.
        cost: of a model that was there, as its card says: shipped twins may have paid L1.
        figures: metric's key to its value for every seed (a baseline has one).
        seconds: of training, seed by seed.
        runs: folders of its runs, seen from the page; empty for models that were there.
        charts: of losses and health, of the first seed: ``imgan.report.charts.Chart``.
    """

    name: str
    title: str
    kind: Kind
    about: str = ""
    changes: tuple[str, ...] = ()
    cost: str = "mse"
    figures: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    runs: list[str] = field(default_factory=list)
    charts: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def mean(self, key: str) -> float | None:
        """The mean over the seeds; None where there is no figure."""
        values = self.figures.get(key)
        return statistics.fmean(values) if values else None

    def spread(self, key: str) -> float | None:
        """The standard deviation over the seeds; None for fewer than two."""
        values = [value for value in self.figures.get(key, ()) if math.isfinite(value)]
        return statistics.stdev(values) if len(values) > 1 else None


@dataclass
class Pane:
    """A picture in a row: `subject` is an arm's name, or ``input`` or ``truth``."""

    subject: str
    title: str
    pixels: Pixels
    """``[H, W, 3]``; all panes of a row have one size."""


@dataclass
class Row:
    """Pictures of one test image, side by side; `note` says what is shown, such as +4 frames."""

    name: str
    panes: list[Pane]
    note: str = ""


@dataclass
class Crop(Row):
    """A part of a test image where arms differ most: `box` is left, top, right, bottom of it."""

    box: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Spectra:
    """Power by spatial frequency, all over the truth's at that frequency, in dB.

    `power` is of each arm's answer, `residual` of its difference from the truth. Of the mean of all
    possible answers both together are the truth's power: what it leaves out is what it errs by.
    """

    frequency: list[float]
    """Cycles a pixel, rising, up to 0.5."""
    power: dict[str, list[float]]
    residual: dict[str, list[float]]
    about: str


@dataclass
class Lines:
    """A figure of every arm by an integer, as PSNR by frames ahead."""

    title: str
    about: str
    x: list[float]
    lines: dict[str, list[float]]


@dataclass
class Comparison:
    """Everything that is shown. Arms: baselines first, then as they were asked for."""

    name: str
    what: str
    pipeline: str
    data: str
    test: str
    seeds: list[int]
    arms: list[Arm]
    metrics: list[Metric]
    protocol: list[str]
    verdict: list[str] = field(default_factory=list)
    plane: tuple[str, str] | None = None
    """Keys of distortion and perception, the axes of the plane (Blau & Michaeli 2018)."""
    tested: int = 0
    """Test images; 0 where they are not shown one by one, as of domains."""
    rows: list[Row] = field(default_factory=list)
    crops: list[Crop] = field(default_factory=list)
    crop_rule: str = ""
    spectra: Spectra | None = None
    horizons: list[Lines] = field(default_factory=list)
    pictures: list[Row] = field(default_factory=list)
    """Pictures that are no test images, as features in a plane."""
    recipe: dict[str, Any] = field(default_factory=dict)
    data_card: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def trained(self) -> list[Arm]:
        """The arms that are no baselines."""
        return [arm for arm in self.arms if arm.kind != "baseline"]

    def metric(self, key: str) -> Metric:
        """A metric by its key."""
        return next(metric for metric in self.metrics if metric.key == key)

    def of_kind(self, kind: Kind) -> Arm | None:
        """The first arm of a kind."""
        return next((arm for arm in self.arms if arm.kind == kind), None)

    def best(self, metric: Metric) -> list[str]:
        """The trained arms whose mean is best, as tables write it."""
        means = {arm.name: arm.mean(metric.key) for arm in self.trained}
        known = {
            name: round(metric.distance(value), metric.digits)
            for name, value in means.items()
            if value is not None and not math.isnan(value)
        }
        least = min(known.values(), default=0.0)
        return [name for name, value in known.items() if value == least]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; pictures are left out, and infinite figures are None."""
        found: dict[str, Any] = {key: getattr(self, key) for key in _PLAIN}
        found["metrics"] = [vars(metric) for metric in self.metrics]
        found["plane"] = list(self.plane) if self.plane else None
        found["arms"] = [_arm(arm) for arm in self.arms]
        found["spectra"] = vars(self.spectra) if self.spectra else None
        found["horizons"] = [vars(lines) for lines in self.horizons]
        found["crops"] = [{"name": crop.name, "box": list(crop.box)} for crop in self.crops]
        return found


_PLAIN = (
    *("name", "what", "pipeline", "data", "test", "seeds", "protocol", "verdict", "crop_rule"),
    *("recipe", "data_card", "versions", "hardware", "seconds"),
)


def _arm(arm: Arm) -> dict[str, Any]:
    plain = ("name", "title", "kind", "about", "changes", "seconds", "steps", "runs", "warnings")
    figures = {key: [_finite(value) for value in values] for key, values in arm.figures.items()}
    means = {key: _finite(arm.mean(key)) for key in arm.figures}
    spreads = {key: arm.spread(key) for key in arm.figures}
    return {key: getattr(arm, key) for key in plain} | {
        "figures": figures,
        "mean": means,
        "spread": spreads,
        "curves": [_curves(chart) for chart in arm.charts],
    }


def _curves(chart: Any) -> dict[str, Any]:
    """The values of a chart by step, as they were logged."""
    lines = {
        series.name: [[x, _finite(y)] for x, y in zip(series.x, series.y, strict=True)]
        for series in chart.series
    }
    return {"title": chart.title, "lines": lines}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
