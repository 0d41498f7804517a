"""Tables: of files with a class each, and of pixels, a row an image."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImganError
from .labelled_arrays import LABELS, SPLITS, Labelled, of_arrays
from .layouts import SPLIT_NAMES

_PATHS = ("path", "file", "filename", "image", "name")
_UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error)


def table(path: Path) -> dict[str, Labelled]:
    """The images of a ``.csv`` or ``.csv.gz`` by split.

    Raises:
        ImganError: it cannot be read, or its rows make no sense.
    """
    packed = path.suffix.lower() == ".gz"
    text = gzip.open if packed else open
    try:
        with text(path, "rt", encoding="utf-8-sig") as file:
            first, second = (next(csv.reader([file.readline()]), []) for _ in range(2))
    except _UNREADABLE as error:
        raise ImganError(f"{path} cannot be read as a table: {error}") from None
    if len(first) > 16 and all(map(_is_number, second or first)):
        return {"train": _pixel_rows(path, [] if all(map(_is_number, first)) else first)}
    if packed:
        raise ImganError(f"{path} holds no rows of pixels; a table of files must not be packed")
    return _file_rows(path)


# -- rows of pixels ------------------------------------------------------------------------------


def _pixel_rows(path: Path, header: list[str]) -> Labelled:
    try:
        rows = np.loadtxt(
            path,
            delimiter=",",
            dtype=np.float32,
            skiprows=int(bool(header)),
            ndmin=2,
            encoding="utf-8-sig",
        )
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ImganError(
            f"{path}: not every row holds the same count of numbers ({error})"
        ) from None
    at = _label_column(rows, [name.strip().lower() for name in header], path)
    pixels = rows if at is None else np.delete(rows, at, axis=1)
    side = math.isqrt(pixels.shape[1])
    if side * side != pixels.shape[1]:
        raise ImganError(f"{path}: {pixels.shape[1]} pixels a row are no square image")
    images = pixels.reshape(-1, side, side)  # [N, H, W]
    return of_arrays(images, None if at is None else rows[:, at].astype(np.int64), path)


def _label_column(rows: NDArray[np.float32], columns: list[str], path: Path) -> int | None:
    """First or last: the one that is called so, or whose whole numbers are several and smaller.

    None where the columns alone are a square image: they cannot be one with another column.
    """
    last = rows.shape[1] - 1
    named = [i for i in (0, last) if columns and columns[i] in LABELS]
    if named:
        return named[0]
    if math.isqrt(last + 1) ** 2 == last + 1:
        return None
    ends = {0: rows[:, 0], last: rows[:, -1]}
    likely = [i for i, values in ends.items() if len(np.unique(values)) > 1 and _whole(values)]
    if not likely:
        raise ImganError(f"{path}: neither the first nor the last column holds classes")
    return int(min(likely, key=lambda i: float(ends[i].max())))


def _whole(values: NDArray[np.float32]) -> bool:
    return bool((values == np.rint(values)).all())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# -- rows of files -------------------------------------------------------------------------------


def _file_rows(path: Path) -> dict[str, Labelled]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except _UNREADABLE as error:
        raise ImganError(f"{path} cannot be read as a table: {error}; save it as UTF-8") from None
    if not rows:
        return {}
    folder = path.parent
    header = [cell.strip() for cell in rows[0]]
    if (folder / rows[0][0]).is_file():
        header = ["path", "label", *(f"column {i}" for i in range(3, len(rows[0]) + 1))]
        header = header[: len(rows[0])]
    else:
        rows = rows[1:]
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ImganError(
                f"{path}: row {number} has {len(row)} columns and the head {len(header)}"
            )
    lower = [name.lower() for name in header]
    split = lower.index("split") if "split" in lower else None
    at = next((lower.index(name) for name in _PATHS if name in lower), 0)
    others = [i for i in range(len(header)) if i not in (at, split)]
    label = next((i for name in LABELS for i in others if lower[i] == name), None)
    if label is None and others:
        label = others[0]
    if rows and not (folder / rows[0][at]).is_file():
        raise ImganError(
            f"{path} names {rows[0][at]}, which is not there; paths are taken from the "
            "table's folder"
        )
    labels = None if label is None else [row[label].strip() for row in rows]
    whole = Labelled(
        [row[at] for row in rows],
        files=[folder / row[at] for row in rows],
        labels=labels if labels and any(labels) else None,
        attributes={header[i]: [row[i] for row in rows] for i in others if i != label},
    )
    if split is None:
        return {"train": whole}
    asked = [_split(row[split], number, path) for number, row in enumerate(rows, 1)]
    return {name: whole.take([i for i, one in enumerate(asked) if one == name]) for name in SPLITS}


def _split(said: str, number: int, path: Path) -> str:
    name = SPLIT_NAMES.get(said.strip().lower() or "train")
    if name is None:  # to train on what was meant as a test would be a leak
        raise ImganError(f"{path}: the split of row {number} is {said}; say train, val or test")
    return name
