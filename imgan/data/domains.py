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
from .labelled import read_labelled
from .labelled_arrays import Labelled
from .order import order
from .prepared import Progress
from .shelf import UNKNOWN, Shelf, shelved


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
        ImganError: a source has no classes or nothing to train on, sources differ in theirs, a
            target or a test split has others, there is a single domain, or nothing in a folder can
            be used.
    """
    if not alone and how.attribute is None and len(folders) < 2:
        raise ImganError(
            "there is a single domain; give SOURCE and TARGET, or take adversary: null and "
            "moments: null to train without adapting"
        )
    if len(folders) < how.sources:
        raise ImganError(f"data.sources is {how.sources} and there are {len(folders)} folders")
    found = [read_labelled(folder) for folder in folders]
    names = domain_names(folders)
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
            return shelved(part, classes, where, how.size, how.channels, skipped, progress)

        ready = {split: shelf(part) for split, part in parts.items()}
        ready = {split: one for split, one in ready.items() if len(one)}
        if not ready or (number < how.sources and "train" not in ready):
            reason = "".join(f": {file}, {why}" for file, why in list(skipped.items())[:1])
            raise ImganError(f"no image in {folders[number]} can be used{reason}")
        own = ready.get("train") or next(iter(ready.values()))
        tested = ready.get("test")
        if number < how.sources:
            own, kept = (own, ready["val"]) if _known(ready.get("val")) else _split(own, how)
            held_out.append(kept)
        elif tested is None:
            tested = own
        if tested is not None and _known(tested):
            test[names[number]] = tested
        if number >= how.sources:
            own = replace(own, labels=np.full_like(own.labels, UNKNOWN))
        train.append(own)
    return Domains(train, held_out, test, classes, domains, how.sources, how.seed), skipped


def domain_names(folders: Sequence[Path]) -> list[str]:
    """A name for each domain: its folder's or file's, numbered where two are alike."""
    names = [p.resolve().name if p.is_dir() else p.name.split(".")[0] for p in folders]
    return [n if names.count(n) == 1 else f"{n} {i}" for i, n in enumerate(names, 1)]


def _known(shelf: Shelf | None) -> bool:
    return shelf is not None and bool((shelf.labels != UNKNOWN).any())


def _split(shelf: Shelf, how: Reading) -> tuple[Shelf, Shelf]:
    """What is trained on, and the share that is held out; an only image of a class is trained on.

    Where nothing can be held out, all is looked at for choosing, too.
    """
    drawn = np.random.default_rng((how.seed, 1)).permutation(len(shelf))
    count = max(1, round(how.held_out * len(shelf)))
    left = dict(zip(*np.unique(shelf.labels, return_counts=True), strict=True))
    held = []
    for i in drawn[:count]:
        if left[shelf.labels[i]] > 1:
            left[shelf.labels[i]] -= 1
            held.append(i)
    if not held:
        return shelf, shelf
    kept = np.sort(np.array(held))
    return shelf.take(np.setdiff1d(np.arange(len(shelf)), kept)), shelf.take(kept)


# -- classes and domains -------------------------------------------------------------------------


def _classes(sources: Sequence[dict[str, Labelled]], folders: Sequence[Path]) -> list[str]:
    found: list[set[str]] = []
    for parts, folder in zip(sources, folders, strict=False):
        if "train" not in parts:
            raise ImganError(
                f"the source {folder} has nothing to train on, {' and '.join(parts)} alone; name "
                "that split train"
            )
        own = parts["train"]
        if own.labels is None:
            raise ImganError(
                f"the source {folder} has no classes{_beside(own, folder)}; give a folder with a "
                "folder a class, or a table with the columns path and label"
            )
        if "" in own.labels:
            name = own.names[own.labels.index("")]
            raise ImganError(
                f"the source {folder} tells no class of {own.labels.count('')} of its {len(own)} "
                f"images, the first of them {name}; give them one, or leave them out"
            )
        found.append(set(own.labels))
        for split, part in parts.items():
            if other := set(part.labels or ()) - found[-1] - {""}:
                raise ImganError(
                    f"the {split} split of {folder} has classes that its train split has not "
                    f"({_some(other)}); name them alike"
                )
        if found[-1] != found[0]:
            raise ImganError(
                f"{folders[0]} and {folder} differ in their classes ({_some(found[0] ^ found[-1])} "
                "stand in one alone); sources need the same"
            )
    if len(found[0]) < 2:
        raise ImganError(f"the source {folders[0]} has one class only, {_some(found[0])}")
    return sorted(found[0], key=natural)


def _beside(part: Labelled, folder: Path) -> str:
    """Where a folder's only fault are images beside the folders of classes: the first of them."""
    loose = [name for name in part.names if len(Path(name).parts) == 1]
    mixed = folder.is_dir() and len(loose) < len(part)
    return f", as {loose[0]} lies beside the folders" if mixed and loose else ""


def _target(
    parts: dict[str, Labelled], classes: list[str], folder: Path, labels: bool
) -> dict[str, Labelled]:
    if not labels:
        return {split: replace(part, labels=None) for split, part in parts.items()}
    for part in parts.values():
        if other := set(part.labels or ()) - {*classes, ""}:
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
    return sorted(values, key=natural)


def _domain_numbers(
    part: Labelled, domains: list[str], attribute: str | None, number: int
) -> NDArray[np.int64]:
    if attribute is None:
        return np.full(len(part), number, dtype=np.int64)
    places = {value: i for i, value in enumerate(domains)}
    return np.array([places[value] for value in part.attributes[attribute]], dtype=np.int64)


def _some(names: set[str]) -> str:
    listed = sorted(names, key=natural)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def natural(text: str) -> list[Any]:
    """A key that sorts 9 before 10."""
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", text) if p]
