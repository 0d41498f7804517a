"""What a folder of training images is: pairs side by side, pairs in two folders, two heaps, photos.

Five ways to name the folders are understood (``val`` and ``test`` may be absent, ``validation`` and
``valid`` are ``val``, upper and lower case are the same)::

    trainA/ trainB/ valA/ valB/ testA/ testB/      two folders a split, also train_A and train_B
    A/train/ A/test/ B/train/ B/test/              the same, sides first
    train/A/ train/B/ test/A/ test/B/              the same, splits first
    A/ B/                                          the same without splits
    train/ val/ test/                              one folder a split
    test/ and images beside it                     those are train
    (anything else)                                one folder, no splits

A folder called train or test among others with images is an album of that name, unless both are
there; a folder train alone, with images beside it, is one too.

Two sides are *folders* of pairs where every image has a partner of the same name (the suffix may
differ, and ``1_A.jpg`` is the partner of ``1_B.jpg``); where nine in ten have one, the rest is
taken to be missing and that is an error; otherwise the sides are *unpaired*.

One folder is *joined*, each file holding A in its left half and B in its right half, where every
image is exactly twice as wide as high: two squares. Otherwise it is *photos*. Of many images a
sample is looked at. Halves that are no squares, or photos that all happen to be 2:1, cannot be told
apart by looking: there the caller says which kind is meant.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as pil

from ..errors import ImganError
from .images import OWN_LIMIT, READABLE
from .notes import DAMAGED
from .partners import partners
from .walk import files_in, folders_in

Kind = Literal["joined", "folders", "unpaired", "photos"]

SUFFIXES = READABLE | {".npy"}
"""Files that are taken for images."""

SAMPLE = 48
"""So many images of a folder are looked at to tell joined images from photos."""

NEARLY = 0.9
"""Sides that share this part of their names are pairs with missing partners."""

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of folders, in small letters, and the split that they mean."""

_ORDER = ("train", "val", "test")
_FLAT = re.compile(r"(train|val|valid|validation|test)[_-]?([ab])")
# Whose EXIF stands before the pixels; Pillow tells a TIFF's size as it is upright.
_TURNED = ("JPEG", "MPO", "WEBP", "AVIF")


@dataclass(frozen=True)
class Split:
    """The images of one split: `a` and `b` by the layout's kind; for photos `b` is empty."""

    a: list[Path]
    b: list[Path]


@dataclass(frozen=True)
class Layout:
    """A folder understood. Splits are "train", "val" and "test", those that there are.

    joined: every file holds A left and B right, and `a == b`; folders: ``a[i]`` and ``b[i]`` are
    partners; unpaired: independent lists; photos: `b` is empty. Without split folders all images
    are in "train".
    """

    kind: Kind
    root: Path
    splits: dict[str, Split]


class MissingPartners(ImganError):
    """Pairs in two folders of which some are incomplete; `layout` holds those that are complete."""

    def __init__(self, message: str, layout: Layout, alone: list[Path]) -> None:
        super().__init__(message)
        self.layout, self.alone = layout, alone


_Sides = dict[str, tuple[Path, Path]]  # split to the folders of A and B


def find_layout(path: str | Path, kind: Kind | None = None) -> Layout:
    """Understand a folder by what is in it, or as the `kind` that the caller insists on.

    Only names and, of a sample, headers are read. As "unpaired" also pairs in two folders are
    taken, with the pairing dropped; as "photos" any folder.

    Raises:
        MissingPartners: a few images of two folders of pairs have no partner.
        ImganError: it is not a folder, holds no images, or is malformed; what was seen and what is
            expected.
    """
    root = inner_folder(_folder(Path(path)))
    if kind == "photos":
        return Layout(kind, root, _photos(root))
    sides = _sides(root)
    if sides and kind != "joined":
        return _two_sides(root, sides, kind)
    if sides and not (root / "train").is_dir():
        raise ImganError(
            f"{root} holds a folder for each side, not images with both sides in one file"
        )
    splits = _one_folder(root)
    if kind in ("folders", "unpaired"):
        raise ImganError(
            f"{root} has no folders for two sides; name them trainA and trainB, or A and B"
        )
    if kind is None and not _are_joined(splits):
        return Layout("photos", root, splits)
    if kind == "joined":
        _check_halves(splits)
    joined = {name: Split(split.a, list(split.a)) for name, split in splits.items()}
    return Layout("joined", root, joined)


def _image_size(path: Path) -> tuple[int, int]:
    """Width and height of an upright image by its header.

    Raises:
        OSError, ValueError: it has none that can be read.
    """
    if path.is_fifo():  # which would be waited for, maybe for ever
        raise ValueError("it is a pipe and no file")
    if path.suffix.lower() == ".npy":
        shape = np.load(path, mmap_mode="r").shape
        if len(shape) not in (2, 3):
            raise ValueError(f"an array of {len(shape)} dimensions is no image")
        return shape[1], shape[0]
    with OWN_LIMIT, pil.open(path) as opened:
        turned = opened.format in _TURNED and opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (opened.height, opened.width) if turned else opened.size


def images_in(folder: Path) -> list[Path]:
    """Every image in a folder and below, as `files_in` finds them."""
    return files_in(folder, SUFFIXES)


def _folder(path: Path) -> Path:
    if path.is_dir():
        return path
    if not path.exists():
        raise ImganError(f"there is no folder {path}")
    if path.suffix.lower() in (".zip", ".gz", ".tgz", ".tar"):
        raise ImganError(f"{path} is an archive; unpack it and give the folder")
    raise ImganError(f"{path} is a file; give the folder of images")


def inner_folder(root: Path) -> Path:
    """The one folder in `root` where there is nothing else, as archives often unpack."""
    while True:
        folders, has_images = _below(root)
        if has_images or len(folders) != 1:
            return root
        ((name, only),) = folders.items()
        if name in SPLIT_NAMES or name in ("a", "b") or _FLAT.fullmatch(name):
            return root
        root = only


def _below(root: Path) -> tuple[dict[str, Path], bool]:
    """The folders in `root` by their names in lower case, and whether there are images in it."""
    folders: dict[str, Path] = {}
    for folder in folders_in(root):
        folders.setdefault(folder.name.lower(), folder)
    has_images = any(
        name[0] != "." and os.path.splitext(name)[1].lower() in SUFFIXES
        for name in os.listdir(root)
        if not Path(root, name).is_dir()
    )
    return folders, has_images


def _sides(root: Path) -> _Sides:
    """The folders of A and B of each split; empty where there are none.

    Raises:
        ImganError: one side of a split is missing.
    """
    folders, _ = _below(root)
    found: dict[str, dict[str, Path]] = {}
    for name, folder in folders.items():
        if match := _FLAT.fullmatch(name):
            found.setdefault(SPLIT_NAMES[match[1]], {})[match[2]] = folder
    if not found and folders.keys() & {"a", "b"}:
        inner = {side: _below(folders[side])[0] for side in "ab" if side in folders}
        for side, splits in inner.items():
            for name in splits.keys() & SPLIT_NAMES.keys():
                found.setdefault(SPLIT_NAMES[name], {})[side] = splits[name]
        # A lone folder named A may be anything; with B beside it, it is a side.
        if "a" in folders and "b" in folders and not found:
            found["train"] = {side: folders[side] for side in "ab"}
    if not found:
        named = {SPLIT_NAMES[name]: folders[name] for name in folders if name in SPLIT_NAMES}
        inside = {split: _below(folder)[0] for split, folder in named.items()}
        if any("a" in below and "b" in below for below in inside.values()):
            for split, below in inside.items():
                found[split] = {side: below[side] for side in "ab" if side in below}
    for split, sides in found.items():
        if len(sides) < 2:
            has = str(next(iter(sides.values())).relative_to(root)) if sides else "no sides at all"
            lacks = " and ".join(side.upper() for side in "ab" if side not in sides)
            raise ImganError(
                f"{root} has {has} for {split} and lacks {lacks}: every split wants both sides, "
                "such as trainA and trainB"
            )
    return {split: (found[split]["a"], found[split]["b"]) for split in _ORDER if split in found}


def _two_sides(root: Path, sides: _Sides, kind: Kind | None) -> Layout:
    listed = {split: (_some(a), _some(b)) for split, (a, b) in sides.items()}
    unpaired = Layout("unpaired", root, {name: Split(a, b) for name, (a, b) in listed.items()})
    if kind == "unpaired":
        return unpaired
    matched = {split: partners(*listed[split], *sides[split]) for split in sides}
    alone = [file for one in matched.values() for file in one.alone_a + one.alone_b]
    pairs = sum(len(one.a) for one in matched.values())
    layout = Layout("folders", root, {name: Split(one.a, one.b) for name, one in matched.items()})
    if not alone:
        return layout
    if kind is None and pairs < NEARLY * sum(max(map(len, two)) for two in listed.values()):
        return unpaired
    one, other = next(
        (files[0], folder)
        for split, (folder_a, folder_b) in sides.items()
        for files, folder in (
            (matched[split].alone_a, folder_b),
            (matched[split].alone_b, folder_a),
        )
        if files
    )
    rest = f", and so for {len(alone) - 1} more" if len(alone) > 1 else ""
    raise MissingPartners(
        f"{other} lacks the partner of {one}{rest}, while {pairs} pairs are complete; add it or "
        "take the other away, or ask for an unpaired layout",
        layout,
        alone,
    )


def _some(folder: Path) -> list[Path]:
    found = images_in(folder)
    if not found:
        raise ImganError(f"{folder} holds no images")
    return found


def _photos(root: Path) -> dict[str, Split]:
    """All images of any folder as photos, without mixing the splits that it may have."""
    try:
        sides = _sides(root)
    except ImganError:
        sides = {}
    if not sides:
        return _one_folder(root)
    return {split: Split(_some(a) + _some(b), []) for split, (a, b) in sides.items()}


def split_folders(root: Path) -> tuple[dict[str, Path], list[Path], list[Path]]:
    """The folders train/, val/, test/ in `root` or in its one folder; none where no splits are.

    Then the images beside them, which are those of train where no folder is, and what belongs to no
    split: images beside a folder train/, and other folders with images.
    """
    root = inner_folder(root)
    folders, has_images = _below(root)
    named = {SPLIT_NAMES[name]: folder for name, folder in folders.items() if name in SPLIT_NAMES}
    if not named:
        return {}, [], []
    others = [f for name, f in folders.items() if name not in SPLIT_NAMES and _holds_images(f)]
    both = "train" in named and len(named) > 1
    if not both and (others or ("train" in named and has_images)):
        return {}, [], []
    names = sorted(entry.name for entry in os.scandir(root) if not entry.is_dir())
    beside = [root / n for n in names if n[0] != "." and Path(n).suffix.lower() in SUFFIXES]
    return (named, [], [*others, *beside]) if "train" in named else (named, beside, others)


def _holds_images(folder: Path) -> bool:
    try:
        return bool(files_in(folder, SUFFIXES, {}))
    except ImganError:  # it cannot be read
        return False


def _one_folder(root: Path) -> dict[str, Split]:
    """All images of the splits train/, val/, test/, or of the folder as "train"; `b` is empty."""
    named, beside, _ = split_folders(root)
    if not named:
        return {"train": Split(_some(root), [])}
    found = {split: Split(_some(named[split]), []) for split in _ORDER if split in named}
    return {"train": Split(beside, []), **found} if beside else found


def _sampled(files: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Width and height of up to SAMPLE files, spread evenly; damaged ones are left out."""
    sizes = {}
    for i in np.linspace(0, len(files) - 1, min(SAMPLE, len(files))).round().astype(int):
        try:
            sizes[files[i]] = _image_size(files[i])
        except (*DAMAGED, pil.DecompressionBombError):
            continue
    return sizes


def _are_joined(splits: dict[str, Split]) -> bool:
    """Whether all images are two squares side by side.

    Raises:
        ImganError: most are, but not all, in a folder with splits; or no image can be read.
    """
    sizes = {file: size for split in splits.values() for file, size in _sampled(split.a).items()}
    if not sizes:
        first = next(iter(splits.values())).a[0]
        raise ImganError(f"{first} and the images beside it are damaged: none can be read")
    others = {file: size for file, size in sizes.items() if size[0] != 2 * size[1]}
    if len(splits) > 1 and 0 < len(others) < len(sizes) / 2:
        file, (width, height) = next(iter(others.items()))
        raise ImganError(
            f"{file} is {width}x{height} while most images beside it are two squares side by side; "
            "take it away, or say whether the layout is joined or photos"
        )
    return not others


def _check_halves(splits: dict[str, Split]) -> None:
    for split in splits.values():
        for file, (width, height) in _sampled(split.a).items():
            if width % 2:
                raise ImganError(
                    f"{file} is {width}x{height}: an odd width has no two halves, and joined "
                    "images hold A left and B right"
                )
