"""RUN/index.html: a run as a page, from what lies in its folder. No torch, no server."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from ..errors import ImganError
from ..model_file import Card, read_card
from ..recipe import load_recipe, published
from . import curves
from .charts import drawn
from .page import write_page
from .run_charts import domains_of, run_charts
from .words import flat

MOST_PREVIEWS = 400
"""Of more previews so many are shown, evenly spread."""

MOST_RESULTS = 300
"""Rows of the gallery."""

_KINDS = {
    "srgan": "Super-resolution",
    "pix2pix": "Image translation, learned from pairs",
    "cyclegan": "Image translation, learned without pairs",
    "nextframe": "The next frame of a video",
    "dann": "Features that hold in another domain",
}
_COLUMNS = {
    "srgan": ("input", "output", "target"),
    "pix2pix": ("input", "output", "target"),
    "cyclegan": ("input", "translated", "and back"),
}
_COMMANDS = {
    "srgan": ("upscale", "photo.jpg"),
    "pix2pix": ("translate", "photo.jpg"),
    "cyclegan": ("translate", "photo.jpg"),
    "nextframe": ("predict", "clip.mp4"),
    "dann": ("classify", "photo.jpg"),
}
_SHOWN = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp"}  # by every browser


@dataclass(frozen=True)
class Preview:
    """A picture of how it stood: its step, and its address seen from the page."""

    step: int
    file: str


def write_run_page(run: Path) -> Path:
    """Write RUN/index.html and return its path.

    Whatever is not there yet, or cannot be read, is left out of the page: it can be written at any
    moment of a run, and takes a fraction of a second.

    Raises:
        ImganError: there is no such folder.
    """
    if not run.is_dir():
        raise ImganError(f"there is no run in {run}: give the folder that training wrote to")
    card = _card(run / "model.safetensors")
    recipe, changed = _recipe(run / "recipe.yaml", card)
    rows = curves.read_rows(run / "metrics.jsonl")
    previews, many = _previews(run / "previews")
    shown = max(int(rows[-1]["step"]) if rows else 0, previews[-1].step if previews else 0)
    step = max(shown, card.steps if card else 0)
    train = _section(recipe, "train")
    steps = train.get("steps")
    made = run_charts(rows, recipe, domains_of(run))
    span = (0, max(shown, 1))
    first = previews[-1].file if previews else None
    return write_page(
        run / "index.html",
        "run.html.j2",
        name=recipe.get("name") or run.resolve().name,
        what=_what(recipe, card),
        twin=_twin(recipe),
        step=step,
        steps=steps if isinstance(steps, int) else None,
        facts=_facts(run, rows, train, step),
        warnings=curves.warnings(rows),
        previews=previews,
        previews_json=[(preview.step, preview.file) for preview in previews],
        previews_left_out=many - len(previews),
        columns=_COLUMNS.get(str(recipe.get("pipeline")), ()),
        preview_size=_png_size(run / first) if first else None,
        charts=[drawn(chart, f"chart{i}", span) for i, chart in enumerate(made, 1)],
        results=_results(run),
        command=_command(run, recipe),
        recipe=_settings(recipe, changed),
        marked=bool(changed),
        data=_data(run, card),
        model=_about_model(card),
    )


# -- reading -------------------------------------------------------------------------------------


def _card(path: Path) -> Card | None:
    try:
        return read_card(path)
    except ImganError:
        return None


def _recipe(path: Path, card: Card | None) -> tuple[dict[str, Any], set[str]]:
    """Every setting, of local files the name alone; and the dotted names that are no defaults."""
    try:
        recipe = load_recipe(path) if path.is_file() else None
    except ImganError:  # of another version
        recipe = None
    if recipe is not None:
        changed = flat(recipe.model_dump(exclude_defaults=True))
        return published(recipe), set(changed) - {"pipeline", "name"}
    if card and card.recipe:
        return card.recipe, set()
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        plain = None
    return (plain if isinstance(plain, dict) else {}), set()


def _previews(folder: Path) -> tuple[list[Preview], int]:
    """The previews by step, at most `MOST_PREVIEWS`; and how many there are."""
    names = [name for name in _names(folder) if re.fullmatch(r"\d+\.png", name)]
    found = [Preview(int(name[:-4]), f"{folder.name}/{name}") for name in names]
    found.sort(key=lambda preview: preview.step)
    if len(found) <= MOST_PREVIEWS:
        return found, len(found)
    last = len(found) - 1
    kept = [found[round(i * last / (MOST_PREVIEWS - 1))] for i in range(MOST_PREVIEWS)]
    return kept, len(found)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _png_size(path: Path) -> tuple[int, int] | None:
    """Width and height, from the file's first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(24)
    except OSError:
        return None
    if len(head) < 24 or not head.startswith(b"\x89PNG"):
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _section(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = tree.get(name)
    return section if isinstance(section, dict) else {}


# -- saying --------------------------------------------------------------------------------------


def _what(recipe: Mapping[str, Any], card: Card | None) -> str:
    """What the model does, in a few words."""
    task = getattr(card, "task", "") if card else ""
    pipeline, scale = str(recipe.get("pipeline", "")), recipe.get("scale")
    kind = _KINDS.get(pipeline, pipeline) + (f" \u00d7{scale}" if scale else "")
    return ": ".join(part for part in (kind, task.rstrip(".")) if part) or "A run of training"


def _twin(recipe: Mapping[str, Any]) -> str | None:
    """Which of the twins it is; None where the recipe does not say."""
    if not recipe or recipe.get("pipeline") == "dann":  # whose page speaks of features, not images
        return None
    return "adversarial" if _section(recipe, "adversary") else "mse"


def _facts(
    run: Path, rows: Sequence[curves.Row], train: Mapping[str, Any], step: int
) -> dict[str, Any]:
    """The figures at the top that there are."""
    facts: dict[str, Any] = {}
    batch, steps = train.get("batch"), train.get("steps")
    if isinstance(batch, int) and isinstance(steps, int):
        if taken := curves.seconds(rows, batch * step):
            facts["training time"] = taken
        if step < steps and (ahead := curves.seconds(rows[-20:], batch * (steps - step))):
            facts["time left"] = ahead
    if (model := run / "model.safetensors").is_file():
        facts["model"] = model.stat().st_size
    return facts


def _command(run: Path, recipe: Mapping[str, Any]) -> str | None:
    known = _COMMANDS.get(str(recipe.get("pipeline")))
    if known is None or not (run / "model.safetensors").is_file():
        return None
    # Seen from where it is trained, or by its name: the page may be shown to others.
    here, place = Path.cwd(), run.resolve()
    place = place.relative_to(here) if place.is_relative_to(here) else Path(run.name)
    model = (place / "model.safetensors").as_posix()
    verb, what = known
    return f"imgan {verb} --model {shlex.quote(model)} {what}"


def _settings(
    recipe: Mapping[str, Any], changed: set[str]
) -> list[tuple[str, list[tuple[str, Any, bool]]]]:
    """The recipe by section: each setting's name, value, and whether it is no default."""
    single = {k: v for k, v in recipe.items() if not isinstance(v, Mapping)}
    sections = {"": single} | {k: v for k, v in recipe.items() if isinstance(v, Mapping)}
    table = []
    for section, settings in sections.items():
        prefix = f"{section}." if section else ""
        rows = [(k, v, _within(prefix + k, changed)) for k, v in flat(settings).items()]
        table.append((section, rows))
    return [(section, rows) for section, rows in table if rows]


def _within(name: str, changed: set[str]) -> bool:
    """Whether the setting, or the list or section it belongs to, is no default."""
    parts = name.split(".")
    return any(".".join(parts[: i + 1]) in changed for i in range(len(parts)))


def _data(run: Path, card: Card | None) -> dict[str, Any]:
    """What is known of the data: from its check, and from the model's card."""
    found = _json(run / "data.json")
    checked = found if isinstance(found, dict) else {"found": found} if found else {}
    known = flat(card.data if card else {}) | flat(checked)
    return {name.replace("_", " ").replace(".", " · "): value for name, value in known.items()}


def _about_model(card: Card | None) -> dict[str, Any]:
    if card is None:
        return {}
    known = {
        "trained by": f"imgan {card.version}" if card.version else "",
        "began from": (card.parent.parts or card.parent.name) if card.parent else "",
        "networks": ", ".join(f"{n.name} ({role})" for role, n in card.networks.items()),
        "mean of": ", ".join(f"{share:.4g} of {name}" for name, share in card.mean_of.items()),
        "licence": card.licence,
        "notes": card.notes,
    }
    scores = {f"scores · {place}": values for place, values in card.scores.items()}
    return {name: value for name, value in (known | scores).items() if value}


# -- results -------------------------------------------------------------------------------------


def _results(run: Path) -> dict[str, Any] | None:
    """The gallery: results/results.json with its pictures; scores of a row stand at the row."""
    found = _json(run / "results" / "results.json")
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
        return None
    scores = _section(found, "scores")
    columns = [str(column) for column in _list(found.get("columns"))]
    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    for row in found["rows"]:
        if not isinstance(row, dict):
            continue
        name = str(row.get("name", ""))
        names.add(name)
        if len(rows) < MOST_RESULTS:
            images = [_image(run, str(image)) for image in _list(row.get("images"))]
            labels = columns + [""] * (len(images) - len(columns))
            own = scores.get(name)
            rows.append(
                {
                    "name": name,
                    "images": list(zip(labels, images, strict=False)),
                    "scores": own if isinstance(own, dict) else {},
                }
            )
    of_all = {k.replace(f"{run}/", ""): v for k, v in scores.items() if k not in names}
    left_out = len(found["rows"]) - len(rows)
    protocol = found.get("protocol")
    return {"rows": rows, "left_out": left_out, "scores": of_all, "protocol": protocol}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _image(run: Path, file: str) -> dict[str, Any]:
    """A picture's address from the page, and whether a browser shows it."""
    for folder in (run / "results", run):
        path = folder / file
        if os.path.isfile(path):  # which takes a name that cannot be one for "no"
            address = quote(os.fsencode(Path(os.path.relpath(path, run)).as_posix()))
            return {"file": address, "shown": path.suffix.lower() in _SHOWN}
    return {"file": None, "shown": False}
