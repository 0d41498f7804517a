"""The machine under a run: Accelerate, signals, and what errors from deep below mean."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    GradientAccumulationPlugin,
    InitProcessGroupKwargs,
)

from ..errors import ImganError
from ..inference.device import choose
from ..machine import is_out_of_memory
from ..recipe import Recipe

# Words of the libraries for a process that is gone.
_LOST = ("Connection closed", "Connection reset", "gloo", "NCCL", "Socket", "peer")


class LostProcess(ImganError):
    """Another process of the run has ended."""


def make_accelerator(
    recipe: Recipe, out: Path, device: str | None, began: str | None = None
) -> Accelerator:
    """Device, precision, processes and tracker of a run.

    `began` is the precision that a run which goes on was begun in: it stays, on any processor.
    """
    wanted = recipe.train.precision
    if device in (None, "auto") and os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true":
        device = "cpu"  # as `accelerate launch --cpu` says
    chosen, dtype = choose(device, began if began and wanted == "auto" else wanted)
    # A process may train one recipe after another, and Accelerate keeps the first one's precision.
    AcceleratorState._reset_state()
    if not torch.distributed.is_initialized():
        PartialState._reset_state()
    if chosen.index is not None:
        if "LOCAL_RANK" in os.environ:
            raise ImganError(f"--device {chosen} names one GPU for several processes; leave it out")
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(chosen)
    else:  # of a run before in this process
        os.environ.pop("ACCELERATE_TORCH_DEVICE", None)
    # Accelerate only logs that a tracker is missing.
    if recipe.train.tracker and find_spec(recipe.train.tracker) is None:
        raise ImganError(
            f"train.tracker: {recipe.train.tracker} is not installed; "
            f"pip install {recipe.train.tracker}"
        )
    return Accelerator(
        mixed_precision="bf16" if dtype == torch.bfloat16 else "no",
        # As a plugin: a plain number yields to a variable of the environment.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=recipe.train.accumulate),
        cpu=chosen.type == "cpu",
        log_with=recipe.train.tracker,
        project_dir=out if recipe.train.tracker else None,
        kwargs_handlers=[
            # Batch norm's buffers may not be overwritten between a round's two forwards.
            DistributedDataParallelKwargs(broadcast_buffers=False),
            # The first process may decode many photos while the others wait.
            InitProcessGroupKwargs(timeout=timedelta(hours=6)),
        ],
    )


def explained(error: Exception, processes: int, folder: Path, last: str) -> Exception:
    """What a person can make of an error from deep below; others stay as they are.

    `folder` is the run's, `last` a sentence that names the last checkpoint.
    """
    text = str(error)
    deep = isinstance(error, (RuntimeError, ConnectionError))  # torch's, gloo's, NCCL's
    if processes > 1 and deep and any(word in text for word in _LOST):
        return LostProcess(
            f"another process of this run has ended, so this one stops too. {last} Start the same "
            "command again to go on."
        )
    name = error.filename if isinstance(error, OSError) else None
    written = name is not None and Path(os.fsdecode(name)).is_relative_to(folder)
    full = getattr(error, "errno", None) == errno.ENOSPC or "file write failed" in text
    if full or written:
        way = "make room" if full else "take another --out"
        return ImganError(f"the run's folder cannot be written ({error}); {way}. {last}")
    if isinstance(error, OSError):
        return ImganError(f"the system failed the run: {error}. {last}")
    if "DataLoader worker" in text:
        return ImganError(
            f"a process that loads data was killed, perhaps for want of memory. {last} Start the "
            "same command again to go on, with --set train.workers=0 if need be."
        )
    if is_out_of_memory(error):
        return ImganError(
            "the device has not the memory for a step; set train.accumulate to 2 or more, or "
            f"train.batch or the images smaller. {last}"
        )
    return error


@contextmanager
def on_interrupt(ask: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `ask`; a second Ctrl-C raises KeyboardInterrupt.

    Signals come to the main thread alone: in others nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def handle(number: int, frame: object) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True
        ask()

    before: dict[signal.Signals, Any] = {}
    before |= {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except LostProcess:
        # The launcher now terminates this one too; let it come to printing why it ends.
        before[signal.SIGTERM] = signal.SIG_IGN
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
