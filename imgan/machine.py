"""What imgan runs on: versions of its libraries, and the hardware."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from . import __version__


def versions() -> dict[str, str]:
    """Of imgan and of the libraries that figures depend on."""
    found = {"imgan": __version__, "Python": platform.python_version()}
    for package in ("torch", "torchvision", "kornia", "lpips", "torchmetrics", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hardware(device: str) -> dict[str, str]:
    """Processor, cores, memory, and the GPU if it was one."""
    import torch

    found = {
        "device": device,
        "processor": _processor(),
        "cores": str(cores()),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if memory := _memory():
        found["memory"] = f"{memory / 1e9:.0f} GB"
    if device.startswith("cuda"):
        found["GPU"] = torch.cuda.get_device_name(torch.device(device))
    return found


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; except on CUDA torch says so in the text alone."""
    import torch

    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        sign in str(error)
        for sign in (
            *("DefaultCPUAllocator", "not enough memory", "bad_alloc", "backend out of memory"),
            "could not create a memory",  # oneDNN
        )
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # other systems
        return 0
