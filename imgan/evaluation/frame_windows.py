"""What models of next frames are scored on: windows of held-out clips, or moving digits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.clips import TEST_WINDOWS, find_clips, test_windows
from ..data.moving_digits import SIDE, held_out_sequences, read_digits, split_digits
from ..errors import ImganError
from ..model_file import Card
from .trained_clips import CardClips, named_clips

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

    `skipped` is filled while they are read: clips that cannot be used, and why. `digits` says that
    they are moving digits, whose standard measure is the squared error summed over a frame.
    """

    items: Iterator[tuple[str, NDArray[Any]]]
    horizon: int
    text: str
    skipped: dict[str, str] = field(default_factory=dict)
    digits: bool = False

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
        raise ImganError("size is for clips; moving digits have 64 pixels")
    horizon = horizon or DIGIT_HORIZON
    if file.suffix.lower() == ".npy" and not _are_digits(file):
        return _ready(file, past, horizon, sequences)
    return _of_digits(file, cards, past, horizon, sequences, data[0])


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
    clips = named_clips(data)
    known = [CardClips.of(card, clips) for card in cards]
    names = [name for one in known for name in one.usable]
    names = [name for name in dict.fromkeys(names) if all(name in one.usable for one in known)]
    if not names:
        raise ImganError(
            "no clip was held out in the training of all of these models; score them one by one"
        )
    text = f"windows of {past} frames and the {horizon} after them, at most {TEST_WINDOWS} a clip, "
    text += f"shorter side {side} pixels, " if side else "of their own size, "
    text += _which(names, len(clips), known)
    skipped: dict[str, str] = {}
    items = test_windows(
        data,
        horizon,
        past=past,
        side=side,
        channels=cards[0].channels,
        names=names,
        skipped=skipped,
    )
    return Windows(items, horizon, text, skipped)


def _which(names: list[str], count: int, known: Sequence[CardClips]) -> str:
    """Which clips are scored, and what the models' training saw of them."""
    if any(one.held_out for one in known):
        text = f"held out in training: {', '.join(names)} (of {count} clips)"
    elif len(names) < count:
        text = f"all {len(names)} clips that were not trained on"
    else:
        text = "of all clips"
    seen = [one.model for one in known if one.trained_on_all]
    return text + (f"; {' and '.join(dict.fromkeys(seen))} was trained on these" if seen else "")


def _of_digits(
    file: Path, cards: Sequence[Card], past: int, horizon: int, count: int, within: Path
) -> Windows:
    text = f"sequences of two moving digits from {file.name}, seed 0, {past} frames to {horizon}"
    names = [{path.resolve().name} for path in (file, within)]
    seen = [card.name for card in cards if set(card.data.get("folders", ())) in names]
    digits = None
    if seen:
        _, held_out = split_digits(file)
        if len(held_out):
            digits, text = held_out, f"{text}, of the {len(held_out)} digits kept from training"
        else:
            text += f"; {' and '.join(dict.fromkeys(seen))} was trained on these digits"
    found = held_out_sequences(
        read_digits(file) if digits is None else digits, past + horizon, count
    )
    items = (("moving digits", frames[..., None]) for frames in found)
    text += "; generated here, not those of mnist_test_seq.npy"
    return Windows(items, horizon, text, digits=True)


def _ready(file: Path, past: int, horizon: int, count: int) -> Windows:
    frames = _numpy(file)
    length = past + horizon
    if frames.ndim != 4 or frames.dtype != np.uint8 or len(frames) < length:
        raise ImganError(
            f"{file} holds {frames.dtype} of shape {frames.shape}; sequences are uint8 "
            f"[T, N, H, W] with at least {length} frames"
        )
    many = range(min(count, frames.shape[1]))
    items = ((file.stem, np.array(frames[:length, i, :, :, None])) for i in many)
    which = f"the first of its {frames.shape[1]}" if len(many) < frames.shape[1] else "all it has"
    text = f"sequences of {file.name}, {which}, {past} to {horizon}"
    return Windows(items, horizon, text, digits=True)


def _numpy(file: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r")
    except FileNotFoundError:
        raise ImganError(f"there is no file {file}") from None
    except (OSError, ValueError, EOFError):
        raise ImganError(f"{file} is damaged, or no array of numpy's") from None
    return array


def _are_digits(file: Path) -> bool:
    """Whether a ``.npy`` holds single images, ``[M, H, W]`` also with a channel, no sequences."""
    shape: tuple[int, ...] = _numpy(file).shape
    if len(shape) != 4:
        return len(shape) == 3
    return shape[3] == 1 or (shape[1] == 1 and shape[2] == shape[3] < SIDE)


def _array_file(data: Sequence[Path]) -> Path | None:
    """The file of digits or sequences, if that is what the data are; it may lie in a folder."""
    if len(data) != 1:
        return None
    path = data[0]
    if not path.is_dir():
        return path if path.name.lower().endswith(_ARRAYS) else None
    inside = [file for file in path.iterdir() if file.name.lower().endswith(_ARRAYS)]
    if len(inside) != 1:
        return None
    try:
        find_clips(data)
    except ImganError:  # there are none
        return inside[0]
    return None  # a table beside the clips
