"""Images made ready for translation: decoded, brought to their size and channels once, and kept.

What is the same at every visit of an image (decoding, taking a half, resizing) is done once into a
cache of raw pixels; what is drawn anew each time (cut and flip) is left to `translation`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ImganError
from ..files import replacing, sweep
from .arrays import mapped
from .images import read_image
from .photos import cache_folder
from .pixels import on_white, resize

Pixels = NDArray[Any]
Half = Literal["left", "right"] | None
Progress = Callable[[int, int], None]


SMALLEST = 16
"""Pixels of a side under which there is nothing to learn from an image, whatever it is made."""


@dataclass(frozen=True)
class Form:
    """What images are brought to.

    `resize` is ``stretch`` (to a square of `load` pixels), ``shorter`` (the shorter side becomes
    `load`) or ``none``; sides smaller than `size` are then padded by reflection.
    """

    channels: int
    resize: Literal["stretch", "shorter", "none"]
    load: int
    size: int


@dataclass
class Prepared:
    """The files of one set that can be used, and their pixels as ``[H, W, C]`` files of numpy's."""

    names: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.files)

    def add(self, path: Path, result: tuple[Path, tuple[int, ...]]) -> None:
        """Take in an image with what `prepare` gave for it."""
        self.names.append(path.name)
        self.files.append(result[0])
        self.shapes.append(tuple(result[1]))

    def pixels(self, index: int) -> Pixels:
        """``[H, W, C]``, uint8, uint16 or float32 in [0, 1]; mapped, not read."""
        pixels: Pixels = mapped(self.files[index])
        return pixels


def prepare(paths: Sequence[Path], half: Half, form: Form, progress: Progress) -> list[Any]:
    """Bring every image to `form`, or find it in the cache.

    Returns:
        For each path its cache file and shape, or the sentence that says why it cannot be used.

    Raises:
        ImganError: the cache cannot be written.
    """
    sweep(cache_folder() / "images", "*.npy")
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    results: list[Any] = []
    try:
        for job in [pool.submit(_cached, path, half, form) for path in paths]:
            try:
                results.append(job.result())
            except _Unusable as error:
                results.append(str(error))
            progress(len(results), len(paths))
    finally:  # on Ctrl-C at once
        pool.shutdown(wait=False, cancel_futures=True)
    return results


class _Unusable(Exception):
    """An image is to be left out; the text is the reason."""


def _cached(path: Path, half: Half, form: Form) -> tuple[Path, tuple[int, ...]]:
    try:
        stat = path.stat()
        identity = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{half}|{form}|3"
    except (OSError, RuntimeError) as error:
        raise _Unusable(getattr(error, "strerror", None) or str(error)) from None
    name = hashlib.sha256(os.fsencode(identity)).hexdigest()[:32]
    file = cache_folder() / "images" / f"{name}.npy"
    if file.is_file():
        try:
            return file, mapped(file).shape
        except (OSError, ValueError, EOFError):
            pass  # cut short by a full disk: made again
    try:
        pixels = _formed(_half(read_image(path, "it").frames[0], half), form)
    except MemoryError:
        raise _Unusable("it does not fit into memory") from None
    except ImganError as error:
        raise _Unusable(str(error)) from None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as beside, open(beside, "wb") as out:
            np.save(out, pixels)
    except OSError as error:
        raise ImganError(
            f"the cache of decoded images cannot be written: {error}; set IMGAN_CACHE to a folder "
            "with room"
        ) from None
    return file, pixels.shape


def _half(frame: Any, half: Half) -> Pixels:
    """Colour on white paper, and of a side-by-side pair the half that is asked for."""
    colour: Pixels = on_white(frame)
    if half is None:
        return colour
    width = colour.shape[1]
    if width % 2:
        raise _Unusable(f"it holds two images side by side and is {width} pixels wide, not even")
    return colour[:, : width // 2] if half == "left" else colour[:, width // 2 :]


def _formed(colour: Pixels, form: Form) -> Pixels:
    colour = to_channels(colour, form.channels)
    height, width = colour.shape[:2]
    if min(height, width) < (least := min(SMALLEST, form.size)):
        raise _Unusable(f"it is tiny: {width}x{height} pixels, where {least} are the least")
    if form.resize == "stretch":
        size = (form.load, form.load)
    elif form.resize == "shorter":
        factor = form.load / min(height, width)
        size = (max(form.load, round(width * factor)), max(form.load, round(height * factor)))
    else:
        size = (width, height)
    colour = resize(colour, size)
    grow = [max(0, form.size - side) for side in colour.shape[:2]]
    if any(grow):
        colour = np.pad(colour, ((0, grow[0]), (0, grow[1]), (0, 0)), mode="reflect")
    return np.ascontiguousarray(colour)


def to_channels(colour: Pixels, channels: int) -> Pixels:
    """Grey as RGB or RGB as grey (Rec. 601 luma), where the other is asked for.

    Raises:
        ImganError: another number of channels cannot be made.
    """
    own = colour.shape[2]
    if own == channels:
        return colour
    if own == 1 and channels == 3:
        return colour.repeat(3, axis=2)
    if own == 3 and channels == 1:
        return luma(colour)
    raise ImganError(f"it has {own} channels, not {channels}")


def luma(colour: Pixels) -> Pixels:
    """``[H, W, 3] -> [H, W, 1]`` of the same dtype: Rec. 601 weights, as JPEG's Y."""
    grey = (colour.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))[:, :, None]
    if colour.dtype.kind != "f":
        grey = np.rint(grey)
    result: Pixels = grey.astype(colour.dtype)
    return result
