"""Small models of next frames, and clips, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from imgan.data.video import write_video
from imgan.model_file import Card, NetworkCard, save_model
from imgan.networks import build


def make_model(
    path: Path,
    noise: float = 0.03,
    card: dict[str, Any] | None = None,
    network: str = "simvp",
    **arguments,
):
    """A random SimVP that changes the last frame a little; with no `noise` it copies it."""
    kind, own = network, {"past": 4, "future": 1, "channels": 3, "width": 8} | arguments
    if kind == "simvp":
        own = {"hidden": 16, "blocks": 1} | own
    torch.manual_seed(0)
    network = build(kind, own)
    if noise:
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=noise)
    save_model(
        path,
        Card(
            name=path.stem,
            networks={"generator": NetworkCard(name=kind, arguments=own)},
            channels=own["channels"],
            size_multiple=network.size_multiple,
            reach=network.reach,
            **({"pipeline": "nextframe"} | (card or {})),
        ),
        {"generator": network.state_dict()},
    )
    return path


def make_frames(count: int, height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    """``[count, H, W, 3]``: a bright square that moves a pixel a frame over a still pattern."""
    rng = np.random.default_rng(seed)
    still = np.kron(rng.integers(40, 160, (height // 4, width // 4, 3)), np.ones((4, 4, 1)))
    frames = np.repeat(still[None], count, axis=0).astype(np.uint8)
    for i, frame in enumerate(frames):
        at = (3 + i) % (width - 8)
        frame[8:16, at : at + 8] = 250
    return frames


def make_clip(path: Path, count: int, fps: float = 12.5, **size) -> np.ndarray:
    """Those frames as a video file, or as a folder of PNG files where `path` has no ending."""
    frames = make_frames(count, **size)
    if path.suffix:
        write_video(path, frames, fps, 95)
    else:
        path.mkdir(parents=True)
        for i, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"{i}.png")
    return frames
