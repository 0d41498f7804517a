"""Video files written frame by frame: H.264, VP9 and GIF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImganError
from ..files import replacing

Pixels = NDArray[np.uint8]

WRITABLE = {
    ".mp4": ("mp4", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
    ".gif": ("gif", "gif"),
}
"""What can be written: suffix to container and encoder."""

RATES = (0.1, 1000.0)
"""The fewest and the most frames a second that can be written."""

BICUBIC = 4
"""How FFmpeg scales the half-size colour planes."""

_BT709, _BT601, _STUDIO = 1, 6, 1  # matrices and the range 16..235, as FFmpeg numbers them


def pyav() -> Any:
    """The module ``av``, which nothing but video files needs.

    Raises:
        ImganError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise ImganError("video files need PyAV; install it with: pip install av") from None
    return av


def write_video(
    path: Path, frames: Iterable[Pixels], fps: float, quality: int | None = None
) -> None:
    """Write a clip by its ending: .mp4 and .mkv (H.264), .webm (VP9) or .gif; whole or not at all.

    H.264 has even sides only: an odd one is padded by repeating its edge, and the file's comment
    ("picture 33x21") tells `read_frames` to take that off again. Colours are tagged as BT.709 where
    players assume it for that size, else as BT.601, in studio range. A GIF has a palette a frame
    and at most 50 frames a second.

    Args:
        path: where to; an existing file is replaced.
        frames: uint8 ``[H, W, 3]`` or grey ``[H, W, 1]``, all of one size; taken one at a time.
        fps: frames a second.
        quality: 1 to 100, 80 by default; GIF has none.

    Raises:
        ImganError: unknown ending, no frames, frames of several sizes, or it cannot be written.
    """
    if path.suffix.lower() not in WRITABLE:
        raise ImganError(f"{path}: clips are written as {', '.join(WRITABLE)}")
    if not RATES[0] <= fps <= RATES[1]:
        raise ImganError(
            f"{path}: {fps:g} frames a second are not possible; {RATES[0]:g} to {RATES[1]:g} are"
        )
    if quality is not None and not 1 <= quality <= 100:
        raise ImganError(f"{path}: the quality is 1 to 100, not {quality}")
    av = pyav()
    source = iter(frames)
    first = next(source, None)
    if first is None:
        raise ImganError(f"{path}: there are no frames to write")
    form, encoder = WRITABLE[path.suffix.lower()]
    if encoder not in av.codecs_available:
        raise ImganError(f"{path}: this build of PyAV has no {encoder}; take another ending")
    last = {"final_delay": str(round(_hundredths(fps)))} if form == "gif" else {}
    try:
        with (
            replacing(path) as beside,
            av.open(f"file:{beside}", "w", format=form, options=last) as container,
        ):
            packets = _encoded(container, encoder, chain([first], source), fps, quality or 80, path)
            for packet in packets:
                container.mux(packet)
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImganError(f"{path} cannot be written: {reason}") from None


def _encoded(
    container: Any, encoder: str, frames: Iterable[Pixels], fps: float, quality: int, path: Path
) -> Iterator[Any]:
    """The packets of all frames."""
    av = pyav()
    frames = _of_one_size(frames, path)
    first = next(frames)
    height, width = first.shape[:2]
    pad = (height % 2, width % 2) if encoder == "libx264" else (0, 0)
    if any(pad):
        container.metadata["comment"] = f"picture {width}x{height}"
    gif = encoder == "gif"
    rate = Fraction(fps).limit_denominator(1001)
    stream = container.add_stream(encoder, rate=100 if gif else rate)
    stream.width, stream.height = width + pad[1], height + pad[0]
    stream.pix_fmt = "pal8" if gif else "yuv420p"
    context = stream.codec_context
    matrix = _BT709 if width >= 1280 or height > 576 else _BT601
    if encoder == "libx264":
        stream.options = {"crf": str(round(45 - 0.35 * quality))}
    elif encoder == "libvpx-vp9":
        context.bit_rate = 0  # constant quality
        stream.options = {"crf": str(round(60 - 0.5 * quality)), "cpu-used": "4", "row-mt": "1"}
    if not gif:
        context.colorspace = context.color_primaries = context.color_trc = matrix
        context.color_range = _STUDIO
    for number, pixels in enumerate(chain([first], frames)):
        if gif:
            frame = av.VideoFrame.from_ndarray(_palette(pixels), format="pal8")
            frame.pts, frame.time_base = round(number * _hundredths(fps)), Fraction(1, 100)
        else:
            padded = np.pad(pixels, ((0, pad[0]), (0, pad[1]), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=_BT709 if matrix == _BT709 else 5,
                dst_color_range=_STUDIO,
                interpolation=BICUBIC,
            )
            frame.pts, frame.time_base = number, 1 / rate
        yield from stream.encode(frame)
    yield from stream.encode()


def _hundredths(fps: float) -> float:
    """Of a second, for a frame of a GIF: two at least, for of one players make ten."""
    return max(2.0, 100 / fps)


def _of_one_size(frames: Iterable[Pixels], path: Path) -> Iterator[Pixels]:
    shape = None
    for number, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.shape != shape:
            raise ImganError(
                f"{path}: frame {number} is {frame.shape[1]}x{frame.shape[0]} pixels and those "
                f"before {shape[1]}x{shape[0]}; a clip has one size"
            )
        yield np.broadcast_to(frame, (*frame.shape[:2], 3))


def _palette(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """The 256 colours that fit a frame best: indices ``[H, W]`` and ARGB ``[256, 4]``.

    Not dithered: the dots would dance from frame to frame.
    """
    from PIL import Image as pil

    image = pil.fromarray(np.ascontiguousarray(pixels)).quantize(256)
    colours = np.asarray(image.getpalette(), np.uint8).reshape(-1, 3)
    table = np.zeros((256, 4), np.uint8)
    table[:, 0] = 255  # opaque
    table[: len(colours), 1:] = colours
    return np.asarray(image), table
