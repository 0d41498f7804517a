"""Images with a class each: a folder of folders, a table, arrays; and images without.

What is understood::

    CLASS/*.png, train/CLASS/*.png test/CLASS/*.png     a folder a class, with or without splits
    *.png in any depth                                  a folder without labels
    table.csv                                           a path and a class a row (columns "path" and
                                                        "label", or the first two), more columns are
                                                        attributes, "split" is train, val or test
    pixels.csv, pixels.csv.gz                           a row an image: its class first or last, the
                                                        rest square grey pixels of 0 to 255
    arrays.npz                                          arrays x_train, y_train, x_test, y_test, or
                                                        images, labels
    t10k-images-idx3-ubyte, also .gz                    MNIST's files; the labels lie beside
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImganError
from .layouts import SPLIT_NAMES, SUFFIXES, images_in

SPLITS = ("train", "val", "test")

_IMAGES = ("x", "images", "image", "data", "imgs")
_LABELS = ("y", "labels", "label", "targets", "target", "classes")
_PATHS = ("path", "file", "filename", "image", "name")
_ARRAYS = (".npz", ".npy", ".csv", ".gz")


@dataclass(frozen=True)
class Labelled:
    """The images of one split: `pixels` ``[N, H, W, C]`` uint8, or else `files`.

    `labels` holds each image's class by name, or None where there are no classes; `attributes` more
    that is known of each image, by the attribute's name.
    """

    names: list[str]
    pixels: NDArray[np.uint8] | None = None
    files: list[Path] = field(default_factory=list)
    labels: list[str] | None = None
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def take(self, chosen: Sequence[int]) -> Labelled:
        """The images of these numbers."""

        def of(values: Sequence[Any]) -> list[Any]:
            return [values[i] for i in chosen]

        return Labelled(
            of(self.names),
            None if self.pixels is None else self.pixels[list(chosen)],
            of(self.files) if self.files else [],
            None if self.labels is None else of(self.labels),
            {name: of(values) for name, values in self.attributes.items()},
        )


def read_labelled(path: str | Path) -> dict[str, Labelled]:
    """Images and classes by split; everything in ``train`` where there are no splits.

    Raises:
        ImganError: nothing there can be used; the sentence names the file and the way out.
    """
    path = Path(path)
    if path.is_dir():
        found = _folder(path)
    elif not path.is_file():
        raise ImganError(
            f"there is no {path}: give a folder of images, a table or a file of arrays"
        )
    elif _is_idx(path):
        images, labels = _idx_pair(path)
        found = {"train": _of_arrays(images, labels, path)}
    elif path.suffix == ".npz":
        found = _npz(path)
    elif path.suffix == ".npy":
        found = {"train": _of_arrays(_load(path), None, path)}
    elif path.name.lower().endswith((".csv", ".csv.gz")):
        found = _table(path)
    elif path.suffix.lower() in SUFFIXES:
        found = {"train": Labelled([path.name], files=[path])}
    else:
        raise ImganError(
            f"{path} is neither a folder nor a .csv, .npz, .npy or MNIST file; give one of these"
        )
    found = {split: part for split, part in found.items() if len(part)}
    if not found:
        raise ImganError(f"{path} holds no images; give a folder or file that does")
    return found


# -- folders -------------------------------------------------------------------------------------


def _folder(root: Path) -> dict[str, Labelled]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    splits = {p: SPLIT_NAMES[p.name.lower()] for p in folders if p.name.lower() in SPLIT_NAMES}
    if splits and len(splits) == len(folders):
        return {split: _classes(folder) for folder, split in splits.items()}
    return {"train": _classes(root)}


def _classes(folder: Path) -> Labelled:
    """Its folders are the classes where all images lie in them."""
    files = images_in(folder)
    inside = [file.relative_to(folder) for file in files]
    labelled = bool(inside) and all(len(file.parts) > 1 for file in inside)
    labels = [file.parts[0] for file in inside] if labelled else None
    return Labelled([str(file) for file in inside], files=files, labels=labels)


# -- tables --------------------------------------------------------------------------------------


def _table(path: Path) -> dict[str, Labelled]:
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(newline="") as file:
            first = file.readline()
            second = file.readline()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ImganError(f"{path} cannot be read: {error}") from None
    cells = next(csv.reader([first]), [])
    if len(cells) > 16 and all(_is_number(cell) for cell in next(csv.reader([second]), [""])):
        return {"train": _pixel_rows(path, [] if all(map(_is_number, cells)) else cells)}
    if path.suffix == ".gz":
        raise ImganError(f"{path} holds no rows of pixels; a table of files must not be packed")
    return _file_rows(path)


def _pixel_rows(path: Path, header: list[str]) -> Labelled:
    try:
        rows = np.loadtxt(
            path, delimiter=",", dtype=np.float32, skiprows=int(bool(header)), ndmin=2
        )
    except (ValueError, OSError, EOFError) as error:
        raise ImganError(
            f"{path}: not every row holds the same count of numbers ({error})"
        ) from None
    columns = [name.strip().lower() for name in header]
    named = [i for i in (0, len(columns) - 1) if columns and columns[i] in _LABELS]
    at = named[0] if named else _label_column(rows, path)
    pixels = np.delete(rows, at, axis=1)
    side = math.isqrt(pixels.shape[1])
    if side * side != pixels.shape[1]:
        raise ImganError(f"{path}: {pixels.shape[1]} pixels a row are no square image")
    images = pixels.reshape(-1, side, side)  # [N, H, W]
    return _of_arrays(images, rows[:, at].astype(np.int64), path)


def _label_column(rows: NDArray[np.float32], path: Path) -> int:
    """First or last: the one whose whole numbers are several, and smaller than the other's."""
    ends = {0: rows[:, 0], rows.shape[1] - 1: rows[:, -1]}
    likely = [i for i, values in ends.items() if len(np.unique(values)) > 1 and _whole(values)]
    if not likely:
        raise ImganError(f"{path}: neither the first nor the last column holds classes")
    return int(min(likely, key=lambda i: float(ends[i].max())))


def _whole(values: NDArray[np.float32]) -> bool:
    return bool((values == np.rint(values)).all())


def _file_rows(path: Path) -> dict[str, Labelled]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        return {}
    folder = path.parent
    header = [cell.strip() for cell in rows[0]]
    if (folder / rows[0][0]).is_file():
        header = ["path", "label", *(f"column {i}" for i in range(3, len(rows[0]) + 1))]
    else:
        rows = rows[1:]
    lower = [name.lower() for name in header]
    at = next((lower.index(name) for name in _PATHS if name in lower), 0)
    label = next((lower.index(name) for name in _LABELS if name in lower and name != lower[at]), 1)
    split = lower.index("split") if "split" in lower else None
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ImganError(
                f"{path}: row {number} has {len(row)} columns and the head {len(header)}"
            )
    if rows and not (folder / rows[0][at]).is_file():
        raise ImganError(
            f"{path} names {rows[0][at]}, which is not there; paths are taken from the "
            "table's folder"
        )
    whole = Labelled(
        [row[at] for row in rows],
        files=[folder / row[at] for row in rows],
        labels=[row[label] for row in rows] if label < len(header) else None,
        attributes={
            header[i]: [row[i] for row in rows]
            for i in range(len(header))
            if i not in (at, label, split)
        },
    )
    if split is None:
        return {"train": whole}
    asked = [SPLIT_NAMES.get(row[split].strip().lower(), "train") for row in rows]
    return {name: whole.take([i for i, one in enumerate(asked) if one == name]) for name in SPLITS}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# -- arrays --------------------------------------------------------------------------------------


def _npz(path: Path) -> dict[str, Labelled]:
    arrays: dict[str, NDArray[Any]] = _load(path)
    keys = {key.lower(): key for key in arrays}
    used: set[str] = set()

    def find(words: Sequence[str], split: str | None) -> str | None:
        forms = [f"{w}_{split}" for w in words] + [f"{split}_{w}" for w in words]
        for form in forms if split else words:
            if form in keys:
                used.add(keys[form])
                return keys[form]
        return None

    found = {}
    for split in (*SPLITS, None):
        images = find(_IMAGES, split)
        if images is None:
            continue
        label = find(_LABELS, split)
        count = len(arrays[images])
        more = {
            re.sub(rf"_?{split}_?", "", key): [str(v) for v in values.tolist()]
            for key, values in arrays.items()
            if key not in used
            and values.ndim == 1
            and len(values) == count
            and (split is None or split in key)
        }
        labels = arrays[label] if label else None
        found[split or "train"] = _of_arrays(arrays[images], labels, path, more)
    if not found:
        raise ImganError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; its images are to be called x_train "
            "and x_test, or images"
        )
    return found


def _load(path: Path) -> Any:
    try:
        loaded = np.load(path, allow_pickle=False)
        return loaded if path.suffix == ".npy" else {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ImganError(f"{path} cannot be read as numpy's arrays ({error})") from None
    except Exception as error:  # zipfile's own
        raise ImganError(f"{path} is damaged ({error})") from None


def _is_idx(path: Path) -> bool:
    return "idx3" in path.name or "idx1" in path.name


def _idx_pair(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    images = path.with_name(path.name.replace("labels-idx1", "images-idx3"))
    labels = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    known = labels != images and labels.is_file()
    return _idx(images), _idx(labels) if known else None


def _idx(path: Path) -> NDArray[np.uint8]:
    """MNIST's format: two zeros, the kind (8: bytes), the dimensions, their sizes, the values."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        if len(data) < 4 or data[:3] != b"\0\0\x08":
            raise ValueError("it does not begin as a file of bytes does")
        shape = np.frombuffer(data, ">u4", count=data[3], offset=4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape).copy()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ImganError(f"{path} is no whole MNIST file ({error})") from None


def _of_arrays(
    images: NDArray[Any],
    labels: NDArray[Any] | None,
    path: Path,
    attributes: dict[str, list[str]] | None = None,
) -> Labelled:
    """Any usual form of an array of images to uint8 ``[N, H, W, C]``."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ImganError(
            f"{path}: images of shape {list(images.shape)} are not [N, H, W], [N, H, W, C] or "
            "[N, C, H, W] with 1 or 3 channels"
        )
    if images.dtype != np.uint8:
        values: NDArray[Any] = images.astype(np.float32)
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        if not (low >= -1 and math.isfinite(high)):
            raise ImganError(f"{path}: values from {low:g} to {high:g} are none of images")
        if low < 0:
            values, high = (values + 1) / 2, 1.0
        scale = 255.0 if high <= 1 else 1.0 if high <= 255 else 255 / 65535
        images = np.rint(values * scale).clip(0, 255).astype(np.uint8)
    if labels is not None and labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else labels.argmax(1)
    if labels is not None and len(labels) != len(images):
        raise ImganError(f"{path}: {len(images)} images and {len(labels)} labels")
    names = [str(i) for i in range(len(images))]
    classes = None if labels is None else [_class(value) for value in labels.tolist()]
    return Labelled(names, np.ascontiguousarray(images), [], classes, attributes or {})


def _class(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
