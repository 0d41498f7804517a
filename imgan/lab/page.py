"""lab/index.html: the experiments as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..report.charts import drawn
from ..report.page import write_page
from .section import Section


def write_lab_page(
    path: Path,
    sections: Mapping[str, Section],
    seconds: Mapping[str, float],
    seeds: int,
    quick: bool,
) -> Path:
    """Write the page of these sections, by the names of their experiments, and return its path."""
    charts = {
        name: [
            drawn(chart, f"{name}{i}", span) for i, (chart, span) in enumerate(section.charts, 1)
        ]
        for name, section in sections.items()
    }
    return write_page(
        path,
        "lab.html.j2",
        sections=sections,
        charts=charts,
        seconds=seconds,
        seeds=seeds,
        quick=quick,
    )
