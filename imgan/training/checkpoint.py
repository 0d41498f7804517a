"""Checkpoints: one file each, written beside and renamed; the last good ones always stay."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from ..errors import ImganError
from ..files import replacing, sweep

_NAME = re.compile(r"step-(\d+)\.pt")


def found(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, newest first."""
    files = [p for p in folder.glob("step-*.pt") if _NAME.fullmatch(p.name)]
    return sorted(files, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The step that stands in a checkpoint's name."""
    match = _NAME.fullmatch(path.name)
    assert match, path
    return int(match[1])


def save(folder: Path, step: int, state: dict[str, Any], keep: int) -> None:
    """Write the state after `step` steps, then remove all but the newest `keep`."""
    import torch

    with replacing(folder / f"step-{step:08d}.pt") as beside:
        torch.save(state, beside)
    for old in found(folder)[keep:]:
        old.unlink()


def _check_sums(file: Path) -> None:
    """torch does not look at them, and would load changed numbers without a word."""
    with zipfile.ZipFile(file) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} in it is damaged")


def load(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest state that can be read, and a sentence for each newer one that cannot.

    Only tensors and plain data are read: no code runs from a checkpoint. Halves of checkpoints, as
    large as whole ones, that a killed process left in `folder` are removed.

    Raises:
        ImganError: there are checkpoints, and none of them can be read.
    """
    import torch

    sweep(folder, "step-*.pt")
    warnings: list[str] = []
    files = found(folder)
    for file in files:
        try:
            _check_sums(file)
            return torch.load(file, map_location="cpu", weights_only=True), warnings
        except Exception as error:  # what a damaged file makes the readers raise has no end
            reason = (str(error) or type(error).__name__).splitlines()[0]
            warnings.append(f"checkpoint {file} cannot be read ({reason}); taking the one before")
    if files:
        raise ImganError(f"no checkpoint in {folder} can be read; remove the folder to start again")
    return None, warnings
