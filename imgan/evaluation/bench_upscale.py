"""How fast images are upscaled here, and in how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ImganError

# The child gets the parent's sys.path, so that a checkout measures itself.
_CHILD = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from imgan.evaluation.bench_upscale import measure
print(json.dumps(measure(*json.loads(sys.argv[2]))))
"""


def bench_upscale(
    sizes: Sequence[tuple[int, int]] = ((512, 512), (1024, 1024), (2048, 2048)),
    model: str | Path | None = None,
    device: str | None = None,
    precision: str = "auto",
    repeats: int = 5,
) -> list[dict[str, Any]]:
    """Time upscaling for each input size (width, height), each in a fresh process.

    Returns:
        A row a size: ``input``, ``output``, ``seconds`` (the median of computing, without loading
        the model or files), ``seconds_min``, ``megapixels_per_second`` (of output, from the
        median), ``peak_mb`` (of the whole process, Python and torch included), ``gpu_peak_mb`` (0
        on a CPU), ``device``, ``precision``, ``tile``, ``threads``.

    Raises:
        ImganError: the model or a setting does not exist.
    """
    rows = []
    for width, height in sizes:
        arguments = [width, height, model and str(model), device, precision, repeats]
        command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), json.dumps(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            reason = last.removeprefix("imgan.errors.ImganError: ")
            raise ImganError(f"measuring {width}x{height} failed: {reason}")
        rows.append(json.loads(done.stdout))
    return rows


def measure(
    width: int, height: int, model: str | None, device: str | None, precision: str, repeats: int
) -> dict[str, Any]:
    """Measure one size in this process; see `bench_upscale`. One run goes ahead to warm up."""
    import numpy as np
    import torch

    from ..inference.device import keep_freed_memory
    from ..inference.target import Target
    from ..inference.upscale import Upscaler

    keep_freed_memory()  # as `imgan upscale` does
    upscaler = Upscaler(model=model, device=device, precision=precision)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    seconds = []
    output = ""
    for _ in range(max(repeats, 1) + 1):
        began = time.perf_counter()
        result = upscaler(pixels, Target())
        seconds.append(time.perf_counter() - began)
        output = f"{result.shape[1]}x{result.shape[0]}"
        megapixels = result.shape[0] * result.shape[1] / 1e6
        del result
    seconds = sorted(seconds[1:])
    median = seconds[len(seconds) // 2]
    cuda = upscaler.device.type == "cuda"
    return {
        "input": f"{width}x{height}",
        "output": output,
        "seconds": median,
        "seconds_min": seconds[0],
        "megapixels_per_second": megapixels / median,
        "peak_mb": peak_mb(),
        "gpu_peak_mb": torch.cuda.max_memory_allocated(upscaler.device) / 2**20 if cuda else 0.0,
        "device": torch.cuda.get_device_name(upscaler.device) if cuda else str(upscaler.device),
        "precision": str(upscaler.computes_in).removeprefix("torch."),
        "tile": upscaler.tile,
        "threads": torch.get_num_threads(),
    }


def peak_mb() -> float:
    """The largest resident memory of this process so far, in MiB; 0 where it is not told."""
    if os.name != "posix":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
