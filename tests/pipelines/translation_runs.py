"""Tiny translation runs on pairs made of the test photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from imgan.recipe import parse_recipe
from imgan.training.loop import Trainer

PHOTOS = Path(__file__).parents[1] / "files" / "photos"


def make_pairs(folder: Path, train: int = 4, val: int = 2, size: int = 40) -> Path:
    """Side-by-side pairs of squares: a photo's crop left, the same blurred and grey right."""
    photos = sorted(p for p in PHOTOS.iterdir() if p.suffix in (".jpg", ".png"))
    for split, count in (("train", train), ("val", val)):
        (folder / split).mkdir(parents=True)
        for i in range(count):
            at = 7 * i + (100 if split == "val" else 0)
            photo = Image.open(photos[i % len(photos)]).convert("RGB")
            left = photo.resize((200, 200)).crop((at, at, at + size, at + size))
            right = left.filter(ImageFilter.GaussianBlur(1)).convert("L").convert("RGB")
            both = np.concatenate([np.asarray(left), np.asarray(right)], axis=1)
            Image.fromarray(both).save(folder / split / f"{i}.png")
    return folder


def content(pipeline: str, steps: int = 4) -> dict:
    """A tiny recipe."""
    adversary = {"critic": {"name": "patch", "width": 4, "layers": 1, "norm": "instance"}}
    common = {
        "pipeline": pipeline,
        "name": "tiny",
        "adversary": adversary,
        "data": {"size": 32, "load": 36},
        "train": {
            "steps": steps,
            "batch": 2,
            "precision": "float32",
            "workers": 0,
            "log_every": 2,
            "preview_every": 2,
            "checkpoint_every": 2,
        },
    }
    if pipeline == "pix2pix":
        common["generator"] = {"name": "unet", "width": 4, "depth": 4, "norm": "instance"}
    else:
        common["generator"] = {"name": "resnet", "width": 4, "blocks": 1}
        adversary["loss"] = "least-squares"
        adversary["history"] = 3
    return common


def trainer(out: Path, data: list[Path], recipe: dict) -> Trainer:
    """The run in `out`, quiet, on the CPU."""
    return Trainer(parse_recipe(recipe, "test"), data, out, device="cpu", quiet=True)
