"""Hold one player still while the other moves."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """No parameter of ``modules`` requires a gradient inside; afterwards each is as it was.

    Gradients still flow through the modules to their inputs. What is computed inside never puts a
    gradient into their parameters, nor does a ``backward`` that runs inside.
    """
    # All flags are read before the first is changed: modules may share parameters.
    flags = [(p, p.requires_grad) for module in modules for p in module.parameters()]
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
