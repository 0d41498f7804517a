"""Streams of images to translate: pairs that move alike, and two sets that move on their own.

Item i is a function of (seed, i) alone. Every image is seen once before any is seen again; its cut
and flip are drawn anew each time. Items past `PREVIEW` are for pictures of how training stands: the
held-out images in their order, cut from the middle, without a flip.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ImganError
from .layouts import Split
from .makers import MAKERS
from .order import order
from .prepared import Form, Half, Prepared, Progress, prepare
from .sets import Sets

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
            drawn = order(index, len(targets), self.seed)
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
                drawn = order(index, len(images), self.seed + number)
            flip = self.flip and not preview
            (cut,) = _cut([images.pixels(drawn)], self.size, flip, None if preview else rng)
            item[name] = _tensor(_unit(cut))
        return item


def load_pairs(
    sets: Sets,
    direction: str,
    forms: tuple[Form, Form],
    seed: int,
    flip: bool,
    make: str | None,
    progress: Progress,
) -> tuple[Pairs, dict[str, str]]:
    """The pairs of paired sets, and what was left out, by file.

    Args:
        sets: see `paired_sets`, and with `make` `photo_sets`.
        direction: ``AtoB`` or ``BtoA``: which of a pair is the input.
        forms: of input and target.
        seed: of the order, the cuts and the flips.
        flip: whether pairs are flipped at random.
        make: a name of `MAKERS`.
        progress: called with the images done and their number.

    Raises:
        ImganError: no pair can be used.
    """
    skipped: dict[str, str] = {}
    train = prepare_pairs(sets, sets.train, direction, forms, skipped, progress)
    if not len(train[1]):
        raise ImganError(f"no pair in {sets.root} can be used{_first(skipped)}")
    held_out = prepare_pairs(sets, sets.previews, direction, forms, skipped, progress)
    return Pairs(train, held_out, forms[1].size, flip, seed, make), skipped


def load_unpaired(
    sets: Sets,
    forms: tuple[Form, Form],
    seed: int,
    flip: bool,
    progress: Progress,
) -> tuple[Unpaired, dict[str, str]]:
    """Two sets whose images do not belong together; arguments and errors as in `load_pairs`."""
    skipped: dict[str, str] = {}

    def ready(split: Split) -> tuple[Prepared, Prepared]:
        sides = zip((split.a, split.b), sets.halves, forms, strict=True)
        a, b = (prepare_one(*side, skipped, progress) for side in sides)
        return a, b

    train = ready(sets.train)
    for name, images in zip("AB", train, strict=True):
        if not len(images):
            raise ImganError(f"no image of {name} in {sets.root} can be used{_first(skipped)}")
    return Unpaired(train, ready(sets.previews), forms[0].size, flip, seed), skipped


def prepare_pairs(
    sets: Sets,
    split: Split,
    direction: str,
    forms: tuple[Form, Form],
    skipped: dict[str, str],
    progress: Progress,
) -> tuple[Prepared, Prepared]:
    """Inputs and targets of a split, index by index; of photos the inputs are empty.

    A pair of which one image cannot be used, or whose images differ in size, is left out.
    """
    if not split.a:  # photos
        return Prepared(), prepare_one(split.b, sets.halves[1], forms[1], skipped, progress)
    sides = [(split.a, sets.halves[0]), (split.b, sets.halves[1])]
    if direction == "BtoA":
        sides.reverse()
    results = [
        prepare(paths, half, form, progress)
        for (paths, half), form in zip(sides, forms, strict=True)
    ]
    both = Prepared(), Prepared()
    for files, found in zip(
        zip(*(paths for paths, _ in sides), strict=True), zip(*results, strict=True), strict=True
    ):
        bad = [(path, r) for path, r in zip(files, found, strict=True) if isinstance(r, str)]
        shapes = {r[1][:2] for r in found if not isinstance(r, str)}
        if not bad and len(shapes) > 1:
            sizes = " and ".join(f"{w}x{h}" for h, w in sorted(shapes))
            bad = [(files[0], f"the two images of the pair differ in size: {sizes}")]
        skipped |= {str(path): reason for path, reason in bad}
        if not bad:
            for images, path, result in zip(both, files, found, strict=True):
                images.add(path, result)
    return both


def prepare_one(
    paths: list[Path], half: Half, form: Form, skipped: dict[str, str], progress: Progress
) -> Prepared:
    """The images of one side that can be used."""
    images = Prepared()
    for path, result in zip(paths, prepare(paths, half, form, progress), strict=True):
        if isinstance(result, str):
            skipped[str(path)] = result
        else:
            images.add(path, result)
    return images


def _first(skipped: dict[str, str]) -> str:
    if not skipped:
        return ""
    path, reason = next(iter(skipped.items()))
    return f"; {path}: {reason}"


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
