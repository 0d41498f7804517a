"""Looking through a folder of training images before a minute of training is spent on it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil

from ..errors import ImganError
from .images import read_image
from .layouts import Kind, Layout, MissingPartners, find_layout
from .pixels import Frame

NEAR = 8
"""Images that differ in at most so many of the 128 bits of their perceptual hash look alike. The
same picture saved again as a poor JPEG at half its size differs in 1 to 8, after a crop of 2 % in
2 to 7; of 50,000 couples of different map tiles the nearest differed in 21."""

FLAT = 4.0
"""Images whose hash would be made of less contrast (in grey levels) are not compared by it."""


@dataclass(frozen=True)
class Finding:
    """Something found: which `about`, in a sentence, with the files concerned."""

    about: Literal["layout", "partner", "damaged", "size", "leak", "look-alike", "twice", "mixed"]
    text: str
    files: list[Path] = field(default_factory=list)


@dataclass
class Side:
    """The images of one side of one split: how many of which size, and of which channels."""

    split: str
    side: str
    images: int
    sizes: dict[str, int]
    channels: dict[str, int]


@dataclass
class Report:
    """What a folder holds. `faults` want mending before training, `notes` are good to know."""

    root: Path
    kind: Kind | None
    sides: list[Side] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether no fault was found."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """For JSON: paths as text."""
        content: dict[str, Any] = asdict(self)
        content["root"] = str(self.root)
        for finding in content["faults"] + content["notes"]:
            finding["files"] = [str(file) for file in finding["files"]]
        return {"usable": self.usable, **content}


@dataclass(frozen=True)
class _Seen:
    """What stays of an image once it was decoded."""

    size: tuple[int, int]  # width, height
    channels: str
    frames: int
    pixels: bytes  # a digest of the decoded pixels
    looks: NDArray[np.uint64]  # [2], the perceptual hash
    flat: bool


_Unit = tuple[_Seen, ...]  # what is one example: an image, or the two of a pair


def check(
    path: str | Path,
    kind: Kind | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Decode every image of a folder and tell what is wrong with the set.

    Faults: a layout that cannot be understood, missing partners, damaged files, joined images of
    odd width, and images that stand in train and in val or test alike, by their decoded pixels.
    Notes: images there that merely look alike (by a difference hash of 9 x 9 pixels), images that
    stand twice in one split, partners of different size, sides of mixed channels.

    Pairs are compared as pairs: two are the same where both sides are.

    Args:
        path: a folder in one of the layouts of `imgan.data.layouts`.
        kind: the layout's kind, where it is not to be guessed.
        progress: called with the number of images that are done, and of all.

    Raises:
        ImganError: `path` is not a folder.
    """
    root = Path(path)
    if not root.is_dir():
        raise ImganError(f"{root} is not a folder; give a folder of images")
    report = Report(root, kind)
    try:
        layout = find_layout(root, kind)
    except MissingPartners as missing:
        layout = missing.layout
        report.faults += [
            Finding("partner", f"{file} has no partner on the other side", [file])
            for file in missing.alone
        ]
    except ImganError as error:
        report.faults.append(Finding("layout", str(error)))
        return report
    report.root, report.kind = layout.root, layout.kind
    files = sorted({file for split in layout.splits.values() for file in split.a + split.b})
    seen: dict[Path, _Seen] = {}
    for file, outcome in _decoded(files, progress):
        if isinstance(outcome, _Seen):
            seen[file] = outcome
        else:
            report.faults.append(Finding("damaged", outcome, [file]))
    _describe(layout, seen, report)
    _compare(layout, seen, report)
    return report


def _decoded(
    files: list[Path], progress: Callable[[int, int], None]
) -> Iterator[tuple[Path, _Seen | str]]:
    """Each file with what was seen in it, or the sentence why it cannot be read."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for done, pair in enumerate(zip(files, pool.map(_look, files), strict=True), 1):
            yield pair
            progress(done, len(files))
    finally:  # on Ctrl-C at once
        pool.shutdown(wait=False, cancel_futures=True)


def _look(file: Path) -> _Seen | str:
    try:
        image = read_image(file)
        frame = image.frames[0]
        looks, contrast = _hash(frame.colour)
    except ImganError as error:
        return str(error)
    pixels = np.ascontiguousarray(frame.pixels())  # [H, W, C]
    digest = hashlib.blake2b(repr((pixels.shape, str(pixels.dtype))).encode(), digest_size=16)
    digest.update(pixels.data)
    height, width = pixels.shape[:2]
    return _Seen(
        (width, height),
        _channels(frame),
        len(image.frames),
        digest.digest(),
        looks,
        contrast < FLAT,
    )


def _channels(frame: Frame) -> str:
    count = frame.colour.shape[2]
    name = {1: "grey", 3: "RGB"}.get(count, f"{count} channels")
    alpha = "" if frame.alpha is None else " + alpha"
    bits = {"uint8": "8 bit", "uint16": "16 bit"}.get(str(frame.colour.dtype), "float")
    return f"{name}{alpha}, {bits}"


def _hash(colour: NDArray[Any]) -> tuple[NDArray[np.uint64], float]:
    """128 bits, whether each of 9 x 9 mean values exceeds the one left and above; and contrast."""
    grey = colour.mean(axis=2, dtype=np.float32)  # [H, W]
    small = np.asarray(pil.fromarray(grey).resize((9, 9), pil.Resampling.BOX))
    right, down = small[:8, 1:] > small[:8, :-1], small[1:, :8] > small[:-1, :8]
    bits = np.packbits(np.concatenate([right.ravel(), down.ravel()]))
    top = np.iinfo(colour.dtype).max if colour.dtype.kind == "u" else 1.0
    return bits.view(np.uint64), float(small.std()) * 255 / float(top)


def _describe(layout: Layout, seen: dict[Path, _Seen], report: Report) -> None:
    """Fill in the counts, and what of the sizes and channels does not fit together."""
    for name, split in layout.splits.items():
        for side, files in _sides_of(layout.kind, split.a, split.b):
            images = [seen[file] for file in files if file in seen]
            sizes = Counter(f"{one.size[0]}x{one.size[1]}" for one in images)
            channels = Counter(one.channels for one in images)
            report.sides.append(
                Side(name, side, len(files), dict(sizes.most_common()), dict(channels))
            )
            if len(channels) > 1:
                found = ", ".join(f"{count} of {kind}" for kind, count in channels.most_common())
                report.notes.append(Finding("mixed", f"{name} {side} mixes images: {found}"))
            moving = [file for file in files if file in seen and seen[file].frames > 1]
            if moving:
                text = f"{len(moving)} of {name} {side} are animations: their first image counts"
                report.notes.append(Finding("mixed", text, moving))
        if layout.kind == "joined":
            for file in split.a:
                if file in seen and seen[file].size[0] % 2:
                    text = f"{file} is {seen[file].size[0]} pixels wide, which has no two halves"
                    report.faults.append(Finding("size", text, [file]))
        if layout.kind == "folders":
            both = zip(split.a, split.b, strict=True)
            for a, b in both:
                if a in seen and b in seen and seen[a].size != seen[b].size:
                    (w, h), (w_b, h_b) = seen[a].size, seen[b].size
                    text = f"{a} is {w}x{h} and its partner {b} is {w_b}x{h_b}"
                    report.notes.append(Finding("size", text, [a, b]))


def _sides_of(kind: Kind, a: list[Path], b: list[Path]) -> list[tuple[str, list[Path]]]:
    if kind == "joined":
        return [("A|B", a)]
    return [("images", a)] if kind == "photos" else [("A", a), ("B", b)]


def _compare(layout: Layout, seen: dict[Path, _Seen], report: Report) -> None:
    """Look for examples that stand in more than one split, or twice in one."""
    units = {name: _units(layout, name, seen) for name in layout.splits}
    known: dict[tuple[bytes, ...], tuple[str, list[Path]]] = {}
    twice: dict[str, list[Path]] = {}
    leaked: set[tuple[Path, ...]] = set()
    for name, examples in units.items():
        for files, unit in examples:
            key = tuple(one.pixels for one in unit)
            where, first = known.setdefault(key, (name, files))
            if first is files:
                continue
            if where == name:
                twice.setdefault(name, []).extend([first[0], files[0]])
            else:
                text = f"{files[0]} in {name} is the same image as {first[0]} in {where}"
                report.faults.append(Finding("leak", text, [files[0], first[0]]))
                leaked.add(tuple(files))
    for name, same in twice.items():
        more = f", and so {len(same) // 2 - 1} more" if len(same) > 2 else ""
        text = f"{same[1]} is the same image as {same[0]}, both in {name}{more}"
        report.notes.append(Finding("twice", text, same))
    train = units.get("train", [])
    for name, examples in units.items():
        if name == "train":
            continue
        rest = [one for one in examples if tuple(one[0]) not in leaked]
        for files, other in _look_alikes(rest, train):
            text = f"{files[0]} in {name} looks like {other[0]} in train"
            report.notes.append(Finding("look-alike", text, [files[0], other[0]]))


_Example = tuple[list[Path], _Unit]


def _units(layout: Layout, name: str, seen: dict[Path, _Seen]) -> list[_Example]:
    """The examples of a split whose files could be read."""
    split = layout.splits[name]
    if layout.kind == "folders":
        groups = [[a, b] for a, b in zip(split.a, split.b, strict=True)]
    else:
        groups = [[file] for file in (split.a if layout.kind == "joined" else split.a + split.b)]
    return [
        (files, tuple(seen[file] for file in files))
        for files in groups
        if all(file in seen for file in files)
    ]


def _look_alikes(
    examples: Sequence[_Example], train: Sequence[_Example]
) -> Iterator[tuple[list[Path], list[Path]]]:
    """Each example with the one of `train` nearest to it, where all its images look alike."""
    telling = [one for one in train if not all(image.flat for image in one[1])]
    if not telling:
        return
    hashes = np.stack([np.stack([image.looks for image in unit]) for _, unit in telling])
    for files, unit in examples:
        if all(image.flat for image in unit):
            continue
        own = np.stack([image.looks for image in unit])  # [1 or 2, 2]
        differing = np.bitwise_count(hashes ^ own).sum(axis=2, dtype=np.int64).max(axis=1)
        nearest = int(differing.argmin())
        if differing[nearest] <= NEAR:
            yield files, telling[nearest][0]
