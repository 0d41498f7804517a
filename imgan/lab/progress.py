"""What one sees of the experiments: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ..report.words import duration

LINE_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class Display:
    """Told the experiment at work and the share of all work that is done."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._began = self._line = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the bar while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
        )
        with Progress(*columns, console=self._console) as self._bar:
            self._task = self._bar.add_task("", total=1.0, left="")
            yield
        self._bar = None

    def update(self, name: str, share: float) -> None:
        """`share` of 1 is done; experiment `name` is at work."""
        now = time.monotonic()
        # The first shares are too small to judge by.
        left = (now - self._began) * (1 - share) / share if share > 0.005 else None
        text = f"about {duration(left)} left" if left is not None else ""
        if self._bar is not None:
            self._bar.update(self._task, completed=share, description=name, left=text)
        elif now - self._line > LINE_EVERY:
            self._line = now
            print(
                ", ".join(filter(None, (name, f"{share:.0%}", text))), file=sys.stderr, flush=True
            )
