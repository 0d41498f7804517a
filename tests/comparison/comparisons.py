"""Tiny recipes for comparisons, a pipeline each, as files for `imgan compare`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from imgan.comparison.compare import compare
from imgan.comparison.result import Comparison
from imgan.comparison.scoring import Scoring
from tests.inference.frame_models import make_clip
from tests.pipelines.translation_runs import content as translation
from tests.pipelines.translation_runs import make_pairs

PHOTOS = Path(__file__).parents[1] / "files" / "photos"
TRAIN = {
    "steps": 2,
    "batch": 2,
    "precision": "float32",
    "workers": 0,
    "log_every": 1,
    "preview_every": 2,
    "checkpoint_every": 1,
}
_CRITIC = {"name": "patch", "width": 4, "layers": 1, "norm": "instance"}


def written(folder: Path, recipe: dict) -> Path:
    """The recipe as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recipe['name']}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def super_resolution(folder: Path) -> tuple[Path, list[Path]]:
    """Recipe and data."""
    recipe = {
        "pipeline": "srgan",
        "name": "tiny-sr",
        "scale": 2,
        "generator": {"name": "plainsr", "width": 8, "blocks": 1},
        "adversary": {"critic": _CRITIC, "weight": 0.1},
        "data": {"crop": 12, "min_detail": 0},
        "train": TRAIN,
    }
    return written(folder, recipe), [PHOTOS]


def pairs(folder: Path, pipeline: str = "pix2pix") -> tuple[Path, list[Path]]:
    """Recipe and data of Pix2Pix or CycleGAN."""
    recipe = translation(pipeline) | {"name": f"tiny-{pipeline}", "train": TRAIN}
    return written(folder, recipe), [make_pairs(folder / "pairs")]


def frames(folder: Path) -> tuple[Path, list[Path]]:
    """Recipe and data."""
    recipe = {
        "pipeline": "nextframe",
        "name": "tiny-frames",
        "past": 2,
        "generator": {"name": "simvp", "width": 4, "hidden": 8, "blocks": 1, "motion": True},
        "adversary": {"critic": _CRITIC},
        "gdl": {"weight": 1.0},
        "data": {"kind": "clips", "side": 24, "crop": 16, "min_motion": 0},
        "train": TRAIN,
    }
    for i in range(3):
        make_clip(folder / "clips" / f"{i}.mp4", 8, height=24, width=32, seed=i)
    return written(folder, recipe), [folder / "clips"]


def moving_digits(folder: Path) -> tuple[Path, list[Path]]:
    """Recipe and data."""
    recipe = {
        "pipeline": "nextframe",
        "name": "tiny-digits",
        "past": 3,
        "future": 3,
        "channels": 1,
        "generator": {"name": "moving-layers", "width": 8, "hidden": 8, "depth": 1},
        "adversary": {"critic": _CRITIC},
        "data": {"kind": "moving-digits"},
        "train": TRAIN,
    }
    file = folder / "digits.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(file, images=np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8))
    return written(folder, recipe), [file]


def domains(folder: Path) -> tuple[Path, list[Path]]:
    """Recipe and data: one source, one target."""
    recipe = {
        "pipeline": "dann",
        "name": "tiny-dann",
        "features": {"name": "digits", "width": 4},
        "adversary": {"critic": {"width": 8, "layers": 1}},
        "data": {"size": 16},
        "train": TRAIN | {"batch": 4},
    }
    rng = np.random.default_rng(0)
    found = []
    for name in ("source", "target"):
        arrays = {
            "x_train": rng.integers(0, 256, (24, 16, 16), dtype=np.uint8),
            "y_train": np.arange(24) % 3,
            "x_test": rng.integers(0, 256, (12, 16, 16), dtype=np.uint8),
            "y_test": np.arange(12) % 3,
        }
        folder.mkdir(parents=True, exist_ok=True)
        found.append(folder / f"{name}.npz")
        np.savez(found[-1], **arrays)
    return written(folder, recipe), found


SCORING = Scoring(lpips=None, device="cpu", precision="float32")
FRAMES = replace(SCORING, horizon=3)
MAKERS = {
    "srgan": super_resolution,
    "pix2pix": pairs,
    "cyclegan": lambda folder: pairs(folder, "cyclegan"),
    "nextframe": frames,
    "dann": domains,
}
"""A tiny recipe and its data, by pipeline."""


def run(folder: Path, pipeline: str = "pix2pix", **more: Any) -> Comparison:
    """A whole comparison of that pipeline in `folder`/out."""
    recipe, data = MAKERS[pipeline](folder)
    scoring = FRAMES if pipeline == "nextframe" else SCORING
    return compare(recipe, data, folder / "out", scoring=scoring, devices=["cpu"], **more)
