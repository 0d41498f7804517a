"""Training the arms: every arm with every seed is a run of its own; what is done is kept."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..data.walk import files_in
from ..errors import ImganError, Stopped
from ..files import replacing, write_json
from ..model_file import read_card
from ..recipe import Recipe
from ..training import checkpoint
from ..training.progress import clock, steps_done
from ..training.run_folder import RunFolder
from ..training.runtime import on_interrupt

Say = Callable[[str], None]

LOOK_EVERY = 2.0
"""Seconds between two looks at runs in other processes."""

LINE_EVERY = 15.0
"""Seconds between two lines about them."""


@dataclass(frozen=True)
class Run:
    """An arm with a seed: its recipe and its folder."""

    arm: str
    seed: int
    recipe: Recipe
    folder: Path

    @property
    def model(self) -> Path:
        """What comes out."""
        return RunFolder(self.folder).model

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.arm}, seed {self.seed}"

    def started(self) -> bool:
        """Whether anything is kept of it."""
        return self.model.is_file() or bool(checkpoint.found(RunFolder(self.folder).checkpoints))

    def finished(self) -> bool:
        """Whether it is trained to its last step.

        Raises:
            ImganError: another recipe's run lies there, or one that a single run could go on from
                and a comparison cannot: its arms are trained alike.
        """
        folder = RunFolder(self.folder)
        folder.check(self.recipe, resume=False)
        changed = [key for key in folder.changed(self.recipe) if key not in _FREE]
        if self.started() and changed:
            raise ImganError(
                f"{self.folder} holds a run with another {' and '.join(changed)}, and arms "
                "compare with the same; take it to go on, or another --out"
            )
        try:
            return read_card(self.model).steps >= self.recipe.train.steps
        except ImganError:  # none yet
            return False


_FREE = {
    "train.workers",
    "train.log_every",
    "train.preview_every",
    "train.checkpoint_every",
    "train.keep",
    "train.tracker",
    "train.compile",
    "licence",
    "notes",
}
"""Settings that change nothing of what is learnt; all others are those of the comparison."""


def keep_data(file: Path, folders: Sequence[Path], runs: Sequence[Run]) -> None:
    """Write down which data the runs are trained on, or see that it is still the same.

    Raises:
        ImganError: some were trained on other files.
    """
    out = file.parent.resolve()  # it may lie in the data
    files = [
        (path.relative_to(folder).as_posix() if path != folder else path.name, path.stat().st_size)
        for folder in folders
        for path in (files_in(folder, skipped={}) if folder.is_dir() else [folder])
        if path.is_file() and out not in path.resolve().parents
    ]
    now = {"files": len(files), "sha256": hashlib.sha256(repr(files).encode()).hexdigest()}
    if file.is_file() and any(run.started() for run in runs):
        if json.loads(file.read_text(encoding="utf-8")) != now:
            raise ImganError(
                f"{file.parent} holds a comparison that was trained on other data; give the same "
                "files, or another --out"
            )
    elif files:
        write_json(file, now)


def train_all(
    runs: Sequence[Run], folders: Sequence[Path], devices: Sequence[str], say: Say
) -> None:
    """Train what is not trained yet, one run after another, or side by side on several devices.

    Raises:
        ImganError: a run cannot be trained; those that are done stay.
        Stopped: Ctrl-C; the same command goes on.
    """
    todo = [run for run in runs if not run.finished()]
    if len(todo) < len(runs):
        say(f"{len(runs) - len(todo)} of {len(runs)} runs are trained already")
    if len(devices) > 1 and len(todo) > 1:
        _side_by_side(todo, folders, devices, say)
    else:
        _in_turn(todo, folders, devices[0])


def _in_turn(todo: Sequence[Run], folders: Sequence[Path], device: str) -> None:
    from ..training.loop import Trainer

    later = sum(run.recipe.train.steps - steps_done(run.folder) for run in todo)
    for number, run in enumerate(todo, 1):
        later -= run.recipe.train.steps - steps_done(run.folder)
        task = f"{run.name} ({number} of {len(todo)}), step"
        try:
            Trainer(run.recipe, folders, run.folder, device=device, task=task, later=later).run()
        except ImganError as error:
            raise ImganError(f"arm {run.name}: {error}") from None


# -- several devices -----------------------------------------------------------------------------


@dataclass
class _Worker:
    run: Run
    device: str
    process: subprocess.Popen[bytes]
    log: Path


def _side_by_side(
    todo: Sequence[Run], folders: Sequence[Path], devices: Sequence[str], say: Say
) -> None:
    """A process a device, each with one run at a time; the first failure ends all."""
    waiting, free, busy = deque(todo), deque(devices), list[_Worker]()
    began, before = time.monotonic(), sum(steps_done(run.folder) for run in todo)
    told = began
    asked: list[bool] = []
    try:
        with on_interrupt(lambda: asked.append(True)):
            while waiting or busy:
                if asked:
                    raise Stopped("stopped; the same command goes on")
                while waiting and free:
                    busy.append(_start(waiting.popleft(), folders, free.popleft()))
                    say(f"{busy[-1].run.name} on {busy[-1].device}")
                time.sleep(LOOK_EVERY)
                for worker in [one for one in busy if one.process.poll() is not None]:
                    _ended(worker)
                    say(f"{worker.run.name}: done")
                    busy.remove(worker)
                    free.append(worker.device)
                if time.monotonic() - told > LINE_EVERY:
                    told = time.monotonic()
                    say(_standing(todo, before, told - began))
    finally:
        _end(busy)


def _start(run: Run, folders: Sequence[Path], device: str) -> _Worker:
    recipe = run.folder.with_name(f"{run.folder.name}.yaml")  # names may hold points
    recipe.parent.mkdir(parents=True, exist_ok=True)
    with replacing(recipe) as beside:
        plain = run.recipe.model_dump(mode="json")
        beside.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "imgan", "train", str(recipe), *map(str, folders)]
    command += ["--out", str(run.folder), "--device", device]
    log = run.folder.with_name(f"{run.folder.name}.log")
    with log.open("wb") as file:
        # In a session of its own: Ctrl-C is passed on once, by `_end`.
        process = subprocess.Popen(
            command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True
        )
    return _Worker(run, device, process, log)


def _ended(worker: _Worker) -> None:
    if worker.process.returncode == 0:
        return
    lines = worker.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("imgan: ") if lines else "it ended without a word"
    raise ImganError(f"arm {worker.run.name} on {worker.device}: {last} (see {worker.log})")


def _end(workers: Sequence[_Worker]) -> None:
    """Let every run save a checkpoint and end."""
    for worker in workers:
        if worker.process.poll() is None:
            os.killpg(worker.process.pid, signal.SIGINT)
    for worker in workers:
        worker.process.wait()


def _standing(todo: Sequence[Run], before: int, seconds: float) -> str:
    done = sum(steps_done(run.folder) for run in todo)
    total = sum(run.recipe.train.steps for run in todo)
    text = f"step {done} of {total} in all"
    if done > before:
        text += f", {clock((total - done) * seconds / (done - before))} left"
    return text
