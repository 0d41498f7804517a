"""What models of next frames are scored on: windows of held-out clips, or moving digits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.clips import TEST_WINDOWS, find_clips, test_windows
from ..data.moving_digits import MovingDigits, held_out_sequences, read_digits
from ..errors import ImganError
from ..model_file import Card

if TYPE_CHECKING:
    from numpy.typing import NDArray

HORIZON = 8
"""Frames ahead that clips are scored on."""

DIGIT_HORIZON = 10
"""Frames ahead that moving digits are scored on: the standard measure goes from 10 to 10."""

SEQUENCES = 1000
"""Sequences of moving digits."""

_ARRAYS = (".npy", ".npz", ".csv", ".csv.gz", "-ubyte", "-ubyte.gz", ".h5")


@dataclass
class Windows:
    """Windows by the name of their clip, ``[past + horizon, H, W, C]`` uint8 each, to be read once.

    `skipped` is filled while they are read: clips that cannot be used, and why.
    """

    items: Iterator[tuple[str, NDArray[Any]]]
    horizon: int
    text: str
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """What they are, for the protocol; complete when they have been read."""
        left = len(self.skipped)
        return self.text + (f"; {left} file{'s' * (left > 1)} left out" if left else "")


def find_windows(
    data: Sequence[Path],
    cards: Sequence[Card],
    past: int,
    horizon: int | None,
    sequences: int,
    size: int | None,
) -> Windows:
    """The windows to score the models of these cards on; see `evaluate_nextframe`.

    Raises:
        ImganError: there are none, or the models differ in what they are to be scored on.
    """
    file = _array_file(data)
    if file is None:
        return _of_clips(data, cards, past, horizon or HORIZON, size)
    if size is not None:
        raise ImganError("--size is for clips; moving digits have 64 pixels")
    horizon = horizon or DIGIT_HORIZON
    if file.suffix == ".npy":
        return _ready(file, past, horizon, sequences)
    return _of_digits(file, cards, past, horizon, sequences)


def _of_clips(
    data: Sequence[Path], cards: Sequence[Card], past: int, horizon: int, size: int | None
) -> Windows:
    sides = {int(card.recipe.get("data", {}).get("side", 0)) for card in cards}
    if size is None and len(sides) > 1:
        raise ImganError(
            f"these models were trained on clips of {' and '.join(map(str, sorted(sides)))} "
            "pixels; say with --size which they are scored on"
        )
    side = sides.pop() if size is None else size
    kept = [names for card in cards if (names := _held_out(card, data))]
    names = [name for name in kept[0] if all(name in other for other in kept)] if kept else []
    if kept and not names:
        raise ImganError(
            "no clip was held out in the training of all of these models; score them one by one"
        )
    text = f"windows of {past} frames and the {horizon} after them, at most {TEST_WINDOWS} a clip, "
    text += f"shorter side {side} pixels, " if side else "of their own size, "
    text += f"held out in training: {', '.join(names)}" if names else "of all clips"
    skipped: dict[str, str] = {}
    items = test_windows(
        data,
        horizon,
        past=past,
        side=side,
        channels=cards[0].channels,
        names=names or None,
        skipped=skipped,
    )
    return Windows(items, horizon, text, skipped)


def _held_out(card: Card, data: Sequence[Path]) -> list[str]:
    """The clips among these that a model's training kept apart; none if it had other clips."""
    names = card.data.get("held_out")
    if not isinstance(names, list):  # of moving digits it is their number
        return []
    there = [path.resolve().as_posix() for path in find_clips(data)]
    whole = {name: "/" + re.sub(r"\[\d+:\d+\]$", "", name) for name in names}
    found = [name for name in names if any(path.endswith(whole[name]) for path in there)]
    return found if _trained_on(card, data) or len(found) == len(names) else []


def _trained_on(card: Card, data: Sequence[Path]) -> bool:
    """Whether a model was trained on these; the card has their names alone."""
    return card.data.get("folders") == [path.resolve().name for path in data]


def _of_digits(file: Path, cards: Sequence[Card], past: int, horizon: int, count: int) -> Windows:
    digits = read_digits(file)
    text = f"sequences of two moving digits from {file.name}, seed 0, {past} frames to {horizon}"
    if any(_trained_on(card, [file]) for card in cards):
        held_out = MovingDigits(digits, past, horizon, 0).summary()["held_out"]
        if held_out:
            digits = digits[len(digits) - held_out :]
        text += f", of the {held_out} digits that training held out"
    found = held_out_sequences(digits, past + horizon, count)
    items = (("moving digits", frames[..., None]) for frames in found)
    return Windows(items, horizon, text)


def _ready(file: Path, past: int, horizon: int, count: int) -> Windows:
    try:
        frames = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        raise ImganError(f"{file} is damaged, or no array of numpy's") from None
    length = past + horizon
    if frames.ndim != 4 or frames.dtype != np.uint8 or len(frames) < length:
        raise ImganError(
            f"{file} holds {frames.dtype} of shape {frames.shape}; sequences are uint8 "
            f"[T, N, H, W] with at least {length} frames"
        )
    many = range(min(count, frames.shape[1]))
    items = ((file.stem, np.array(frames[:length, i, :, :, None])) for i in many)
    return Windows(items, horizon, f"sequences of {file.name}, the first ones, {past} to {horizon}")


def _array_file(data: Sequence[Path]) -> Path | None:
    """The file of digits or sequences, if that is what the data are; it may lie in a folder."""
    if len(data) != 1:
        return None
    path = data[0]
    if not path.is_dir():
        return path if path.name.lower().endswith(_ARRAYS) else None
    inside = [file for file in path.iterdir() if file.name.lower().endswith(_ARRAYS)]
    return inside[0] if len(inside) == 1 else None
