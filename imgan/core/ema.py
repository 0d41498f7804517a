"""An exponential moving average of a network: its weights and its buffers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from imgan.core.logits import full_precision


class EMA:
    """Averages what ``module.state_dict()`` holds: floats are averaged, integers copied.

    The vectors of spectral norm (buffers whose names end in ``_u`` and ``_v``) are copied too: the
    mean of unit vectors is none, and the norm that it gives would be far too small.

    ``average = decay * average + (1 - decay) * current``, as for the generators of Karras et al.
    2018 and Yazici et al. 2019. With ``warmup`` the decay of the t-th update is at most
    ``(1 + t) / (10 + t)``, so that the first, bad weights fade fast. Half-precision weights are
    averaged in float32, or a decay of 0.999 would round their changes away.

    Give it the unwrapped module (without DDP), or the names will not match at inference.
    """

    def __init__(self, module: nn.Module, decay: float = 0.999, warmup: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.module = module
        self.decay = decay
        self.warmup = warmup
        self.updates = 0
        vectors = (name for name, _ in module.named_buffers() if name.endswith(("_u", "_v")))
        self._copied = frozenset(vectors)
        self._average = {name: _copy(value) for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the module's present state into the average: once after each generator move."""
        self.updates += 1
        ramp = (1 + self.updates) / (10 + self.updates) if self.warmup else 1.0
        share = 1 - min(self.decay, ramp)
        for name, value in self.module.state_dict().items():
            average = self._average[name].to(value.device)  # the module may have been moved
            if average.is_floating_point() and name not in self._copied:
                average.lerp_(value.to(average.dtype), share)
            else:
                average.copy_(value)
            self._average[name] = average

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The module with the averaged state; afterwards its own, bit for bit, errors included."""
        own = {name: value.clone() for name, value in self.module.state_dict().items()}
        try:
            self.copy_to(self.module)
            yield self.module
        finally:
            _load(self.module, own)

    def copy_to(self, module: nn.Module) -> None:
        """Write the averaged state into a module of the same architecture.

        Raises:
            KeyError: the module holds a name that the average lacks.
        """
        _load(module, self._average)

    def state_dict(self) -> dict[str, Any]:
        """The averages by name, and the count of updates (the warm-up's position).

        As a module's own ``state_dict``, it holds the live tensors: copy them to keep them.
        """
        return {"average": dict(self._average), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken.

        Raises:
            ValueError: the saved names or shapes are not those of the module.
        """
        saved = state["average"]
        differing = saved.keys() ^ self._average.keys()
        common = saved.keys() & self._average.keys()
        differing |= {name for name in common if saved[name].shape != self._average[name].shape}
        if differing:
            raise ValueError(
                f"the saved average belongs to another network; differing: {sorted(differing)}"
            )
        self._average = {
            name: saved[name].to(value, copy=True) for name, value in self._average.items()
        }
        self.updates = state["updates"]


def _copy(value: Tensor) -> Tensor:
    value = value.detach().clone()
    return full_precision(value) if value.is_floating_point() else value


@torch.no_grad()
def _load(module: nn.Module, values: dict[str, Tensor]) -> None:
    # In place, so that optimizers, DDP and compiled graphs keep their tensors.
    for name, value in module.state_dict().items():
        value.copy_(values[name])
