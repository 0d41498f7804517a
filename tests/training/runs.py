"""A tiny run, for the tests and for the worker processes they start."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from imgan.recipe import Recipe, parse_recipe
from imgan.training.loop import Trainer

PHOTOS = Path(__file__).parents[1] / "files" / "photos"


def recipe(steps: int = 10, **changes: object) -> Recipe:
    """Two small players on 8-pixel crops, batch 4; with history, R1, EMA and Muon."""
    content = {
        "pipeline": "srgan",
        "name": "tiny",
        "scale": 2,
        "generator": {"name": "plainsr", "width": 8, "blocks": 1},
        "adversary": {
            "critic": {"name": "patch", "width": 8, "layers": 1, "norm": False},
            "penalties": [{"name": "r1", "weight": 1.0, "every": 3}],
            "history": 4,
            "noise": 0.1,
            "noise_until": 20,
            "weight": 0.01,
        },
        "data": {"crop": 8, "min_detail": 0},
        "train": {
            "steps": steps,
            "batch": 4,
            "optimizer": {"name": "muon", "rate": 1e-3},
            "schedule": {"warmup": 2},
            "precision": "float32",
            "workers": 0,
            "log_every": 2,
            "preview_every": 5,
            "checkpoint_every": 5,
        },
    }
    for key, value in changes.items():
        *sections, last = key.split("__")
        node = content
        for section in sections:
            node = node[section]  # type: ignore[assignment]
        node[last] = value
    return parse_recipe(content, "test")


def trainer(out: Path, steps: int = 10, **changes: object) -> Trainer:
    """The run in `out`, quiet, on the CPU."""
    return Trainer(recipe(steps, **changes), [PHOTOS], out, device="cpu", quiet=True)


if __name__ == "__main__":  # one of several processes: OUT STEPS [CHANGES as JSON]
    torch.set_num_threads(1)
    plain = {"adversary__history": 0, "adversary__noise": 0.0}
    changes = plain | (json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
    run = trainer(Path(sys.argv[1]), int(sys.argv[2]), **changes)
    rank = run.accelerator.process_index
    networks = run.pipeline.networks
    run.run()
    torch.save({k: n.state_dict() for k, n in networks.items()}, f"{sys.argv[1]}-rank{rank}.pt")
