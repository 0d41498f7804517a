"""CycleGAN's step beside a plain one: what precision, layout and shared forwards are worth here."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import ImganError
from .bench_upscale import peak_mb

# The child gets the parent's sys.path, so that a checkout measures itself.
_CHILD = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from imgan.evaluation.bench_translation import measure
print(json.dumps(measure(*json.loads(sys.argv[2]))))
"""


def bench_cyclegan(
    size: int = 256, batch: int = 1, steps: int = 5, device: str | None = None
) -> list[dict[str, Any]]:
    """Time a training step of the recipe ``cyclegan`` and the plain step, each in a fresh process.

    The plain step is written from the paper's description, as a first implementation has it: the
    same networks and costs in float32, contiguous, with a forward of its own for each term.

    Returns:
        Two rows, ``imgan`` and ``plain``: ``name``, ``seconds`` (the median step),
        ``images_per_second``, ``peak_mb``, ``gpu_peak_mb``, ``precision``, ``threads``, ``device``.

    Raises:
        ImganError: a setting or the device cannot be used.
    """
    rows = []
    for name in ("imgan", "plain"):
        arguments = [name, size, batch, steps, device]
        command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), json.dumps(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            reason = last.removeprefix("imgan.errors.ImganError: ")
            raise ImganError(f"measuring the step of {name} failed: {reason}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def measure(name: str, size: int, batch: int, steps: int, device: str | None) -> dict[str, Any]:
    """Measure one of the two in this process; two steps go ahead to warm up."""
    import torch

    from ..inference.device import choose

    target, _ = choose(device)
    with tempfile.TemporaryDirectory() as folder:
        step, precision = (_own if name == "imgan" else _plain)(Path(folder), size, batch, device)
        seconds = []
        for _ in range(steps + 2):
            began = time.perf_counter()
            step()
            if target.type == "cuda":
                torch.cuda.synchronize(target)
            seconds.append(time.perf_counter() - began)
    seconds = sorted(seconds[2:])
    median = seconds[len(seconds) // 2]
    cuda = target.type == "cuda"
    return {
        "name": name,
        "seconds": median,
        "images_per_second": batch / median,
        "peak_mb": peak_mb(),
        "gpu_peak_mb": torch.cuda.max_memory_allocated(target) / 2**20 if cuda else 0.0,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(target) if cuda else str(target),
    }


def _own(
    folder: Path, size: int, batch: int, device: str | None
) -> tuple[Callable[[], object], str]:
    """The step of the training loop, its data loader included."""
    import numpy as np
    from PIL import Image

    from ..recipe import load_recipe
    from ..training.loop import Trainer

    rng = np.random.default_rng(0)
    for side in "AB":
        (folder / f"train{side}").mkdir()
        for i in range(4):
            pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"train{side}" / f"{side}{i}.png")
    changes = [f"data.size={size}", f"data.load={size}"]
    changes += [f"train.batch={batch}", "train.steps=100000"]
    trainer = Trainer(
        load_recipe("cyclegan", changes), [folder], folder / "run", device=device, quiet=True
    )
    batches = trainer.batches()
    return lambda: trainer.step(batches), trainer.accelerator.mixed_precision or "no"


def _plain(
    folder: Path, size: int, batch: int, device: str | None
) -> tuple[Callable[[], object], str]:
    """Float32, contiguous, one forward a term; least squares, cycle 10, identity 5, Adam."""
    import torch
    from torch.nn.functional import l1_loss, mse_loss

    from ..core import ImageHistory
    from ..inference.device import choose
    from ..networks import PatchCritic, ResNet

    target, _ = choose(device)
    there, back = ResNet().to(target), ResNet().to(target)
    critic_a, critic_b = (PatchCritic(norm="instance").to(target) for _ in range(2))
    critics = [*critic_a.parameters(), *critic_b.parameters()]
    players = torch.optim.Adam(chain(there.parameters(), back.parameters()), 2e-4, (0.5, 0.999))
    judges = torch.optim.Adam(critics, 2e-4, (0.5, 0.999))
    history_a, history_b = ImageHistory(50, 0), ImageHistory(50, 1)
    a, b = (torch.rand(batch, 3, size, size, device=target) * 2 - 1 for _ in range(2))

    def is_real(logits: Any, real: float) -> Any:
        return mse_loss(logits, torch.full_like(logits, real))

    def step() -> None:
        for parameter in critics:
            parameter.requires_grad_(False)
        players.zero_grad()
        fake_b = there(a)
        fake_a = back(b)
        loss = is_real(critic_b(fake_b), 1.0) + is_real(critic_a(fake_a), 1.0)
        loss = loss + 10 * l1_loss(back(fake_b), a) + 10 * l1_loss(there(fake_a), b)
        loss = loss + 5 * l1_loss(there(b), b) + 5 * l1_loss(back(a), a)
        loss.backward()
        players.step()
        for parameter in critics:
            parameter.requires_grad_(True)
        judges.zero_grad()
        for critic, real, fake, history in (
            (critic_a, a, fake_a, history_a),
            (critic_b, b, fake_b, history_b),
        ):
            seen = history.query(fake.detach())
            (0.5 * (is_real(critic(real), 1.0) + is_real(critic(seen), 0.0))).backward()
        judges.step()

    return step, "float32"
