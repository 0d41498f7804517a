"""How fast a recipe trains here: the loader beside the step, and the step beside the processor."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from .bench_upscale import peak_mb

if TYPE_CHECKING:
    from ..recipe import Recipe

BatchT = TypeVar("BatchT")

_WARM_UP = 5  # also a whole round of a critic with five moves
_PEAK_SECONDS = 1.0


def bench_recipe(
    recipe: Recipe, folders: Sequence[Path], steps: int = 30, device: str | None = None
) -> dict[str, Any]:
    """Measure a recipe on its data; nothing is kept of the training.

    Returns:
        The row of `bench_training`.

    Raises:
        ImganError: the recipe's data or device cannot be used.
    """
    from ..training.loop import Trainer

    # The loader ends where the training does, and each batch is a part of a step.
    train = recipe.train.model_copy(update={"steps": steps + _WARM_UP})
    with tempfile.TemporaryDirectory() as out:
        trainer = Trainer(
            recipe.model_copy(update={"train": train}),
            folders,
            Path(out),
            device=device,
            quiet=True,
        )
        batches = trainer.batches()
        precision = trainer.accelerator.mixed_precision
        return bench_training(
            next_batch=lambda: next(batches),
            step=lambda batch: trainer.step(itertools.repeat(batch)),
            images_per_batch=train.batch // train.accumulate,
            images_per_step=train.batch,
            device=trainer.accelerator.device,
            dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
            channels_last=train.channels_last,
            steps=steps,
        )


def bench_training(
    next_batch: Callable[[], BatchT],
    step: Callable[[BatchT], object],
    *,
    images_per_batch: int,
    images_per_step: int,
    device: torch.device,
    dtype: torch.dtype,
    channels_last: bool,
    steps: int = 30,
) -> dict[str, Any]:
    """Time the loader alone, then the step alone on one batch.

    The loader is asked for ``steps + 5`` batches, the first five to warm up; each must lie on
    `device` when it is returned. `dtype` and `channels_last` are what the step computes in, and so
    what the processor's peak is measured in.

    Returns:
        ``loader_images_per_second``, ``step_images_per_second``, ``step_seconds`` (mean),
        ``step_gflop`` (convolutions and matrix products, forward and backward), ``gflops`` reached,
        ``peak_gflops`` (see `convolution_peak`), ``peak_share`` of the two, ``peak_mb`` (the
        process), ``gpu_peak_mb``, ``device``, ``precision``, ``steps``, ``threads``.
    """
    batch = [next_batch() for _ in range(_WARM_UP)][-1]
    load_seconds = _seconds(lambda: [next_batch() for _ in range(steps)], device)
    with FlopCounterMode(display=False) as counter:
        for _ in range(_WARM_UP):
            step(batch)
    flop = counter.get_total_flops() / _WARM_UP
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    step_seconds = _seconds(lambda: [step(batch) for _ in range(steps)], device) / steps
    memory, gpu_memory = peak_mb(), torch.cuda.max_memory_allocated(device) if cuda else 0
    peak = convolution_peak(device, dtype, channels_last)
    return {
        "loader_images_per_second": steps * images_per_batch / load_seconds,
        "step_images_per_second": images_per_step / step_seconds,
        "step_seconds": step_seconds,
        "step_gflop": flop / 1e9,
        "gflops": flop / step_seconds / 1e9,
        "peak_gflops": peak / 1e9,
        "peak_share": flop / step_seconds / peak,
        "peak_mb": memory,
        "gpu_peak_mb": gpu_memory / 2**20,
        "device": torch.cuda.get_device_name(device) if cuda else str(device),
        "precision": str(dtype).removeprefix("torch."),
        "steps": steps,
        "threads": torch.get_num_threads(),
    }


@torch.no_grad()
def convolution_peak(device: torch.device, dtype: torch.dtype, channels_last: bool) -> float:
    """FLOP/s of a 3x3 convolution from 64 to 64 channels, the best of about a second of runs.

    The bulk of a super-resolution network is such convolutions, so this is what its step could
    reach here at most; wider ones reach more on GPUs.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    sides = (64, 256, 256) if device.type == "cuda" else (4, 128, 128)
    count, height, width = sides
    x = torch.randn(count, 64, height, width, device=device, dtype=dtype)
    x = x.contiguous(memory_format=layout)
    convolution = torch.nn.Conv2d(64, 64, 3, padding=1, device=device, dtype=dtype)
    convolution.to(memory_format=layout)
    best, end = float("inf"), time.perf_counter() + _PEAK_SECONDS
    while time.perf_counter() < end:
        best = min(best, _seconds(lambda: convolution(x), device))
    return 2 * 64 * 64 * 9 * count * height * width / best


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """The time that `work` takes, what it queued on a GPU included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
