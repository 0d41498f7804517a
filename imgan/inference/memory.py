"""How much memory there is, and how much a network takes."""

from __future__ import annotations

import os
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from ..data.pixels import Image
from ..errors import ImganError

_UNKNOWN = 4 * 2**30  # what is taken to be free where the system does not tell

_WORKSPACE = 2.5
"""Memory in use over that of the maps: 1.1 to 2.3 was measured on ResNet-9 and U-Net 256."""


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on `device`; a guess where the system does not say."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        taken = torch.mps.driver_allocated_memory()
        return max(0, torch.mps.recommended_max_memory() - taken)
    return min(_machine(), _container())


def check_memory(name: str, image: Image, size: tuple[int, int]) -> None:
    """Refuse an animation, or pages, that would not fit: all are held until they are written.

    Args:
        name: of the result.
        image: what becomes larger.
        size: width and height that its first frame comes to have.

    Raises:
        ImganError: with the way out.
    """
    if len(image.frames) < 2:
        return
    grown = size[0] * size[1] / (image.size[0] * image.size[1])
    needed = 0.0
    for frame in image.frames:
        height, width, channels = frame.colour.shape
        channels += frame.alpha is not None
        for_writing = 1 if channels == 1 else 4  # bytes a pixel of Pillow's copy
        needed += grown * height * width * (channels * frame.colour.itemsize + for_writing)
    free = free_memory(torch.device("cpu"))
    if needed > free:
        raise ImganError(
            f"{name}: its {len(image.frames)} frames take {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; make it smaller, or take fewer frames"
        )


def bytes_per_pixel(network: nn.Module, channels: int, side: int) -> float:
    """Memory that `network` takes for a pixel of its input, weights apart, in float32.

    A trial on a small image counts what is alive at once; with the size it grows in proportion.

    Args:
        channels: of the input.
        side: of the image to try, one that the network takes.
    """
    device = next(network.parameters()).device
    alive = _Alive()
    hooks = [
        module.register_forward_hook(alive.see)
        for module in network.modules()
        if not any(module.children())
    ]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, channels, side, side, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return _WORKSPACE * alive.peak / side**2


class _Alive:
    """Counts the bytes of the maps between the layers that are in use at once."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._holders: dict[int, int] = {}  # tensors that share a piece of memory, by its address

    def see(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """A forward hook."""
        for tensor in (*inputs, output):
            if isinstance(tensor, Tensor):
                memory = tensor.untyped_storage()
                address, size = memory.data_ptr(), memory.nbytes()
                if address not in self._holders:
                    self.now += size
                self._holders[address] = self._holders.get(address, 0) + 1
                weakref.finalize(tensor, self._gone, address, size)
        self.peak = max(self.peak, self.now)

    def _gone(self, address: int, size: int) -> None:
        self._holders[address] -= 1
        if not self._holders[address]:
            del self._holders[address]
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
