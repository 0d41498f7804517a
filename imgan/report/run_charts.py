"""The charts of a run, by its pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import curves, feature_curves
from .charts import Chart


def run_charts(
    rows: Sequence[curves.Row], recipe: Mapping[str, Any], domains: Sequence[str]
) -> list[Chart]:
    """Those that there are numbers for.

    Args:
        rows: as from `imgan.report.curves.read_rows`.
        recipe: the run's, plain.
        domains: the names of its domains, where it has any.
    """
    if recipe.get("pipeline") == "dann":
        data = recipe.get("data")
        attribute = data.get("attribute") if isinstance(data, Mapping) else None
        return feature_curves.charts(rows, domains, even=attribute is None)
    adversary = recipe.get("adversary")
    weight = adversary.get("weight") if isinstance(adversary, Mapping) else None
    return curves.charts(rows, weight if isinstance(weight, float) else 1.0)


def domains_of(run: Path) -> list[str]:
    """The names of the domains, as ``data.json`` in the run's folder tells them."""
    try:
        data = json.loads((run / "data.json").read_bytes())
    except (OSError, ValueError):
        return []
    names = data.get("domains") if isinstance(data, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
