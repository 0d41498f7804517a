"""Video files and folders of numbered frames, read and written frame by frame.

Memory stays that of a few frames however long a clip is. Every frame that a file holds comes once,
in the order of display; where frames last unequally long that is forgotten.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ImganError
from .images import READABLE
from .photos import decode
from .video_writing import BICUBIC, RATES, WRITABLE, pyav, write_video

__all__ = ["VIDEOS", "WRITABLE", "Video", "probe", "read_frames", "read_last_frames", "write_video"]

Pixels = NDArray[np.uint8]

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".gif"})
"""Suffixes that are taken for clips in a folder; a file that is named is read whatever it is."""

FOLDER_FPS = 25.0
"""Frames a second of a folder of frames, which does not say it."""

_FRAMES = READABLE - {".gif"}
_FASTEST = 240.0  # frames a second; above, headers hold the unit of time more often than a rate
_NUMBERED = re.compile(r"(.*?)(\d+)")
_PICTURE = re.compile(r"picture (\d+)x(\d+)")
# Demuxers that may open a file: others are playlists, which name further files, or no videos.
_DEMUXERS = "mov,matroska,gif,avi,mpeg,mpegts,mpegvideo,ogg,flv"
_BT709, _UNKNOWN = 1, 2  # colour matrices, as FFmpeg numbers them


class Video(NamedTuple):
    """Frames a second, as can be written, and the size of the frames as seen, after rotation."""

    fps: float
    width: int
    height: int


def probe(path: Path) -> Video:
    """What a clip is, by its header and first frame.

    Raises:
        ImganError: it cannot be read.
    """
    fps = FOLDER_FPS
    if not path.is_dir():
        with _opened(path) as (container, stream):
            fps = _rate(container, stream)
    height, width = next(read_frames(path, count=1)).shape[:2]
    return Video(fps, width, height)


def read_frames(path: Path, *, start: int = 0, count: int | None = None) -> Iterator[Pixels]:
    """Stream a clip's frames as uint8 RGB ``[H, W, 3]``, upright.

    A folder's images whose names end in a number are its frames, in the order of the numbers. YUV
    becomes RGB by the matrix and range that the file names; where it names none by those that
    players take (BT.709 over 576 lines or 1279 columns, else BT.601; studio range). What is clear
    lies on white paper. Pixels that are not square stay as they are stored.

    Args:
        path: a video file or a folder of frames.
        start: frames to skip; a video's are decoded all the same, so that the number is exact.
        count: at most so many frames; by default all.

    Raises:
        ImganError: no clip, damaged, cut short (after the whole frames), or without frames.
    """
    if count == 0:
        return
    stop = None if count is None else start + count
    frames = _frames_of_folder(path, start, stop) if path.is_dir() else _decoded(path, start, stop)
    yield from _alike(frames, path, start)


def read_last_frames(path: Path, count: int) -> list[Pixels]:
    """The last `count` frames of a clip as `read_frames` gives them; all where there are fewer.

    A video is decoded from its beginning, but only so many frames are held, and only these become
    RGB; of a folder only their files are read.

    Raises:
        ImganError: as `read_frames`.
    """
    if count < 1:
        return []
    if path.is_dir():
        first = max(0, len(numbered_frames(path)) - count)
        return list(read_frames(path, start=first))
    last = deque(enumerate(_pictures(path, None)), count)
    with _told(path):
        frames = [(number, picture()) for number, picture in last]
    return list(_alike((frame for _, frame in frames), path, frames[0][0]))


def _alike(frames: Iterator[Pixels], path: Path, start: int) -> Iterator[Pixels]:
    """The frames, unless they differ in size."""
    shape = None
    for number, frame in enumerate(frames, start):
        shape = shape or frame.shape
        if frame.shape != shape:
            (a, b), (c, d) = shape[:2], frame.shape[:2]
            raise ImganError(
                f"{path}: frame {number} is {d}x{c} pixels and those before {b}x{a}; bring them "
                "to one size"
            )
        yield frame


def frames_in(folder: Path) -> list[tuple[int, Path, str]]:
    """Images whose names end in a number: it, the file, and what stands before it; sorted."""
    found = []
    for file in folder.iterdir():
        name = _NUMBERED.fullmatch(file.stem)
        if file.suffix.lower() in _FRAMES and name and not file.name.startswith("."):
            found.append((int(name[2]), file, name[1]))
    return sorted(found)


def numbered_frames(folder: Path) -> list[tuple[int, Path]]:
    """A folder's frames by number: 2 before 10.

    Raises:
        ImganError: there are none, or those of several clips.
    """
    found = frames_in(folder)
    if not found:
        raise ImganError(f"{folder} holds no numbered frames, such as 0001.png")
    names = sorted({prefix for *_, prefix in found})
    if len(names) > 1:
        raise ImganError(
            f"{folder} holds frames of several clips ({names[0]!r}, {names[1]!r}); give each a "
            "folder of its own"
        )
    for (number, file, _), (following, other, _) in pairwise(found):
        if number == following:
            raise ImganError(f"{file} and {other.name} bear the same number; remove one")
    return [(number, file) for number, file, _ in found]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A video file's container and the video in it, which is not always the first: films may hold
    pictures of themselves."""
    if path.is_fifo():  # which would be waited for, maybe for ever
        raise ImganError(f"{path} is a pipe and no file")
    limits = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"}
    with (
        _told(path),
        pyav().open(f"file:{path}", options=limits, metadata_errors="ignore") as container,
    ):
        stream = container.streams.best("video")
        if stream is None:
            raise ImganError(f"{path} holds no video")
        yield container, stream


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Decoding errors become sentences."""
    av = pyav()
    try:
        yield
    except MemoryError:
        raise ImganError(f"{path}: a frame does not fit into memory") from None
    except FileNotFoundError:
        raise ImganError(f"there is no file {path}") from None
    except (av.InvalidDataError, av.EOFError, av.ArgumentError):
        raise ImganError(f"{path} is no video that can be read, or is cut short") from None
    except (av.FFmpegError, OSError) as error:
        raise ImganError(f"{path} cannot be read: {error.strerror or error}") from None


def _rate(container: Any, stream: Any) -> float:
    """Frames a second; of a GIF, each of whose frames has its own time, their mean.

    A header's placeholder, such as 1000 where times are in milliseconds, gives way to the frames'
    times.
    """
    slowest, fastest = RATES
    return min(max(_rate_told(container, stream), slowest), fastest)


def _rate_told(container: Any, stream: Any) -> float:
    if container.format.name == "gif":
        times = [packet.duration for packet in container.demux(stream) if packet.duration]
        return len(times) / float(sum(times) * stream.time_base) if times else FOLDER_FPS
    told = float(stream.average_rate or stream.guessed_rate or FOLDER_FPS)
    if told <= _FASTEST:
        return told
    pts = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
    if len(pts) < 2 or max(pts) == min(pts):
        return FOLDER_FPS
    return (len(pts) - 1) / float((max(pts) - min(pts)) * stream.time_base)


def _decoded(path: Path, start: int, stop: int | None) -> Iterator[Pixels]:
    for picture in islice(_pictures(path, stop), start, None):
        with _told(path):
            pixels = picture()
        yield pixels


def _pictures(path: Path, stop: int | None) -> Iterator[Callable[[], Pixels]]:
    """The frames of a video, decoded, each as what makes RGB of it.

    Packets before the first frame that cannot be decoded are passed over, up to a frame that needs
    none before it: recordings of broadcasts begin anywhere.
    """
    dropped = False  # and nothing that stands alone since
    number, end = 0, 0.0  # of frames so far, and the latest second of any stream
    with _opened(path) as (container, stream):
        cut = f"{path} is damaged or cut short after {{}} frames"
        stream.thread_type = "AUTO"
        for packet in container.demux():
            if packet.is_corrupt and number:
                raise ImganError(cut.format(number))
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream != stream:
                continue
            if dropped and not packet.is_keyframe:
                continue
            try:
                frames = None if packet.is_corrupt else packet.decode()
            except pyav().FFmpegError:
                frames = None
            dropped = frames is None
            if dropped and number:
                raise ImganError(cut.format(number))
            if dropped:  # earlier packets are still in a decoder that works on several at once
                stream.codec_context.flush_buffers()
            for frame in frames or ():
                number += 1
                yield partial(_rgb, frame, container.metadata)
                if number == stop:
                    return
        if dropped:
            raise ImganError(cut.format(number))
        if not number:
            raise ImganError(f"{path} holds no frames")
        if _lacks(path, container, stream, end):
            raise ImganError(cut.format(number))


def _lacks(path: Path, container: Any, stream: Any, end: float) -> bool:
    """Whether a file ends before what its header tells; demuxers do not always say so."""
    if container.format.name == "gif":
        with open(path, "rb") as file:
            file.seek(-min(64, path.stat().st_size), 2)
            return not file.read().rstrip(b"\0\r\n").endswith(b";")  # the format's last byte
    first = float((stream.start_time or 0) * stream.time_base)
    told = 0.0
    if stream.duration:
        told = first + float(stream.duration * stream.time_base)
    elif container.duration:
        told = max(0, container.start_time or 0) / 1e6 + container.duration / 1e6
    return end < told - max(0.5, told / 50)  # durations are not exact


def _rgb(frame: Any, notes: dict[str, str]) -> Pixels:
    """A decoded frame as ``[H, W, 3]``: right colours, no padding, upright."""
    untagged = frame.colorspace == _UNKNOWN and (frame.width >= 1280 or frame.height > 576)
    clear = any(component.is_alpha for component in frame.format.components)
    pixels: Pixels = frame.reformat(
        format="rgba" if clear else "rgb24",
        src_colorspace=_BT709 if untagged else None,
        interpolation=BICUBIC,
    ).to_ndarray()
    if clear:
        alpha = pixels[:, :, 3:].astype(np.uint32)
        pixels = ((pixels[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    note = next((text for key, text in notes.items() if key.lower() == "comment"), "")
    if whole := _PICTURE.fullmatch(note):
        width, height = int(whole[1]), int(whole[2])
        if (pixels.shape[1] - width, pixels.shape[0] - height) in ((0, 1), (1, 0), (1, 1)):
            pixels = pixels[:height, :width]
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _frames_of_folder(folder: Path, start: int, stop: int | None) -> Iterator[Pixels]:
    for _, file in islice(numbered_frames(folder), start, stop):
        try:
            yield decode(file)
        except ImganError as error:
            raise ImganError(f"{file}: {error}") from None
