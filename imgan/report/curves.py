"""What a run has logged, as charts: which numbers belong together, and how to read them."""

from __future__ import annotations

import itertools
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .charts import COLOURS, Chart, Series

Row = dict[str, Any]
Points = tuple[list[float], list[float]]

MOST_ROWS = 4000
"""Of longer logs every k-th row is read, the last, and those that warn."""

_GENERATED, _CRITIC, _REAL = 1, 2, 3  # colours that mean the same in every chart
_PENALTY = re.compile(r"(r1|r2|wgan_gp|dragan)(_|$)")
_KINDS = (
    ("accuracy", re.compile("accuracy_")),
    ("logits", re.compile("logits_")),
    ("gradients", re.compile("grad_norm")),
    ("diversity", re.compile("diversity")),
    ("speed", re.compile("images_per_second$")),
    ("rate", re.compile("rate(_|$)")),
    ("critic", re.compile("d_")),
    ("critic", _PENALTY),
)
_NAMES = {
    "g_loss": "all together",
    "g_adversarial": "adversary",
    "d_loss": "all together",
    "d_adversarial": "telling real from generated",
    "grad_norm_g": "generator",
    "grad_norm_d": "critic",
    "logits_real": "on real images",
    "logits_fake": "on generated images",
    "accuracy_real": "real images",
    "accuracy_fake": "generated images",
    "images_per_second": "images per second",
    "rate": "generator",
    "diversity": "generated images",
    "l1": "pixels (L1)",
    "mse": "pixels (squared)",
    "lpips": "LPIPS",
    "r1": "R1 penalty",
    "r2": "R2 penalty",
    "wgan_gp": "WGAN-GP penalty",
    "dragan": "DRAGAN penalty",
}


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics.jsonl by rising step; lines that are broken are passed over."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    if len(lines) > MOST_ROWS:
        every = math.ceil(len(lines) / MOST_ROWS)
        last = len(lines) - 1
        lines = [x for i, x in enumerate(lines) if i % every == 0 or i == last or b'"warn' in x]
    rows: dict[float, Row] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # not JSON, or not UTF-8
            continue
        if isinstance(row, dict) and _is_number(row.get("step")):
            rows[row["step"]] = row
    return [rows[step] for step in sorted(rows)]


def warnings(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """What the run warned of: each sentence once, with the step at which it last did.

    Sentences that differ in their figures alone are the same.
    """
    latest: dict[str, tuple[int, str]] = {}
    for row in rows:
        said = row.get("warnings", [])
        for text in [said] if isinstance(said, str) else said:
            latest[re.sub(r"\d[\d.]*", "#", str(text))] = (int(row["step"]), str(text))
    return sorted(latest.values(), reverse=True)


def seconds(rows: Sequence[Row], images: int) -> float:
    """How long so many images take at the rates of `rows`; 0 where there is none."""
    _, rates = columns(rows).get("images_per_second", ([], []))
    known = [rate for rate in rates if rate > 0]
    return images / statistics.harmonic_mean(known) if known else 0.0


def charts(rows: Sequence[Row], weight: float = 1.0) -> list[Chart]:
    """The charts of a run, those that there are numbers for.

    Args:
        rows: as from `read_rows`.
        weight: that of the adversarial term in the generator's cost, which is logged without it.
    """
    kinds: dict[str, dict[str, Points]] = {}
    for name, points in columns(rows).items():
        kind = next((kind for kind, pattern in _KINDS if pattern.match(name)), "generator")
        kinds.setdefault(kind, {})[name] = points
    if all(y == 1 for points in kinds.get("diversity", {}).values() for y in points[1]):
        kinds.pop("diversity", None)  # batches of one: there is no spread to see
    made = []
    if found := kinds.get("generator"):
        made.append(_generator(found, weight))
    if found := kinds.get("critic"):
        made.append(_critic(found))
    if found := kinds.get("accuracy"):
        made.append(
            Chart(
                "How often the critic is right",
                "Near 50 % it is guessing; near 100 % on both it has won and teaches little.",
                _pair(found),
                percent=True,
                level=(0.5, "a coin toss"),
            )
        )
    if found := kinds.get("logits"):
        made.append(
            Chart(
                "What the critic says",
                "Its mean logits: the further apart, the surer it is of the difference.",
                _pair(found),
            )
        )
    if found := kinds.get("gradients"):
        made.append(
            Chart(
                "Strength of the gradients",
                "Their norms before clipping: a steep climb comes before training breaks.",
                _pair(dict(sorted(found.items(), reverse=True))),  # the generator first
                log=True,
            )
        )
    if found := kinds.get("diversity"):
        made.append(
            Chart(
                "Diversity",
                "How much generated images differ, beside the real ones; near 0 all are alike.",
                _many(found, first=_GENERATED),
                zero=True,
                level=(1.0, "as the real ones"),
            )
        )
    if found := kinds.get("rate"):
        made.append(
            Chart(
                "Learning rate",
                "How far each step goes.",
                _many(found, first=_GENERATED),
                zero=True,
                smooth=False,
            )
        )
    if found := kinds.get("speed"):
        made.append(Chart("Speed", "Images per second.", _many(found, first=COLOURS), zero=True))
    return made


def columns(rows: Sequence[Row]) -> dict[str, Points]:
    """Every finite number by name, with the steps at which it was logged."""
    columns: dict[str, Points] = {}
    for row in rows:
        for name, value in row.items():
            if name != "step" and _is_number(value):
                x, y = columns.setdefault(name, ([], []))
                x.append(row["step"])
                y.append(value)
    return columns


def _is_number(value: Any) -> bool:
    """Whether it can be drawn; of what is larger not even the distance can be computed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _generator(found: dict[str, Points], weight: float) -> Chart:
    found = _without_doubles(found, "g")
    names = dict(_NAMES)
    for name, (x, y) in found.items():
        if weight != 1 and re.match("g_(?!loss$)", name):
            found[name] = (x, [weight * value for value in y])
            names[name] = f"{_name(name, _NAMES)} \u00d7 {weight:g}"
    about = "Each cost with its weight."
    if any(name.startswith("g_") and name != "g_loss" for name in found):
        about += " Against an adversary images can improve though these do not fall."
    return Chart(
        "What the generator pays",
        about,
        _many(found, first=_GENERATED, names=names),
        log=True,
    )


def _critic(found: dict[str, Points]) -> Chart:
    return Chart(
        "What the critic pays",
        "Low: it tells real from generated with ease. A steady middle is a good game.",
        _many(_without_doubles(found, "d"), first=_CRITIC),
        log=True,
    )


def _without_doubles(found: dict[str, Points], player: str) -> dict[str, Points]:
    """The total first; no sum beside its only part."""
    total, adversarial = f"{player}_loss", f"{player}_adversarial"
    parts = {k: v for k, v in found.items() if k != total}
    if any(k.startswith(f"{player}_") for k in parts if k != adversarial):  # a cost for each critic
        parts.pop(adversarial, None)
    if total not in found:
        return parts
    if len(parts) == 1:
        (part,) = parts.values()
        if set(zip(*found[total], strict=True)) <= set(zip(*part, strict=True)):
            return parts
    return {total: found[total]} | parts


def _many(
    found: Mapping[str, Points], first: int, names: Mapping[str, str] = _NAMES
) -> tuple[Series, ...]:
    """Lines in colours of their own, the first in a given one."""
    rest = (c for c in itertools.count(1) if c != first and c not in (_GENERATED, _CRITIC, _REAL))
    colours = itertools.chain([first], rest)
    return tuple(
        Series(_name(name, names), x, y, colour)
        for (name, (x, y)), colour in zip(found.items(), colours, strict=False)
    )


def _pair(found: Mapping[str, Points]) -> tuple[Series, ...]:
    """Lines in the colours of the players and of real and generated; further critics dashed."""
    seen: dict[int, int] = {}
    series = []
    for name, (x, y) in found.items():
        if "_real" in name:
            colour = _REAL
        else:
            colour = _CRITIC if name.startswith("grad_norm_d") else _GENERATED
        seen[colour] = seen.get(colour, -1) + 1
        series.append(Series(_name(name, _NAMES), x, y, colour + COLOURS * min(1, seen[colour])))
    return tuple(series)


def _name(name: str, names: Mapping[str, str]) -> str:
    """`logits_real_a` is "on real images, a"; what has no name of its own is shown as it is."""
    if name in names:
        return names[name]
    for known in sorted(names, key=len, reverse=True):
        if name.startswith(f"{known}_"):
            return f"{names[known]}, {name.removeprefix(f'{known}_')}"
    if match := re.fullmatch(r"([gd])_(\w+)", name):
        return f"fooling critic {match[2]}" if match[1] == "g" else f"critic {match[2]}"
    return name.replace("_", " ")
