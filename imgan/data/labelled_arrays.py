"""Images with a class each, and those that lie in arrays: numpy's files and MNIST's."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImganError
from .pixels import SLACK, float_top

SPLITS = ("train", "val", "test")

LABELS = ("y", "labels", "label", "targets", "target", "classes", "class", "category")
"""Names of arrays and columns that hold classes."""

_IMAGES = ("x", "images", "image", "data", "imgs")


@dataclass(frozen=True)
class Labelled:
    """The images of one split: `pixels` ``[N, H, W, C]`` uint8, or else `files`.

    `labels` holds each image's class by name, "" where it is not known, or is None where there are
    no classes; `attributes` more that is known of each image, by the attribute's name.
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


def of_arrays(
    images: NDArray[Any],
    labels: NDArray[Any] | None,
    path: Path,
    attributes: dict[str, list[str]] | None = None,
    span: tuple[float, float] | None = None,
) -> Labelled:
    """Any usual form of an array of images to uint8 ``[N, H, W, C]``.

    `span` is the range of the values of all splits, which are of one kind; None: of these alone.

    Raises:
        ImganError: these are no images, or not a class an image.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise ImganError(
            f"{path}: images of shape {list(images.shape)} are not [N, H, W], [N, H, W, C] or "
            "[N, C, H, W] with 1 or 3 channels"
        )
    if labels is not None and labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else labels.argmax(1)
    if labels is not None and labels.shape != images.shape[:1]:
        raise ImganError(
            f"{path}: {len(images)} images and labels of shape {list(labels.shape)}; give a class "
            "an image"
        )
    names = [str(i) for i in range(len(images))]
    classes = None if labels is None else [_class(value) for value in labels.tolist()]
    return Labelled(names, _bytes(images, path, span), [], classes, attributes or {})


def _bytes(images: NDArray[Any], path: Path, span: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Of values in [0, 1], [-1, 1], 0 to 255 or 16 bit, told by their range."""
    if images.dtype != np.uint8:
        if images.dtype.kind not in "biuf":
            raise ImganError(f"{path}: an array of {images.dtype} holds no images")
        low, high = span or _span([images])
        signed = low < -SLACK
        top = float_top(high)
        if not (top == 1 and low >= -1 - SLACK if signed else top and low >= -SLACK):
            raise ImganError(f"{path}: values from {low:g} to {high:g} are none of images")
        values: NDArray[Any] = images.astype(np.float32)
        if signed:
            values = (values + 1) / 2
        images = np.rint(values * (255 / top)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(images)


def _span(arrays: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """The smallest and the largest value; NaN where one is none."""
    full = [array for array in arrays if array.size]
    if not full:
        return 0.0, 1.0
    return (
        float(np.min([array.min() for array in full])),
        float(np.max([array.max() for array in full])),
    )


def _class(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# -- numpy's files -------------------------------------------------------------------------------


def npz(path: Path) -> dict[str, Labelled]:
    """Arrays x_train, y_train, x_test, y_test, or images, labels; more of a length are attributes.

    Raises:
        ImganError: the file is damaged, or none of its arrays is called as images are.
    """
    arrays: dict[str, NDArray[Any]] = load(path)
    found = {}
    splits: dict[str | None, tuple[str, dict[str, NDArray[Any]]]] = {}
    kinds: dict[str, list[NDArray[Any]]] = {}
    for split in (*SPLITS, None):
        own = {name: values for key, values in arrays.items() if (name := _within(key, split))}
        image = next((word for word in _IMAGES if word in own), None)
        if image is not None:
            splits[split] = image, own
            kinds.setdefault(own[image].dtype.str, []).append(own[image])
    for split, (image, own) in splits.items():
        label = next((word for word in LABELS if word in own), None)
        count = own[image].shape[:1]
        attributes = {
            name: [str(value) for value in values.tolist()]
            for name, values in own.items()
            if name not in (image, label) and values.ndim == 1 and values.shape == count
        }
        labels = own[label] if label else None
        kind = own[image].dtype
        span = _span(kinds[kind.str]) if kind.kind in "biuf" else None
        found[split or "train"] = of_arrays(own[image], labels, path, attributes, span)
    if not found:
        raise ImganError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; its images are to be called x_train "
            "and x_test, or images"
        )
    return found


def _within(key: str, split: str | None) -> str:
    """What `y_test` and `test_y` are called in the split test: y. Nothing for those of others."""
    name = re.sub(rf"^{split}_|_{split}$", "", key, flags=re.IGNORECASE) if split else key
    if split and name == key:
        return ""
    return name.lower() if name.lower() in (*_IMAGES, *LABELS) else name


def load(path: Path) -> Any:
    """The array of an .npy, or the arrays of an .npz by name.

    Raises:
        ImganError: it cannot be read.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        return loaded if path.suffix == ".npy" else {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ImganError(f"{path} cannot be read as numpy's arrays ({error})") from None
    except Exception as error:  # zipfile's own
        raise ImganError(f"{path} is damaged ({error})") from None


# -- MNIST's files -------------------------------------------------------------------------------


def idx(path: Path) -> Labelled:
    """The images of ``...images-idx3...``; the classes lie beside in ``...labels-idx1...``."""
    images = path.with_name(re.sub(r"labels(.)idx1", r"images\1idx3", path.name))
    labels = path.with_name(re.sub(r"images(.)idx3", r"labels\1idx1", path.name))
    known = labels != images and labels.is_file()
    return of_arrays(_idx(images), _idx(labels) if known else None, path)


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
