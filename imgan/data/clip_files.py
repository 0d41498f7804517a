"""Clips found, decoded once, and kept: raw frames, small grey ones, where scenes begin, motion."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil

from ..errors import ImganError
from ..files import replacing, sweep
from .arrays import mapped
from .layouts import SPLIT_NAMES
from .photos import cache_folder
from .prepared import to_channels
from .scenes import most_motion, scene_starts, small
from .video import VIDEOS, frames_in, numbered_frames, probe, read_frames
from .walk import folders_in

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]

VERSION = 2
"""Of what is kept; another one is made anew."""


def find_clips(folders: Sequence[Path]) -> list[Path]:
    """Every video file, and every folder of two or more numbered frames and no video, sorted.

    A path stands for itself; hidden files and folders are passed over.

    Raises:
        ImganError: there is no such folder, or no clip.
    """
    return sorted(named_files(folders))


@dataclass(frozen=True)
class Clip:
    """A decoded clip: its name below the data folder, its cached files, its scenes.

    `shape` is ``(T, H, W, C)``; scenes are frames ``[start, stop)``. The name of a part of a clip
    ends in its frames: ``walk.mp4[180:200]``.
    """

    name: str
    path: Path
    frames: Path
    small: Path
    shape: tuple[int, ...]
    scenes: tuple[tuple[int, int], ...]
    split: str = ""

    def box(self, small: Pixels, crop: int) -> tuple[int, int]:
        """Height and width on the small frames of a square of `crop` pixels."""
        height, width = (
            max(1, round(crop * few / many))
            for few, many in zip(small.shape[1:], self.shape[1:3], strict=True)
        )
        return height, width

    def motion(self, future: int, crop: int) -> NDArray[np.float64]:
        """`imgan.data.scenes.most_motion` in squares of `crop`; reckoned once and kept.

        Raises:
            ImganError: the cache cannot be written.
        """
        small = mapped(self.small)
        high, wide = box = self.box(small, crop)
        file = self.small.with_name(f"{self.frames.stem}-motion-{future}-{high}x{wide}.npy")
        shape = (max(0, self.shape[0] - future),)
        try:
            kept: NDArray[np.float64] = np.load(file)
            if kept.shape == shape and kept.dtype == np.float64:
                return kept
        except (OSError, ValueError, EOFError):
            pass  # not yet, or damaged
        found = most_motion(small, future, box)
        try:
            with replacing(file) as beside:
                np.save(beside, found)
        except OSError as error:
            raise _cannot_keep(file.parent, error.strerror or str(error)) from None
        return found

    def starts(self, length: int, step: int = 1) -> list[int]:
        """First frames of the windows of `length` frames, none of which holds a cut."""
        return [i for start, stop in self.scenes for i in range(start, stop - length + 1, step)]

    def part(self, start: int, stop: int) -> Clip:
        """Only these frames, under their numbers in the whole clip."""
        scenes = [(max(a, start), min(b, stop)) for a, b in self.scenes]
        kept = tuple((a, b) for a, b in scenes if a < b)
        return replace(self, name=f"{self.name}[{start}:{stop}]", scenes=kept)


class _Unusable(Exception):
    """A clip is to be left out; the text is the reason."""


def decode_clips(
    folders: Sequence[Path],
    length: int,
    side: int,
    crop: int,
    channels: int,
    progress: Progress = lambda done, total: None,
) -> tuple[list[Clip], dict[str, str]]:
    """The clips with `length` frames without a cut, sorted, and the others with their reasons.

    Raises:
        ImganError: there is none, or the cache cannot be written.
    """
    if channels not in (1, 3):
        raise ImganError(f"clips have 1 channel or 3, not {channels}")
    named = named_files(folders)
    clips, skipped = [], {}
    sweep(cache_folder() / "clips", "*.npy")
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        jobs = {path: pool.submit(_cached, path, side, crop, channels) for path in sorted(named)}
        for done, (path, job) in enumerate(jobs.items(), 1):
            try:
                kept, shape, starts = job.result()
                ends = [*starts[1:], shape[0]]
                scenes = tuple(zip(starts, ends, strict=True))
                if max(b - a for a, b in scenes) < length:
                    raise _Unusable(_too_short(shape[0], len(scenes), length))
                name, split = named[path]
                clips.append(Clip(name, path, kept.frames, kept.small, shape, scenes, split))
            except _Unusable as error:
                skipped[str(path)] = str(error)
            progress(done, len(jobs))
    finally:  # on Ctrl-C at once
        pool.shutdown(wait=False, cancel_futures=True)
    if not clips:
        raise ImganError(f"none of the {len(named)} clips can be used{first_reason(skipped)}")
    return clips, skipped


def first_reason(skipped: dict[str, str]) -> str:
    """The end of a sentence: a clip that was left out, and why."""
    if not skipped:
        return ""
    path, reason = next(iter(skipped.items()))
    return f"; {path}: {reason}"


def _too_short(frames: int, scenes: int, length: int) -> str:
    has = f"it has {frames} frame{'s' if frames > 1 else ''}"
    cut = f" in {scenes} scenes" if scenes > 1 else ""
    return f"{has}{cut}, and {length} in a row without a cut are needed"


def named_files(folders: Sequence[Path]) -> dict[Path, tuple[str, str]]:
    """Clips with their names and splits."""
    found: dict[Path, tuple[str, str]] = {}
    roots: dict[Path, Path] = {}
    for folder in folders:
        if not folder.exists():
            raise ImganError(f"there is no folder {folder}")
        for path in [folder] if folder.is_file() else _below(folder, set()):
            inside = path.relative_to(folder) if path != folder else Path(path.resolve().name)
            # Of several folders each may be a split.
            own = [Path(os.path.abspath(folder)).name] if len(folders) > 1 else []
            above = [*(inside.parts[:-1] if path != folder else ()), *own]
            if path != folder and path.is_dir() and _is_split(path):
                above.append(path.name)
            splits = [SPLIT_NAMES[word.lower()] for word in above if word.lower() in SPLIT_NAMES]
            found[path] = inside.as_posix(), splits[0] if splits else ""
            roots[path] = folder
    if not found:
        raise ImganError(
            f"there is no clip in {', '.join(map(str, folders))}; give video files "
            "(mp4, webm, gif, mkv, ...) or folders of numbered frames"
        )
    for whole in (False, True):  # equal names in several folders
        count = Counter(name for name, _ in found.values())
        for path, (name, split) in found.items():
            if count[name] > 1:
                longer = f"{roots[path].resolve().name}/{name}"
                found[path] = path.as_posix() if whole else longer, split
    return found


def _is_split(clip: Path) -> bool:
    """Whether frames that lie right in train/ or test/ are a split: no other clips lie beside."""
    beside = {path.name.lower() for path in folders_in(clip.parent)}
    return clip.name.lower() in SPLIT_NAMES and ("train" in beside or beside <= SPLIT_NAMES.keys())


def _below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    if folder.resolve() in seen:  # links may go in circles
        return
    seen.add(folder.resolve())
    try:
        inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    except OSError as error:
        raise ImganError(f"{folder} cannot be read: {error.strerror}") from None
    videos = [path for path in inside if path.suffix.lower() in VIDEOS and not path.is_dir()]
    if not videos and len(frames_in(folder)) > 1:
        yield folder
    yield from videos
    for path in inside:
        if path.is_dir():
            yield from _below(path, seen)


@dataclass(frozen=True)
class _Kept:
    """Files of a decoded clip: frames ``[T, H, W, C]``, small ones ``[T, h, w]``, scene starts."""

    frames: Path
    small: Path
    scenes: Path

    def content(self, channels: int) -> tuple[tuple[int, ...], list[int]] | None:
        """Shape and scenes, unless a file is missing, cut short or something else."""
        try:
            large, grey = (mapped(file) for file in (self.frames, self.small))
            starts = mapped(self.scenes)
            if large.ndim != 4 or grey.ndim != 3 or not len(large) == len(grey) > 0:
                return None
            if large.shape[3] != channels or not large.dtype == grey.dtype == np.uint8:
                return None
            if starts.ndim != 1 or starts.dtype != np.int64 or not len(starts) or starts[0]:
                return None
        except (OSError, ValueError, EOFError, AttributeError):
            return None
        increasing = (np.diff(starts) > 0).all() and starts[-1] < len(large)
        return (large.shape, starts.tolist()) if increasing else None


def _cached(path: Path, side: int, crop: int, channels: int) -> tuple[_Kept, Any, list[int]]:
    """Decode a clip, or find it in the cache.

    Returns:
        Its files, the shape of the frames, and the first frames of the scenes.

    Raises:
        _Unusable: the clip cannot be read, or is smaller than half of `crop`.
        ImganError: the cache cannot be written.
    """
    folder = cache_folder() / "clips"
    try:
        identity = _identity(path)
        for least in (1, crop):  # only what had to be enlarged depends on the crop
            text = f"{identity}|{side}|{least}|{channels}|{VERSION}"
            stem = hashlib.sha256(os.fsencode(text)).hexdigest()[:24]
            kept = _Kept(*(folder / f"{stem}{end}.npy" for end in ("", "-small", "-scenes")))
            if (found := kept.content(channels)) and min(found[0][1:3]) >= crop:
                return kept, *found
            video = probe(path)
            if min(video.width, video.height) >= crop:
                break
        size = _size(video.width, video.height, side, crop)
        starts = _keep(path, kept, size, channels)
    except MemoryError:
        raise _Unusable("it does not fit into memory") from None
    except ImganError as error:
        raise _Unusable(_it(error, path)) from None
    except _Full as error:
        raise _cannot_keep(folder, str(error)) from None
    except (OSError, RuntimeError) as error:  # such as a link to nothing, or to itself
        raise _Unusable(getattr(error, "strerror", None) or str(error)) from None
    return kept, mapped(kept.frames).shape, starts


class _Full(Exception):
    """The cache cannot be written."""


def _cannot_keep(folder: Path, reason: str) -> ImganError:
    return ImganError(
        f"decoded clips cannot be kept in {folder}: {reason}; make it a folder with room that you "
        "may write to, set IMGAN_CACHE to another one, or lower data.side"
    )


def _keep(path: Path, kept: _Kept, size: tuple[int, int], channels: int) -> list[int]:
    """Write the files of a clip; the first frames of its scenes."""
    try:
        with _array(kept.frames) as keep_frame, _array(kept.small) as keep_small:

            def formed() -> Iterator[Pixels]:
                for frame in read_frames(path):
                    large = _resized(to_channels(frame, channels), size)
                    grey = small(large)
                    keep_frame(large)
                    keep_small(grey)
                    yield grey

            starts = sorted({*scene_starts(formed()), *_gaps(path)})
        with replacing(kept.scenes) as beside:
            np.save(beside, np.array(starts, np.int64))
    except OSError as error:
        raise _Full(error.strerror or str(error)) from None
    return starts


def _gaps(path: Path) -> list[int]:
    """Frames of a folder before which numbers are missing; numbers may be times, which waver."""
    if not path.is_dir():
        return []
    steps = np.diff([number for number, _ in numbered_frames(path)])
    return [int(i) + 1 for i in np.nonzero(steps > 1.5 * np.median(steps))[0]] if len(steps) else []


def _resized(frame: Pixels, size: tuple[int, int]) -> Pixels:
    """Bicubic, after a first reduction to no less than twice the size: half the time."""
    if frame.shape[1::-1] == size:
        return frame
    image = pil.fromarray(frame if frame.shape[2] == 3 else frame[:, :, 0])
    resized = np.asarray(image.resize(size, pil.Resampling.BICUBIC, reducing_gap=2))
    return resized.reshape(*resized.shape[:2], -1)


def _it(error: ImganError, path: Path) -> str:
    """The sentence without the clip's name, which the reader has."""
    text = str(error)
    return f"it {text[len(str(path)) + 1 :]}" if text.startswith(f"{path} ") else text


def _identity(path: Path) -> str:
    files = [file for _, file in numbered_frames(path)] if path.is_dir() else [path]
    stats = [(file.name, (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]
    return f"{path.resolve()}|{stats}"


def _size(width: int, height: int, side: int, crop: int) -> tuple[int, int]:
    """Width and height, the shorter of them `side` unless it is less anyway; at least `crop`."""
    shorter = min(width, height)
    if 2 * shorter < crop:
        raise _Unusable(f"it has {width}x{height} pixels, too few for squares of {crop}")
    wanted = max(min(side or shorter, shorter), crop)
    longer = max(wanted, round(max(width, height) * wanted / shorter))
    return (wanted, longer) if width <= height else (longer, wanted)


@contextmanager
def _array(file: Path) -> Iterator[Any]:
    """What appends uint8 arrays of one shape to an ``.npy`` file, whole or not at all."""
    with replacing(file) as beside, open(beside, "r+b") as out:
        shape: tuple[int, ...] = ()
        count = 0

        def header() -> None:
            # numpy leaves room in it for the first axis to grow.
            content = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
            np.lib.format.write_array_header_1_0(out, content)

        def append(pixels: Pixels) -> None:
            nonlocal count, shape
            if not count:
                shape = pixels.shape
                header()
            out.write(np.ascontiguousarray(pixels).data)
            count += 1

        yield append
        begin = out.tell() - count * int(np.prod(shape))
        out.seek(0)
        header()
        if out.tell() != begin:
            raise OSError(f"the header of {file.name} has grown")
