"""How much memory there is, and how much a network takes."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_UNKNOWN = 4 * 2**30  # what is taken to be free where the system does not tell

_WORKSPACE = 2.0
"""Measured on ResNet-9 and U-Net 256: memory in use over that of the maps, at most."""


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on `device`; a guess where the system does not say."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        taken = torch.mps.driver_allocated_memory()
        return max(0, torch.mps.recommended_max_memory() - taken)
    return min(_machine(), _container())


def bytes_per_pixel(network: nn.Module, channels: int, side: int) -> float:
    """Memory that `network` takes for a pixel of its input, weights apart, in float32.

    Nothing is computed: the network runs on tensors that have a shape and no content.

    Args:
        channels: of the input.
        side: of the image to try, one that the network takes.
    """
    empty: dict[str, Tensor] = {
        name: tensor.to("meta")
        for name, tensor in (*network.named_parameters(), *network.named_buffers())
    }
    image = torch.empty(1, channels, side, side, device="meta")
    with torch.no_grad(), _Live() as live:
        torch.func.functional_call(network, empty, (image,))
    return float(_WORKSPACE * live.peak / side**2)


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _machine() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:  # elsewhere half of what is built in
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _container() -> int:
    """What a container's limit leaves, file caches not counted as taken; huge without a limit."""
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            most = file.read().strip()
        with open("/sys/fs/cgroup/memory.stat", encoding="ascii") as file:
            taken = next(int(line.split()[1]) for line in file if line.startswith("anon "))
        return max(0, int(most) - taken) if most != "max" else 2**62
    except (OSError, StopIteration, ValueError):
        return 2**62
