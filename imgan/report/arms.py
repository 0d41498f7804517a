"""What the page and the figure of a comparison share: colours of the arms, and figures as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .charts import COLOURS

if TYPE_CHECKING:
    from ..comparison.result import Arm, Comparison, Metric

_MSE, _ADVERSARIAL, _BASELINE = 2, 1, COLOURS
GROUPS = {
    "fidelity": ("Fidelity", "near the truth"),
    "perception": ("Perception", "looks like the truth"),
    "distribution": ("Distribution", "alike as a whole"),
    "sharpness": ("Sharpness", "as sharp as the truth"),
    "task": ("Task", "does its job"),
}
"""Groups of metrics in the order of tables: a heading, and what the figures of the group ask."""


def colours(comparison: Comparison) -> dict[str, int]:
    """Each arm's colour, by name: a number as `imgan.report.charts.Series` takes it.

    MSE and adversarial have the colours that they have on the page of a run, baselines are grey.
    """
    first = {"mse": _MSE, "adversarial": _ADVERSARIAL, "baseline": _BASELINE}
    others = [i for i in range(1, COLOURS + 1) if i not in first.values()]
    found, more, grey = {}, 0, 0
    for arm in comparison.arms:
        if arm.kind == "baseline":
            found[arm.name] = _BASELINE + COLOURS * (grey % 2)  # solid, dashed
            grey += 1
        elif arm.kind in first:
            found[arm.name] = first.pop(arm.kind)
        else:
            found[arm.name] = others[more % len(others)] + COLOURS * (more // len(others) % 2)
            more += 1
    return found


def columns(comparison: Comparison) -> list[tuple[str, list[Metric]]]:
    """The metrics by group, groups in the order of `GROUPS`; those that no arm has are left out."""
    known = {key for arm in comparison.arms for key, values in arm.figures.items() if values}
    metrics = [metric for metric in comparison.metrics if metric.key in known]
    found = [(group, [m for m in metrics if m.group == group]) for group in GROUPS]
    return [(group, metrics) for group, metrics in found if metrics]


def arrow(metric: Metric) -> str:
    """Which way is better."""
    return {"higher": "\u2191", "lower": "\u2193", "one": "\u2192 1"}[metric.better]


def written(metric: Metric, value: float | None) -> str:
    """A figure with the metric's digits; a dash where there is none."""
    if value is None or math.isnan(value):
        return "\u2013"
    if math.isinf(value):
        return "\u221e" if value > 0 else "\u2212\u221e"
    return f"{value:.{metric.digits}f}".replace("-", "\u2212")


def cell(arm: Arm, metric: Metric) -> tuple[str, str]:
    """The mean over the seeds, and the spread; the second is empty where there is none."""
    values = arm.figures.get(metric.key, [])
    spread = arm.spread(metric.key) if all(map(math.isfinite, values)) else None
    return written(metric, arm.mean(metric.key)), "" if spread is None else written(metric, spread)


def winners(comparison: Comparison, metric: Metric) -> set[str]:
    """Names of the trained arms to mark as best: none where all of them are."""
    best = set(comparison.best(metric))
    return best if len(best) < len(comparison.trained) else set()


def cut(text: str, most: int) -> str:
    """A name of one line and at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "\u2026"
