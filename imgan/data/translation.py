"""Streams of images to translate: pairs that move alike, and two sets that move on their own.

Item i is a function of (seed, i) alone. Every image is seen once before any is seen again; its cut
and flip are drawn anew each time. Items past `PREVIEW` are for pictures of how training stands: the
held-out images in their order, cut from the middle, without a flip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ImganError
from .layouts import Layout, MissingPartners, Split, find_layout
from .makers import MAKERS
from .prepared import Form, Half, Prepared, Progress, prepare

Pixels = NDArray[Any]

PREVIEW = 2**40
"""Items from here on are previews; training never comes so far."""

_DEEP = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


class Pairs(Dataset[dict[str, Tensor]]):
    """``{"source": [C, size, size], "target": [C', size, size]}``, float32 in [-1, 1]."""

    def __init__(
        self,
        train: tuple[Prepared, Prepared],
        held_out: tuple[Prepared, Prepared],
        size: int,
        flip: bool,
        seed: int,
        make: str | None = None,
    ) -> None:
        self.train, self.held_out = train, held_out
        self.size, self.flip, self.seed, self.make = size, flip, seed, make

    def __len__(self) -> int:
        return len(self.train[1])

    @property
    def fingerprint(self) -> str:
        """Of the same images and settings it is the same everywhere."""
        return _fingerprint(self.train, self.size, self.flip, self.seed, self.make)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        preview = index >= PREVIEW
        sources, targets = self.held_out if preview and len(self.held_out[1]) else self.train
        rng = np.random.default_rng((self.seed, index))
        if preview:
            drawn = (index - PREVIEW) % len(targets)
        else:
            drawn = _order(index, len(targets), self.seed)
        images = [targets.pixels(drawn)]
        if not self.make:
            images.append(sources.pixels(drawn))
        cut = _cut(images, self.size, self.flip and not preview, None if preview else rng)
        target = _unit(cut[0])
        source = MAKERS[self.make](target, rng) if self.make else _unit(cut[1])
        return {"source": _tensor(source), "target": _tensor(target)}


class Unpaired(Dataset[dict[str, Tensor]]):
    """``{"a": [C, size, size], "b": [C', size, size]}``, drawn independently, in [-1, 1]."""

    def __init__(
        self,
        train: tuple[Prepared, Prepared],
        held_out: tuple[Prepared, Prepared],
        size: int,
        flip: bool,
        seed: int,
    ) -> None:
        self.train, self.held_out = train, held_out
        self.size, self.flip, self.seed = size, flip, seed

    def __len__(self) -> int:
        return max(len(images) for images in self.train)

    @property
    def fingerprint(self) -> str:
        """Of the same images and settings it is the same everywhere."""
        return _fingerprint(self.train, self.size, self.flip, self.seed, None)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        preview = index >= PREVIEW
        item = {}
        for number, name in enumerate("ab"):
            images = self.train[number]
            if preview and len(self.held_out[number]):
                images = self.held_out[number]
            rng = np.random.default_rng((self.seed, number, index))
            if preview:
                drawn = (index - PREVIEW) % len(images)
            else:
                drawn = _order(index, len(images), self.seed + number)
            flip = self.flip and not preview
            (cut,) = _cut([images.pixels(drawn)], self.size, flip, None if preview else rng)
            item[name] = _tensor(_unit(cut))
        return item


def load_pairs(
    folders: Sequence[Path],
    direction: str,
    forms: tuple[Form, Form],
    seed: int,
    flip: bool,
    make: str | None,
    progress: Progress,
) -> tuple[Pairs, dict[str, str]]:
    """The pairs in a folder (or made from photos), and what was left out, by file.

    Args:
        folders: one data folder, or with `make` any number of folders of photos.
        direction: ``AtoB`` or ``BtoA``: which of a pair is the input.
        forms: of input and target.
        seed: of the order, the cuts and the flips.
        flip: whether pairs are flipped at random.
        make: a name of `MAKERS`.
        progress: called with the images done and their number.

    Raises:
        ImganError: the layout has no pairs, or no pair can be used.
    """
    if make:
        layouts = [find_layout(folder, "photos") for folder in folders]
        splits = {
            name: Split([p for layout in layouts for p in layout.splits.get(name, _NONE).a], [])
            for name in ("train", "val", "test")
        }
        layout = Layout("photos", folders[0], splits)
    else:
        layout = _only(folders)
        if layout.kind not in ("joined", "folders"):
            raise ImganError(
                f"{layout.root} holds no pairs ({_seen(layout)}); give images side by side or "
                "folders A and B of equal names, or train on photos with data.make"
            )
    skipped: dict[str, str] = {}

    def ready(name: str) -> tuple[Prepared, Prepared]:
        split = layout.splits.get(name, _NONE)
        lists: list[tuple[list[Path], Half]]
        if make:
            lists = [(split.a, None)]
        elif layout.kind == "joined":
            lists = [(split.a, "left"), (split.b, "right")]
        else:
            lists = [(split.a, None), (split.b, None)]
        if direction == "BtoA":
            lists.reverse()
        results = [
            prepare(paths, half, form, progress)
            for (paths, half), form in zip(lists, forms[1:] if make else forms, strict=True)
        ]
        return _aligned([paths for paths, _ in lists], results, skipped, same_size=True)

    train, held_out = ready("train"), ready("val" if "val" in layout.splits else "test")
    if not len(train[1]):
        raise ImganError(f"no pair in {layout.root} can be used{_first(skipped)}")
    return Pairs(train, held_out, forms[1].size, flip, seed, make), skipped


def load_unpaired(
    folders: Sequence[Path],
    forms: tuple[Form, Form],
    seed: int,
    flip: bool,
    progress: Progress,
) -> tuple[Unpaired, dict[str, str]]:
    """Two sets without pairs: one data folder, or a folder of A and a folder of B.

    Pairs serve too; their pairing is not used. Arguments, the second result and errors are those of
    `load_pairs`.
    """
    halves: tuple[Half, Half] = (None, None)
    if len(folders) == 2:
        sides = [find_layout(folder, "photos").splits for folder in folders]
        splits = {
            name: Split(sides[0].get(name, _NONE).a, sides[1].get(name, _NONE).a)
            for name in ("train", "val", "test")
        }
        root = folders[0]
    else:
        try:
            layout = _only(folders)
        except MissingPartners:  # which nobody misses here
            layout = find_layout(folders[0], "unpaired")
        splits, root = layout.splits, layout.root
        if layout.kind == "photos":
            raise ImganError(
                f"{root} holds one set of images ({_seen(layout)}); give a folder with trainA and "
                "trainB, or two folders"
            )
        if layout.kind == "joined":
            halves = ("left", "right")
    skipped: dict[str, str] = {}

    def ready(name: str) -> tuple[Prepared, Prepared]:
        split = splits.get(name, _NONE)
        both = []
        for paths, half, form in zip((split.a, split.b), halves, forms, strict=True):
            results = prepare(paths, half, form, progress)
            (one,) = _aligned([paths], [results], skipped)[1:]
            both.append(one)
        return both[0], both[1]

    train = ready("train")
    held_out = ready("test" if splits.get("test", _NONE).a else "val")
    for name, images in zip("AB", train, strict=True):
        if not len(images):
            raise ImganError(f"no image of {name} in {root} can be used{_first(skipped)}")
    return Unpaired(train, held_out, forms[0].size, flip, seed), skipped


_NONE = Split([], [])


def _only(folders: Sequence[Path]) -> Layout:
    if len(folders) != 1:
        raise ImganError(f"give one data folder, not {len(folders)}")
    return find_layout(folders[0])


def _seen(layout: Layout) -> str:
    counts = [f"{name} {len(s.a)}+{len(s.b)}" for name, s in layout.splits.items()]
    return f"it looks like {layout.kind}: {', '.join(counts)}"


def _first(skipped: dict[str, str]) -> str:
    if not skipped:
        return ""
    path, reason = next(iter(skipped.items()))
    return f"; {path}: {reason}"


def _aligned(
    paths: list[list[Path]],
    results: list[list[Any]],
    skipped: dict[str, str],
    same_size: bool = False,
) -> tuple[Prepared, Prepared]:
    """Two `Prepared` of equal index; of one list the first stays empty. Faults go to `skipped`."""
    both = [Prepared() for _ in paths]
    for files, found in zip(zip(*paths, strict=True), zip(*results, strict=True), strict=True):
        bad = [(path, r) for path, r in zip(files, found, strict=True) if isinstance(r, str)]
        shapes = {r[1][:2] for r in found if not isinstance(r, str)}
        if not bad and same_size and len(shapes) > 1:
            sizes = " and ".join(f"{w}x{h}" for h, w in sorted(shapes))
            bad = [(files[0], f"the two images of the pair differ in size: {sizes}")]
        for path, reason in bad:
            skipped[str(path)] = reason
        if bad:
            continue
        for images, path, (file, shape) in zip(both, files, found, strict=True):
            images.names.append(path.name)
            images.files.append(file)
            images.shapes.append(tuple(shape))
    return (both[0], both[1]) if len(both) == 2 else (Prepared(), both[0])


@lru_cache(maxsize=4)
def _permutation(epoch: int, count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch, count)).permutation(count)


def _order(index: int, count: int, seed: int) -> int:
    """Which of `count` images is the `index`-th: each once before any comes again."""
    return int(_permutation(index // count, count, seed)[index % count])


def _cut(
    images: list[Pixels], size: int, flip: bool, rng: np.random.Generator | None
) -> list[Pixels]:
    """One square out of images of one size, flipped alike; without `rng` from the middle."""
    from .augment import cut_alike

    if rng is not None:
        return cut_alike(images, size, flip, int(rng.integers(2**31)))
    top, left = ((side - size) // 2 for side in images[0].shape[:2])
    return [image[top : top + size, left : left + size] for image in images]


def _unit(pixels: Pixels) -> NDArray[np.float32]:
    """To float32 in [0, 1]."""
    scaled: NDArray[np.float32] = pixels.astype(np.float32) / np.float32(_DEEP[str(pixels.dtype)])
    return scaled


def _tensor(pixels: NDArray[np.float32]) -> Tensor:
    """``[H, W, C]`` in [0, 1] to ``[C, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).mul_(2).sub_(1)


def _fingerprint(sets: tuple[Prepared, Prepared], *settings: Any) -> str:
    content = [list(zip(images.names, images.shapes, strict=True)) for images in sets]
    return hashlib.sha256(repr((content, settings)).encode()).hexdigest()
