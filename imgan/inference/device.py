"""Where to compute, and in which number format."""

from __future__ import annotations

import ctypes
import sys

import torch

from ..errors import ImganError

PRECISIONS = ("auto", "float32", "bf16")


def choose(device: str | None = None, precision: str = "auto") -> tuple[torch.device, torch.dtype]:
    """The device and the dtype to compute with.

    Args:
        device: ``auto`` or None for the GPU where there is one and the CPU otherwise, or a name
            of torch's: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, ``bf16``, or ``auto``: bf16 where the hardware multiplies in
            it (CUDA since Ampere, CPUs with AMX or AVX-512 BF16), float32 otherwise.

    Raises:
        ImganError: a name that does not exist, or a device that this machine does not have.
    """
    if precision not in PRECISIONS:
        raise ImganError(
            f"there is no precision {precision!r}; precision is one of {', '.join(PRECISIONS)}"
        )
    chosen = _device(device)
    bf16 = precision == "bf16" or (precision == "auto" and fast_bf16(chosen))
    return chosen, torch.bfloat16 if bf16 else torch.float32


def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than float32 on `device`."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Without such units bf16 is emulated, and slower than float32; with those of AVX-512 a
    # convolution takes 0.4 of the time.
    units = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(units.get(name) for name in ("amx_bf16", "avx512_bf16"))


def keep_freed_memory() -> None:
    """Let this process keep what it frees for its next maps; for commands, not for libraries.

    glibc hands large blocks back to the kernel at once and gets them again as fresh pages of
    zeros, for every layer's map: a quarter to a half of a network's time on a CPU. Blocks over 32
    MB, the largest threshold there is, still go back. Does nothing with other C libraries.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
            mallopt(_M_TRIM_THRESHOLD, 512 * 2**20)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def _device(name: str | None) -> torch.device:
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ImganError(f"there is no device {name!r}; use auto, cpu, cuda or mps") from None
    count = {"cpu": 1, "cuda": torch.cuda.device_count()}.get(device.type)
    if device.type == "mps":
        count = int(torch.backends.mps.is_available())
    if not count or (device.index or 0) >= count:
        raise ImganError(f"this machine has no device {name!r}; use auto or cpu")
    return device
