"""Tiny runs over two domains of bars."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from imgan.recipe import parse_recipe
from imgan.training.loop import Trainer


def bars(count, invert, seed, labels=True):
    """Bars that lie or stand; the other domain is their negative."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 40, (count, 16, 16), dtype=np.uint8)
    kinds = np.arange(count) % 2
    for image, kind in zip(images, kinds, strict=True):
        at = rng.integers(2, 13)
        view = image if kind else image.T
        view[at : at + 2] = 220
    images = 255 - images if invert else images
    return {"images": images} | ({"labels": kinds} if labels else {})


def make_domains(root: Path) -> list[Path]:
    """Bars in the light, in the dark, and once more in the dark."""
    for name, invert in (("light", False), ("dark", True), ("third", True)):
        np.savez(root / f"{name}.npz", **bars(48, invert, len(name)))
    return [root / f"{name}.npz" for name in ("light", "dark", "third")]


def content(steps=4, **changes):
    return {
        "pipeline": "dann",
        "name": "tiny",
        "features": {"name": "digits", "width": 4},
        "adversary": {"critic": {"width": 8}},
        "data": {"size": 16},
        "train": {
            "steps": steps, "batch": 8, "precision": "float32", "workers": 0, "log_every": 2,
            "preview_every": 100, "checkpoint_every": 2, "validate_every": 2,
            "schedule": {"decay": 0.0},
        },
    } | changes  # fmt: skip


def trainer(out, data, recipe, **more):
    run = Trainer(parse_recipe(recipe, "test"), data, out, device="cpu", quiet=True, **more)
    run.outputs.page = lambda say: None  # its charts take longer than these trainings
    return run


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").open()]
