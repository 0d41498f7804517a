"""Looking through a folder of clips: how many there are, how long and large, and which are damaged.

Of a film only the first frame is decoded and the others are counted, so that a set of thousands
takes minutes; faults further in show when training decodes it, which leaves such clips out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import ImganError
from .arrays import mapped
from .check import Finding
from .clip_files import find_clips, named_files
from .layouts import images_in
from .video import VIDEOS, _lacks, _opened, numbered_frames, probe

_FILMS = VIDEOS - {".gif"}  # which are images as well


@dataclass
class ClipSplit:
    """The clips of one split ("" where there are none), those that can be read by their sizes."""

    split: str
    clips: int = 0
    frames: int = 0
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass
class ClipReport:
    """What a folder of clips holds. `faults` want mending, or these clips are left out.

    Sequences are a file of clips that models are scored on, and none is trained on.
    """

    root: Path
    kind: Literal["clips", "sequences"] = "clips"
    splits: list[ClipSplit] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether no fault was found."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """For JSON: paths as text."""
        content: dict[str, Any] = asdict(self)
        content["root"] = str(self.root)
        for finding in content["faults"]:
            finding["files"] = [str(file) for file in finding["files"]]
        return {"usable": self.usable, **content}


def holds_clips(root: Path) -> bool:
    """Whether a folder is one of clips: more films than images, or a single file of sequences.

    Numbered frames and GIFs may be images as well and do not count.
    """
    if _sequences(root):
        return True
    try:
        films = sum(path.suffix.lower() in _FILMS for path in find_clips([root]))
    except ImganError:
        return False
    return films > len(images_in(root))


def check_clips(
    root: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> ClipReport:
    """Count the clips of a folder, their frames and sizes, by split; name those that are damaged.

    Splits are folders called train, val and test, as in training; what lies beside them is train.

    Args:
        root: a folder of films or of folders of numbered frames, or one that holds nothing but
            sequences ``[T, N, H, W]`` uint8 as a ``.npy`` file.
        progress: called with the number of clips that are done, and of all.

    Raises:
        ImganError: there is no clip in it.
    """
    if file := _sequences(root):
        return _of_sequences(root, file)
    report, clips = ClipReport(root), named_files([root])
    any_split = any(split for _, split in clips.values())
    splits = {name: ClipSplit(name) for name in ("train", "val", "test")} if any_split else {}
    paths = sorted(clips)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for done, (path, seen) in enumerate(zip(paths, pool.map(_look, paths), strict=True), 1):
            name = clips[path][1] or ("train" if any_split else "")
            split = splits.setdefault(name, ClipSplit(name))
            split.clips += 1
            if isinstance(seen, str):
                report.faults.append(Finding("damaged", seen, [path]))
            else:
                size, frames = seen
                split.frames += frames
                split.sizes[size] = split.sizes.get(size, 0) + 1
            progress(done, len(paths))
    finally:  # on Ctrl-C at once
        pool.shutdown(wait=False, cancel_futures=True)
    report.splits = [split for split in splits.values() if split.clips]
    for split in report.splits:
        split.sizes = dict(Counter(split.sizes).most_common())
    return report


def _look(path: Path) -> tuple[str, int] | str:
    """The size of a clip and the number of its frames, or the sentence why it cannot be read."""
    try:
        video = probe(path)
        frames = len(numbered_frames(path)) if path.is_dir() else _count(path)
    except ImganError as error:
        return str(error)
    except OSError as error:  # such as a link to itself
        return f"{path} cannot be read: {error.strerror or error}"
    return f"{video.width}x{video.height}", frames


def _count(path: Path) -> int:
    """The frames of a film by its packets, each of which holds one as a rule."""
    frames, end = 0, 0.0
    with _opened(path) as (container, stream):
        for packet in container.demux():
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            frames += packet.stream == stream and packet.size > 0
        if _lacks(path, container, stream, end):
            raise ImganError(f"{path} is cut short after {frames} frames")
    return frames


def _sequences(root: Path) -> Path | None:
    """The file of sequences that is all there is in a folder."""
    try:
        inside = [path for path in root.iterdir() if not path.name.startswith(".")]
        if len(inside) != 1 or inside[0].suffix.lower() != ".npy":
            return None
        shape = mapped(inside[0]).shape
    except (OSError, ValueError, EOFError):
        return None
    # Single images may have an axis of channels, before or after.
    return inside[0] if len(shape) == 4 and 1 not in (shape[1], shape[3]) else None


def _of_sequences(root: Path, file: Path) -> ClipReport:
    array = mapped(file)
    length, count, height, width = array.shape
    split = ClipSplit("", count, length * count, {f"{width}x{height}": count})
    report = ClipReport(root, "sequences", [split])
    if array.dtype != "uint8":
        text = f"{file} holds {array.dtype}, and sequences are uint8; convert it"
        report.faults.append(Finding("damaged", text, [file]))
    return report
