"""Streams of images from several domains: labelled sources, and targets whose classes are unknown.

Item i is a function of (seed, i) alone: one image of each folder. Of a folder every image is seen
once before any is seen again. The images are stored at their size; they are changed at random where
the batch is (`imgan.data.jitter`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ImganError
from .labelled import Labelled, read_labelled
from .order import order
from .pixels import to_bits
from .prepared import Form, Progress, prepare, to_channels

UNKNOWN = -1
"""The number of the class where it is not known."""


@dataclass(frozen=True)
class Shelf:
    """Images of one size, ``[S, S, C]`` uint8 each, with the numbers of their class and domain."""

    pixels: NDArray[np.uint8] | list[Path]
    labels: NDArray[np.int64]
    domains: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Tensor:
        """``[C, S, S]`` uint8."""
        if isinstance(self.pixels, list):
            stored: NDArray[Any] = np.load(self.pixels[index], mmap_mode="r")
            pixels = to_bits(_middle(stored), 8)
        else:
            pixels = self.pixels[index]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def images(self, chosen: Sequence[int]) -> Tensor:
        """``[N, C, S, S]`` uint8."""
        return torch.stack([self.image(i) for i in chosen])

    def take(self, chosen: NDArray[np.int64]) -> Shelf:
        """The images of these numbers."""
        pixels = self.pixels
        return Shelf(
            [pixels[i] for i in chosen] if isinstance(pixels, list) else pixels[chosen],
            self.labels[chosen],
            self.domains[chosen],
            [self.names[i] for i in chosen],
        )


class Domains(Dataset[dict[str, Tensor]]):
    """``image`` ``[D, C, S, S]`` uint8, ``label`` and ``domain`` ``[D]``, ``index``; of D folders.

    Attributes:
        train: a shelf a folder; the labels of targets are `UNKNOWN` in it.
        held_out: a shelf a source, for choosing among checkpoints: no step is taken on it.
        test: a shelf for each folder with classes: its test split, or all images of a target.
        classes, domains: their names.
        sources: how many of the folders are sources.
    """

    def __init__(
        self,
        train: list[Shelf],
        held_out: list[Shelf],
        test: dict[str, Shelf],
        classes: list[str],
        domains: list[str],
        sources: int,
        seed: int,
    ) -> None:
        self.train, self.held_out, self.test = train, held_out, test
        self.classes, self.domains, self.sources, self.seed = classes, domains, sources, seed

    def __len__(self) -> int:
        return max(len(shelf) for shelf in self.train)

    @property
    def fingerprint(self) -> str:
        """Of the same images and settings it is the same everywhere."""
        digest = hashlib.sha256(repr((self.classes, self.domains, self.seed)).encode())
        for shelf in self.train:
            digest.update(repr((shelf.names, shelf.labels.tolist())).encode())
            if not isinstance(shelf.pixels, list):
                digest.update(shelf.pixels[:: max(1, len(shelf) // 64)].tobytes())
        return digest.hexdigest()

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        images, labels, domains = [], [], []
        for number, shelf in enumerate(self.train):
            drawn = order(index, len(shelf), self.seed + number)
            images.append(shelf.image(drawn))
            labels.append(int(shelf.labels[drawn]))
            domains.append(int(shelf.domains[drawn]))
        return {
            "image": torch.stack(images),
            "label": torch.tensor(labels),
            "domain": torch.tensor(domains),
            "index": torch.tensor(index),
        }


@dataclass(frozen=True)
class Reading:
    """How folders become shelves; see the recipe's ``data``."""

    size: int
    channels: int
    sources: int
    held_out: float
    attribute: str | None
    target_labels: bool
    seed: int


def read_domains(
    folders: Sequence[Path], how: Reading, alone: bool, progress: Progress
) -> tuple[Domains, dict[str, str]]:
    """The domains in the folders, sources first, and what was left out, by file.

    Args:
        folders: each what `imgan.data.labelled` understands.
        how: sizes and roles.
        alone: whether a single domain makes sense, as where nothing is adapted.
        progress: called with the images done and their number.

    Raises:
        ImganError: a source has no classes, sources differ in theirs, a target has others, there is
            a single domain, or nothing in a folder can be used.
    """
    if not alone and how.attribute is None and len(folders) < 2:
        raise ImganError(
            "there is a single domain; give SOURCE and TARGET, or take adversary: null and "
            "moments: null to train without adapting"
        )
    if len(folders) < how.sources:
        raise ImganError(f"data.sources is {how.sources} and there are {len(folders)} folders")
    found = [read_labelled(folder) for folder in folders]
    names = _distinct([_name(folder) for folder in folders])
    classes = _classes(found[: how.sources], folders)
    found = [
        parts if i < how.sources else _target(parts, classes, folders[i], how.target_labels)
        for i, parts in enumerate(found)
    ]
    domains = _attribute_values(found, folders, how.attribute) if how.attribute else names
    if how.attribute and len(domains) < 2 and not alone:
        raise ImganError(
            f"all images have the same {how.attribute}: {''.join(domains)}, a single domain; take "
            "another data.attribute"
        )
    skipped: dict[str, str] = {}
    train, held_out, test = [], [], {}
    for number, parts in enumerate(found):

        def shelf(part: Labelled, number: int = number) -> Shelf:
            where = _domain_numbers(part, domains, how.attribute, number)
            return _shelf(part, where, classes, how, skipped, progress)

        ready = {split: shelf(part) for split, part in parts.items()}
        ready = {split: one for split, one in ready.items() if len(one)}
        if not ready:
            reason = f": {next(iter(skipped.items()))}" if skipped else ""
            raise ImganError(f"no image in {folders[number]} can be used{reason}")
        own = ready.get("train") or next(iter(ready.values()))
        tested = ready.get("test")
        if number < how.sources:
            own, kept = _split(own, how) if "val" not in ready else (own, ready["val"])
            held_out.append(kept)
        elif tested is None and (own.labels != UNKNOWN).any():
            tested = own
        if tested is not None and (tested.labels != UNKNOWN).any():
            test[names[number]] = tested
        if number >= how.sources:
            own = replace(own, labels=np.full_like(own.labels, UNKNOWN))
        train.append(own)
    return Domains(train, held_out, test, classes, domains, how.sources, how.seed), skipped


def shelf_of(
    part: Labelled, classes: list[str], size: int, channels: int
) -> tuple[Shelf, list[str]]:
    """A split's images for a trained model, and the files left out; other classes are `UNKNOWN`."""
    how = Reading(size, channels, 0, 0.0, None, True, 0)
    skipped: dict[str, str] = {}
    where = np.zeros(len(part), dtype=np.int64)
    made = _shelf(part, where, classes, how, skipped, lambda done, total: None)
    return made, [f"{file}: {reason}" for file, reason in skipped.items()]


# -- classes and domains -------------------------------------------------------------------------


def _classes(sources: Sequence[dict[str, Labelled]], folders: Sequence[Path]) -> list[str]:
    found: list[set[str]] = []
    for parts, folder in zip(sources, folders, strict=False):
        part = parts.get("train") or next(iter(parts.values()))
        if part.labels is None:
            raise ImganError(
                f"the source {folder} has no classes; give a folder with a folder a class, or a "
                "table with the columns path and label"
            )
        found.append(set(part.labels))
        if found[-1] != found[0]:
            raise ImganError(
                f"{folders[0]} and {folder} differ in their classes ({_some(found[0] ^ found[-1])} "
                "stand in one alone); sources need the same"
            )
    if len(found[0]) < 2:
        raise ImganError(f"the source {folders[0]} has one class only, {_some(found[0])}")
    return sorted(found[0], key=_natural)


def _target(
    parts: dict[str, Labelled], classes: list[str], folder: Path, labels: bool
) -> dict[str, Labelled]:
    if not labels:
        return {split: replace(part, labels=None) for split, part in parts.items()}
    for part in parts.values():
        if other := set(part.labels or ()) - set(classes):
            raise ImganError(
                f"the target {folder} has classes that the source has not ({_some(other)}); name "
                "them alike, or set data.target_labels: false to take its images without classes"
            )
    return parts


def _attribute_values(
    found: Sequence[dict[str, Labelled]], folders: Sequence[Path], attribute: str
) -> list[str]:
    values: set[str] = set()
    for parts, folder in zip(found, folders, strict=True):
        for part in parts.values():
            if attribute not in part.attributes:
                known = ", ".join(part.attributes) or "none"
                raise ImganError(
                    f"{folder} has no attribute {attribute}; it has {known} (data.attribute names "
                    "a column of a table or an array of an .npz)"
                )
            values |= set(part.attributes[attribute])
    return sorted(values, key=_natural)


def _domain_numbers(
    part: Labelled, domains: list[str], attribute: str | None, number: int
) -> NDArray[np.int64]:
    if attribute is None:
        return np.full(len(part), number, dtype=np.int64)
    places = {value: i for i, value in enumerate(domains)}
    return np.array([places[value] for value in part.attributes[attribute]], dtype=np.int64)


def _some(names: set[str]) -> str:
    listed = sorted(names, key=_natural)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _natural(text: str) -> list[Any]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", text) if p]


def _name(folder: Path) -> str:
    name = folder.resolve().name
    return name if folder.is_dir() else name.split(".")[0]


def _distinct(names: list[str]) -> list[str]:
    """Two folders of one name get numbers."""
    return [n if names.count(n) == 1 else f"{n} {i}" for i, n in enumerate(names, 1)]


# -- pixels --------------------------------------------------------------------------------------


def _shelf(
    part: Labelled,
    domains: NDArray[np.int64],
    classes: list[str],
    how: Reading,
    skipped: dict[str, str],
    progress: Progress,
) -> Shelf:
    places = {name: i for i, name in enumerate(classes)}
    names = part.labels if part.labels is not None else [""] * len(part)
    labels = np.array([places.get(name, UNKNOWN) for name in names], dtype=np.int64)
    if part.pixels is not None:
        return Shelf(_sized(part.pixels, how), labels, domains, part.names)
    results = prepare(part.files, None, Form(how.channels, "shorter", how.size, how.size), progress)
    good = [i for i, result in enumerate(results) if not isinstance(result, str)]
    skipped |= {str(part.files[i]): r for i, r in enumerate(results) if isinstance(r, str)}
    chosen = np.array(good, dtype=np.int64)
    files = [results[i][0] for i in good]
    return Shelf(files, labels[chosen], domains[chosen], [part.names[i] for i in good])


def _sized(pixels: NDArray[np.uint8], how: Reading) -> NDArray[np.uint8]:
    """Arrays at the size and with the channels that are trained."""
    from torch.nn.functional import interpolate

    size = (how.size, how.size)
    pieces = []
    for start in range(0, len(pixels), 4096):
        piece = pixels[start : start + 4096]
        if piece.shape[1:3] != size:
            planes = torch.from_numpy(piece).permute(0, 3, 1, 2).float()
            made = interpolate(planes, size, mode="bilinear", antialias=True)
            piece = made.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        if piece.shape[3] != how.channels:
            piece = np.stack([to_channels(one, how.channels) for one in piece])
        pieces.append(piece)
    return np.concatenate(pieces) if pieces else np.zeros((0, *size, how.channels), np.uint8)


def _middle(pixels: NDArray[Any]) -> NDArray[Any]:
    """The square in the middle."""
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _split(shelf: Shelf, how: Reading) -> tuple[Shelf, Shelf]:
    """What is trained on, and the share that is held out, at least one image."""
    order = np.random.default_rng((how.seed, 1)).permutation(len(shelf))
    count = max(1, round(how.held_out * len(shelf)))
    if count >= len(shelf):  # a single image
        return shelf, shelf
    return shelf.take(np.sort(order[count:])), shelf.take(np.sort(order[:count]))
