"""What one sees of a run: a bar or lines on the terminal, metrics.jsonl, trackers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..files import replacing

LINE_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class Metrics:
    """RUN/metrics.jsonl: a row a report. On resume the rows after the checkpoint are cut off."""

    def __init__(self, path: Path, step: int) -> None:
        self.scores: Mapping[str, float] = {}  # of the latest validation, for the next row
        self.rows = [row for row in _read(path) if row["step"] <= step]
        with replacing(path) as beside:
            beside.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        self.rows.append(dict(row))
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Nothing is written after this."""
        self._file.close()


def steps_done(run: Path) -> int:
    """The last step that a run has logged; 0 before the first."""
    rows = _read(run / "metrics.jsonl")
    return int(rows[-1]["step"]) if rows else 0


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:  # the line that a kill cut short
            break
    return rows


class Display:
    """The terminal of the main process: a bar where one can be drawn, else a line now and then.

    `task` is what the steps are called; `later` steps of other runs come after these, and are told
    as time left in all.
    """

    def __init__(self, show: bool, steps: int, task: str = "step", later: int = 0) -> None:
        self.show, self.steps, self.task, self.later = show, steps, task, later
        self.start = 0
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._text = ""
        self._began = self._line = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the bar while the block runs."""
        self._began = time.monotonic()
        if not self.show or not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.fields[in_all]}{task.fields[text]}"),
        )
        with Progress(*columns, console=self._console) as self._bar:
            self._task = self._bar.add_task(
                self.task, total=self.steps, completed=self.start, in_all="", text=""
            )
            yield
        self._bar = None

    def advance(self, step: int) -> None:
        """`step` steps are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step, in_all=self._in_all(step))
        elif self.show and time.monotonic() - self._line > LINE_EVERY:
            self._line = time.monotonic()
            left = (self.steps - step) * self._pace(step)
            self.say(
                f"{self.task} {step}/{self.steps}, {clock(left)} left, {self._in_all(step)}"
                f"{self._text}".removesuffix(", ")
            )

    def _pace(self, step: int) -> float:
        """Seconds a step."""
        return (time.monotonic() - self._began) / (step - self.start)

    def _in_all(self, step: int) -> str:
        """With other runs to come the time left for all, as if they were as fast."""
        if not self.later:
            return ""
        return f"{clock((self.steps - step + self.later) * self._pace(step))} in all, "

    def report(self, rate: float, means: Mapping[str, float]) -> None:
        """The latest rate in images/s, and losses."""
        shown = [f"{k} {v:.4g}" for k, v in means.items() if k in _SHOWN]
        self._text = ", ".join([f"{rate:.1f} images/s", *shown])
        if self._bar is not None:
            self._bar.update(self._task, text=self._text)

    def say(self, text: str) -> None:
        """A line above the bar."""
        if not self.show:
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)


_SHOWN = ("g_loss", "d_loss", "l1", "mse", "perceptual", "g_adversarial")


def clock(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
