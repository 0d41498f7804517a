"""Which items of an endless data set a process takes, and when: the sampler with no state.

Step s of the run takes the items ``[s * batch, (s + 1) * batch)``, cut into micro-batches for
accumulation and then among the processes. A run goes on exactly from its step alone, with any
number of processes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import ImganError


class Items(Protocol):
    """Anything that gives items by number."""

    def __getitem__(self, index: int) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class Portions:
    """A batch sampler: the index lists of one process, micro-batch by micro-batch."""

    start: int
    steps: int
    batch: int
    accumulate: int = 1
    process: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if self.batch % (self.accumulate * self.processes):
            raise ImganError(
                f"train.batch {self.batch} cannot be divided among {self.processes} processes and "
                f"{self.accumulate} accumulated parts; make it a multiple of "
                f"{self.processes * self.accumulate}"
            )

    def __len__(self) -> int:
        return (self.steps - self.start) * self.accumulate

    def __iter__(self) -> Iterator[list[int]]:
        micro = self.batch // self.accumulate
        own = micro // self.processes
        for step in range(self.start, self.steps):
            for part in range(self.accumulate):
                first = step * self.batch + part * micro + self.process * own
                yield list(range(first, first + own))


def stream(dataset: Items, portions: Portions, workers: int) -> DataLoader[Any]:
    """Load the portions in order, `workers` processes ahead of the step."""
    return DataLoader(
        cast(Dataset[Any], dataset),
        batch_sampler=portions,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_ignore_interrupt,
        generator=torch.Generator(),  # else it draws from the step's random numbers
    )


def _ignore_interrupt(_: int) -> None:
    # Ctrl-C reaches the whole process group; the main process finishes its step and ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
