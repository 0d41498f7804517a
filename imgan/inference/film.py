"""A clip and its predicted continuation as a film to look at: marked, and side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as pil
from PIL import ImageDraw, ImageFont

from ..data.images import write_image
from ..data.pixels import Frame, Image, resize
from ..data.prepared import to_channels
from ..data.video import WRITABLE, probe, write_video
from ..errors import ImganError
from ..files import writable
from ..shipped import labels
from .predict import Predictor, Progress, read_last, shorter, to_8_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

PAST, PREDICTED, TRUTH = (37, 99, 235), (217, 72, 15), (21, 128, 61)
"""Colours of the bar above each picture: frames of the clip, predicted ones (+3: three frames
ahead), and what really followed."""

_GAP = 4  # pixels between pictures side by side
_FRAME = "next-{:04d}.png"


@dataclass(frozen=True)
class Made:
    """What `predict_film` wrote: the file or folder, its frames of each kind, and their look."""

    target: Path
    past: int
    predicted: int
    width: int
    height: int
    fps: float


def predict_film(
    clip: Path,
    models: Sequence[str | Path | None] = (None,),
    out: str | None = None,
    *,
    frames: int = 12,
    past: int | None = None,
    compare: bool = False,
    marks: bool | None = None,
    size: int | None = None,
    quality: int | None = None,
    overwrite: bool = False,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> Made:
    """Write the end of a clip and the frames that the models take to come next.

    Args:
        clip: a video file, or a folder of numbered frames; it is streamed, never held as a whole.
        models: files or shipped names; several stand side by side. None is the shipped model.
        out: a film, or a folder for PNG files (next-0001.png); see `target_of`.
        frames: how many are predicted.
        past: how many frames of the clip are shown before them; by default those that were looked
            at.
        compare: hold back the clip's last `frames`, predict them, and show what really followed, a
            copy of the last frame, and each model side by side.
        marks: draw the coloured bars; by default in films, and in pictures side by side.
        size: the shorter side is brought to so many pixels before anything else.
        quality: see `imgan.data.video.write_video`.
        overwrite: replace what is there.
        device, precision: see `Predictor`.
        progress: called with the predicted frames done and their number.

    Raises:
        ImganError: the clip cannot be read or is too short, a model does other work, or the target
            exists or cannot be written.
    """
    if frames < 1:
        raise ImganError(f"frames is at least 1, not {frames}")
    if past is not None and past < 0:
        raise ImganError(f"past is at least 0, not {past}")
    target = target_of(clip, out, overwrite)
    predictors = [Predictor(model, device, precision) for model in models]
    held = frames if compare else 0
    seen = max(predictor.past for predictor in predictors)
    shown = seen if past is None else past
    end, fps = _end(clip, max(seen, shown), seen, held)
    if size is not None:
        end = [resize(frame, shorter(frame, size)) for frame in end]
    before, after = end[: len(end) - held], end[len(end) - held :]
    film = _film(before, after, shown, labels(models), predictors, frames, progress)
    if marks is None:
        marks = compare or len(models) > 1 or not target.folder
    drawn = _drawn(film, marks)
    if target.folder:
        height, width = _write_folder(target.path, drawn)
    else:
        height, width = _write_film(target.path, drawn, fps, quality)
    return Made(target.path, min(shown, len(before)), frames, width, height, fps)


@dataclass(frozen=True)
class Target:
    """Where a film goes: a file, or a folder for its frames."""

    path: Path
    folder: bool


def target_of(clip: Path, out: str | None, overwrite: bool = False) -> Target:
    """Where the film goes: a file of an ending that can be written, or a folder without one.

    By default beside the clip: clip.mp4 becomes clip_next.mp4, which keeps the clip's format where
    that can be written and is mp4 otherwise.

    Raises:
        ImganError: it exists, has another ending, is the clip itself, or its folder is read-only.
    """
    if out is None:
        suffix = clip.suffix.lower() if clip.suffix.lower() in WRITABLE else ".mp4"
        whole = clip if clip.name not in ("", "..") else clip.resolve()
        stem = whole.name if clip.is_dir() else whole.stem
        target = Target(whole.with_name(f"{stem}_next{suffix}"), False)
        if not writable(target.path.parent):
            raise ImganError(
                f"{target.path} cannot be written, because the clip's folder is read-only; name "
                "another place with -o"
            )
    else:
        path = Path(out)
        target = Target(path, out.endswith(("/", "\\")) or path.is_dir() or not path.suffix)
        if not target.folder and path.suffix.lower() not in WRITABLE:
            raise ImganError(
                f"{path} is no film that can be written; let it end in {', '.join(WRITABLE)}, or "
                "in / for a folder of PNG files"
            )
    path = target.path
    if path.resolve() == clip.resolve():
        raise ImganError(f"{path} is the clip itself; name another place with -o")
    if target.folder and path.is_file():
        raise ImganError(f"{path} is a file and no folder; name another place with -o")
    there = bool(_frame_files(path)) if target.folder else path.exists()
    if there and not overwrite:
        raise ImganError(f"{path} exists; --overwrite replaces it, -o names another")
    return target


def _end(clip: Path, wanted: int, needed: int, held: int) -> tuple[list[Pixels], float]:
    """The last frames of the clip, those that are held back among them, and its rate."""
    fps = probe(clip).fps
    end = read_last(clip, wanted + held)
    if len(end) < needed + held:
        count = f"{len(end)} frame{'s' * (len(end) != 1)}"
        if len(end) > needed:
            raise ImganError(
                f"{clip} has {count}, and --compare with --frames {held} takes {needed + held}; "
                f"give --frames {len(end) - needed} or less"
            )
        raise ImganError(
            f"{clip} has {count}, and the model looks at {needed}"
            f"{f', with {held} more to compare with' if held else ''}; give a longer clip"
        )
    if len({frame.shape for frame in end}) > 1:
        raise ImganError(f"the frames of {clip} differ in size; bring them all to one")
    return end, fps


@dataclass(frozen=True)
class _Picture:
    """One picture of a frame of the film: its pixels, what it is, and its names by length."""

    pixels: Pixels
    kind: tuple[int, int, int]
    text: Sequence[str]


def _film(
    before: list[Pixels],
    after: list[Pixels],
    shown: int,
    models: list[str],
    predictors: list[Predictor],
    count: int,
    progress: Progress | None,
) -> Iterator[list[_Picture]]:
    """The film frame by frame, each the pictures that stand side by side."""
    names = [*(["truth", "copy"] if after else []), *models]
    for frame in before[len(before) - min(shown, len(before)) :]:
        yield [_Picture(frame, PAST, _texts(name, "past", len(names))) for name in names]
    made = [predictor.ahead(before) for predictor in predictors]
    for number, new in enumerate(islice(zip(*made, strict=True), count)):
        ahead = f"+{number + 1}"
        pictures = [to_channels(to_8_bits(frame), 3) for frame in new]
        kinds = [PREDICTED] * len(names)
        if after:
            pictures = [after[number], before[-1], *pictures]
            kinds[0] = TRUTH
        yield [
            _Picture(pixels, kind, _texts(name, ahead, len(names)))
            for pixels, kind, name in zip(pictures, kinds, names, strict=True)
        ]
        if progress:
            progress(number + 1, count)


def _texts(name: str, when: str, count: int) -> list[str]:
    """What a bar may say, the longest first."""
    if count == 1:
        return [when] if when == "past" else [f"predicted {when}", when]
    return [f"{name} {when}", name, *(f"{name[:n]}…" for n in range(len(name) - 1, 0, -1))]


def _drawn(film: Iterator[list[_Picture]], marks: bool) -> Iterator[Pixels]:
    """Each frame as one picture."""
    for pictures in film:
        parts: list[Pixels] = []
        for picture in pictures:
            height, width = picture.pixels.shape[:2]
            pixels = picture.pixels
            if marks:
                pixels = np.concatenate([_bar(picture, width, max(14, height // 16)), pixels])
            gap = np.zeros((pixels.shape[0], _GAP, 3), np.uint8)
            parts += [gap, pixels] if parts else [pixels]
        yield np.concatenate(parts, axis=1)


def _bar(picture: _Picture, width: int, height: int) -> Pixels:
    """``[height, width, 3]`` in the colour of the kind, with the longest text that fits."""
    image = pil.new("RGB", (width, height), picture.kind)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(height * 0.68)
    room = width - height // 2
    for text in picture.text:
        if draw.textlength(text, font=font) <= room:
            draw.text((height // 4, height / 2), text, (255, 255, 255), font, anchor="lm")
            break
    return np.asarray(image)


def _write_film(
    target: Path, frames: Iterator[Pixels], fps: float, quality: int | None
) -> tuple[int, int]:
    shape = 0, 0

    def measured() -> Iterator[Pixels]:
        nonlocal shape
        for frame in frames:
            shape = frame.shape[:2]
            yield frame

    write_video(target, measured(), fps, quality)
    return shape


def _write_folder(target: Path, frames: Iterator[Pixels]) -> tuple[int, int]:
    """Numbered PNG files, in place of an earlier run's."""
    shape, written = (0, 0), set()
    for number, frame in enumerate(frames, 1):
        shape = frame.shape[:2]
        file = target / _FRAME.format(number)
        write_image(file, Image([Frame(frame)]))
        written.add(file)
    for file in _frame_files(target) - written:
        file.unlink()
    return shape


def _frame_files(folder: Path) -> set[Path]:
    """What an earlier run left in a folder."""
    before, after = _FRAME.split("{:04d}")
    return {file for file in folder.glob(f"{before}[0-9]*{after}") if file.stem[5:].isdigit()}
