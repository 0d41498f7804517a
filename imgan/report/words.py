"""Numbers, times and settings as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MOST = 40
"""So many items of a list are written out."""


def number(value: float) -> str:
    """Four digits that count: 0.01647, 1.386, 12,345.

    >>> number(0.016472), number(13250), number(-3)
    ('0.01647', '13,250', '-3')
    """
    if isinstance(value, int) or (value == int(value) if math.isfinite(value) else False):
        return f"{int(value):,}" if abs(value) < 1e15 else f"{value:.4g}"
    if abs(value) >= 1e4:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def percent(share: float) -> str:
    """A share of 1 as 42 %."""
    return f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(42), duration(620), duration(7260), duration(200_000)
    ('42 s', '10 min', '2 h 1 min', '2 days 7 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def size(count: int) -> str:
    """Bytes as kB or MB.

    >>> size(900), size(1_940_000)
    ('900 bytes', '1.94 MB')
    """
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1e3:.3g} kB" if count < 1e6 else f"{count / 1e6:,.4g} MB"


def spoken(value: Any) -> str:
    """A setting: yes and no, 'none' for nothing, lists with commas.

    >>> spoken(True), spoken(None), spoken([0.9, 0.99]), spoken(2e-4)
    ('yes', 'none', '0.9, 0.99', '0.0002')
    """
    if value is None or value in ("", [], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {spoken(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        items = [spoken(item) for item in value[:MOST]]
        more = len(value) - MOST
        between = "; " if any(isinstance(item, Mapping) for item in value) else ", "
        return between.join(items) + (f" and {more:,} more" if more > 0 else "")
    return str(value)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every setting under its dotted name."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
