"""Folders of photos, decoded once.

Decoding is the bottleneck of training on photos (tens of milliseconds a photo against a fraction
of one a crop), so each photo is decoded once into a cache of raw pixels, together with its
low-resolution twin, and crops (`imgan.data.crops`) are cut from the memory-mapped cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import ImganError
from ..files import replacing, sweep
from .arrays import Maps, mapped
from .images import READABLE, read_image
from .layouts import split_folders
from .pixels import on_white, resize, to_bits
from .walk import files_in

Pixels = NDArray[np.uint8]


def cache_folder() -> Path:
    """Where decoded photos are kept: ``$IMGAN_CACHE``, else the user's cache folder."""
    own = os.environ.get("IMGAN_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imgan"


def find_photos(folders: Sequence[Path], skipped: dict[Path, str] | None = None) -> list[Path]:
    """Every image to train on in the folders and below; a file stands for itself.

    Of a folder with splits (see `imgan.data.layouts`) these are those of train. The others, and
    what lies below and cannot be read, go into `skipped` with the reason.

    Raises:
        ImganError: there is no image, or a folder that is named cannot be read.
    """
    skipped = {} if skipped is None else skipped
    found: set[Path] = set()
    for folder in folders:
        splits, beside, others = split_folders(folder) if folder.is_dir() else ({}, [], [])
        beside = [photo for photo in beside if photo.suffix.lower() in READABLE]
        for name, place in splits.items():
            if name != "train":
                skipped[place] = f"the photos of the split {name} are not for training"
        for place in others:
            skipped[place] = "it lies beside folders of splits and belongs to none"
        if "train" in splits:
            found.update(files_in(splits["train"], READABLE, skipped))
        elif beside:
            found.update(beside)
        elif splits:
            only = next(iter(splits.values()))
            raise ImganError(f"{folder} has nothing to train on but {only}; give that, if meant")
        else:
            found.update(_all(folder, skipped))
    return _sorted(found, folders)


def photos_to_score(folders: Sequence[Path]) -> list[Path]:
    """Every image in the folders and below, of those with splits the test images, or else val's.

    Raises:
        ImganError: as in `find_photos`.
    """
    found: set[Path] = set()
    for folder in folders:
        splits = split_folders(folder)[0] if folder.is_dir() else {}
        held = next((splits[name] for name in ("test", "val") if name in splits), folder)
        found.update(_all(held, {}))
    return _sorted(found, folders)


def _all(folder: Path, skipped: dict[Path, str]) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ImganError(f"there is no folder {folder}")
    return files_in(folder, READABLE, skipped)


def _sorted(found: set[Path], folders: Sequence[Path]) -> list[Path]:
    if not found:
        raise ImganError(f"there is no image in {', '.join(map(str, folders))}")
    return sorted(found)


@dataclass
class PhotoSet:
    """Decoded photos: high and low are memory-mapped uint8 arrays [H, W, 3] of equal index."""

    paths: list[Path] = field(default_factory=list)
    high: Maps = field(default_factory=Maps)
    low: Maps = field(default_factory=Maps)
    skipped: dict[Path, str] = field(default_factory=dict)

    @property
    def megapixels(self) -> float:
        """Size of all photos together."""
        return float(sum(height * width for height, width, _ in self.high.shapes)) / 1e6


class _Unusable(Exception):
    """A photo is to be left out; the text is the reason."""


def load_photos(
    folders: Sequence[Path],
    scale: int,
    smallest: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    shrink: Sequence[int] = (1,),
) -> PhotoSet:
    """Decode every photo once and shrink it by `scale`, or take both from the cache.

    With `shrink` each photo enters at these fractions of its size (2: half) instead of its own:
    the pixels of a large photo are softer than those of one that was made smaller.

    Photos of fewer than `smallest` pixels on a side and files that cannot be decoded are left out
    and named in ``skipped``, each with its reason.

    Raises:
        ImganError: there is no photo that can be used, or the cache cannot be written.
    """
    photos = PhotoSet()
    paths = find_photos(folders, photos.skipped)
    sweep(cache_folder() / "photos", "*.npy")
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        tasks = [(path, part) for path in paths for part in shrink]
        jobs = [pool.submit(_cached, path, scale, smallest, part) for path, part in tasks]
        for done, ((path, part), job) in enumerate(zip(tasks, jobs, strict=True), 1):
            try:
                files, shapes = job.result()
            except _Unusable as error:
                if part == min(shrink):  # smaller ones may be too small
                    photos.skipped[path] = str(error)
            else:
                photos.paths.append(path)
                photos.high.append(files[0], shapes[0])
                photos.low.append(files[1], shapes[1])
            progress(done, len(tasks))
    finally:  # on Ctrl-C at once, without the photos that wait for their turn
        pool.shutdown(wait=False, cancel_futures=True)
    if not photos.paths:
        path, reason = next(iter(photos.skipped.items()))
        raise ImganError(f"none of the {len(paths)} images can be used; {path}: {reason}")
    return photos


def _cached(
    path: Path, scale: int, smallest: int, part: int
) -> tuple[tuple[Path, Path], tuple[tuple[int, ...], tuple[int, ...]]]:
    """The files of the photo and of its low-resolution twin, made where they are not there yet.

    Their shapes too.
    """
    try:
        stat = path.stat()
        identity = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|x{scale}|{part}|2"
    except (OSError, RuntimeError) as error:  # such as a link to nothing, or to itself
        raise _Unusable(getattr(error, "strerror", None) or str(error)) from None
    stem = hashlib.sha256(os.fsencode(identity)).hexdigest()[:24]
    high_file = cache_folder() / "photos" / f"{stem}-high.npy"
    low_file = high_file.with_name(f"{stem}-low.npy")
    try:
        twins = _kept(high_file, low_file, scale)
        if not twins:
            for file, pixels in zip(
                (high_file, low_file), _twins(path, scale, smallest, part), strict=True
            ):
                with replacing(file) as beside:
                    np.save(beside, pixels)
            twins = mapped(high_file), mapped(low_file)  # can they be read again?
    except OSError as error:
        raise ImganError(
            f"decoded photos cannot be kept in {high_file.parent}: {error.strerror or error}; "
            "make it a folder with room that you may write to, or set IMGAN_CACHE to another one"
        ) from None
    _check_size(twins[0], smallest)
    return (high_file, low_file), (twins[0].shape, twins[1].shape)


def _kept(high_file: Path, low_file: Path, scale: int) -> tuple[Pixels, Pixels] | None:
    """The twins from the cache, unless one of the two is missing, cut short or something else."""
    try:
        high, low = mapped(high_file), mapped(low_file)
    except (FileNotFoundError, ValueError):
        return None
    fits = low.ndim == 3 and high.shape == (low.shape[0] * scale, low.shape[1] * scale, 3)
    return (high, low) if fits and high.dtype == low.dtype == np.uint8 else None


def _twins(path: Path, scale: int, smallest: int, part: int) -> tuple[Pixels, Pixels]:
    """The photo at ``1 / part`` of its size, and that shrunk by `scale`."""
    try:
        high = decode(path)
        if part > 1:
            high = resize(high, (max(1, high.shape[1] // part), max(1, high.shape[0] // part)))
        _check_size(high, smallest)
        height, width = (side // scale * scale for side in high.shape[:2])
        high = high[:height, :width].copy()
        low = shrunk(high, scale)
    except MemoryError:
        raise _Unusable("it does not fit into memory") from None
    except (ImganError, OSError, RuntimeError) as error:  # RuntimeError: torch has no memory
        raise _Unusable(str(error)) from None
    return high, low


def shrunk(high: Pixels, scale: int) -> Pixels:
    """``[H, W, 3]`` to ``[ceil(H / scale), ceil(W / scale), 3]`` by the papers' bicubic."""
    from .degrade import imresize_uint8

    image = torch.from_numpy(high).permute(2, 0, 1)  # [3, H, W]
    low: Pixels = imresize_uint8(image, 1 / scale).permute(1, 2, 0).contiguous().numpy()
    return low


def _check_size(high: Pixels, smallest: int) -> None:
    height, width = high.shape[:2]
    if min(height, width) < smallest:
        raise _Unusable(f"{width}x{height} pixels, and {smallest} on each side are needed")


def decode(path: Path) -> Pixels:
    """The photo as 8-bit RGB [H, W, 3], upright; what is clear lies on white paper."""
    colour: Pixels = to_bits(on_white(read_image(path, "it").frames[0]), 8)
    channels = colour.shape[2]
    if channels not in (1, 3):
        raise ImganError(f"it has {channels} channels and no photo; colour has 3, grey 1")
    return colour if channels == 3 else colour.repeat(3, axis=2)


def summary(photos: PhotoSet) -> dict[str, Any]:
    """Count and size, for the model's card."""
    return {
        "photos": len(set(photos.paths)),
        "megapixels": round(photos.megapixels, 1),
        "skipped": len(photos.skipped),
    }
