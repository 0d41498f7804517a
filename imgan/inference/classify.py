"""Classes and features of images, by a model that `imgan adapt` trained."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.labelled import read_labelled
from ..data.labelled_arrays import Labelled
from ..data.layouts import SUFFIXES
from ..data.shelf import UNKNOWN, Shelf, shelf_of
from ..errors import ImganError
from ..files import replacing
from ..model_file import Model, load_model, read_card
from .device import choose

Progress = Callable[[int, int], None]


@dataclass
class Answers:
    """What a model says of N images.

    `classes` are the K classes by name, `probabilities` ``[N, K]``, `features` ``[N, F]``, `labels`
    the number of each image's true class, or -1 where it is not known.
    """

    names: list[str]
    classes: list[str]
    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def said(self) -> list[str]:
        """The most probable class of each image."""
        return [self.classes[i] for i in self.probabilities.argmax(1)]

    @property
    def accuracy(self) -> float | None:
        """The share of right answers where the class is known; None where none is."""
        known = self.labels != UNKNOWN
        if not known.any():
            return None
        return float((self.probabilities.argmax(1) == self.labels)[known].mean())

    @staticmethod
    def joined(found: Sequence[Answers]) -> Answers:
        """Those of several sets of images in one."""
        return Answers(
            [name for one in found for name in one.names],
            found[0].classes,
            *(
                np.concatenate([getattr(one, field) for one in found])
                for field in ("probabilities", "features", "labels")
            ),
        )


class Classifier:
    """A model of classes, ready to use.

    Args:
        model: a model file, or one that is loaded.
        device: see `imgan.inference.device.choose`.
        precision: as there.
        features: the module it was trained with, where that was the caller's own.

    Raises:
        ImganError: the file is no such model, or needs the caller's module.
    """

    def __init__(
        self,
        model: str | Path | Model,
        device: str | None = None,
        precision: str = "float32",
        features: nn.Module | None = None,
    ) -> None:
        self.device, self.dtype = choose(device, precision)
        loaded = model if isinstance(model, Model) else _loaded(Path(model), features)
        self.card = loaded.card
        self._features = loaded.networks["features"].to(self.device)
        self._head = loaded.networks["classifier"].to(self.device)
        self.classes: list[str] = [str(name) for name in self.card.data["classes"]]
        self.size = int(self.card.data["size"])

    def shelf(self, part: Labelled) -> tuple[Shelf, list[str]]:
        """Images made ready for this model, and sentences on those that cannot be used."""
        return shelf_of(part, self.classes, self.size, self.card.channels)

    @torch.no_grad()
    def answers(self, shelf: Shelf, progress: Progress = lambda done, total: None) -> Answers:
        """Features and probabilities of every image on the shelf."""
        features, shares, done = [], [], 0
        for images in shelf.portions():
            one, two = self._pair(images)
            features.append(one)
            shares.append(two)
            done += len(images)
            progress(done, len(shelf))
        return Answers(
            list(shelf.names),
            self.classes,
            torch.cat(shares).numpy(),
            torch.cat(features).numpy(),
            shelf.labels,
        )

    def _pair(self, images: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.card.value_range
        values = images.to(self.device).float() / 255 * (high - low) + low
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            features = self._features(values)
            logits = self._head(features)
        return features.float().cpu(), logits.float().softmax(1).cpu()


def classify(
    model: Classifier,
    paths: Sequence[str | Path],
    split: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> Answers:
    """What a model says of all images in folders, files, tables or arrays.

    Args:
        model: see `Classifier`.
        paths: each what `imgan.data.labelled` understands.
        split: of data with splits, this one alone: train, val or test.
        say: called with a sentence for each image that cannot be used.
        progress: called with the images done and their number, for each path.

    Raises:
        ImganError: nothing can be used.
    """
    found: list[Answers] = []
    for path in paths:
        parts = read_labelled(path)
        if split is not None and split not in parts:
            raise ImganError(f"{path} has no split {split}; it has {', '.join(parts)}")
        for name, part in parts.items():
            if split not in (None, name):
                continue
            shelf, bad = model.shelf(part)
            for line in bad:
                say(line)
            if len(shelf):
                answers = model.answers(shelf, progress=progress)
                prefix = _prefix(path, name, len(parts) > 1 or len(paths) > 1)
                answers.names = [prefix + one for one in answers.names]
                found.append(answers)
    if not found:
        raise ImganError("none of the images can be used")
    return Answers.joined(found)


def write_predictions(answers: Answers, target: Path | TextIO) -> None:
    """A csv: image, class, probability, and the label where any is known."""
    known = answers.labels != UNKNOWN
    head = ["image", "class", "probability", *(["label"] if known.any() else [])]
    rows = [
        [name, said, f"{most:.4f}", *([_label(answers, i)] if known.any() else [])]
        for i, (name, said, most) in enumerate(
            zip(answers.names, answers.said, answers.probabilities.max(1), strict=True)
        )
    ]
    if not isinstance(target, Path):
        csv.writer(target, lineterminator="\n").writerows([head, *rows])
        return
    with (
        _writing(target) as beside,
        # Names of files may be of bytes that are no UTF-8: they are written as they are.
        beside.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


def write_features(answers: Answers, target: Path) -> None:
    """Features to ``.npz`` (arrays image, class, label, probabilities, features) or ``.parquet``.

    Raises:
        ImganError: another ending, or pyarrow is not installed.
    """
    labels = [_label(answers, i) for i in range(len(answers.names))]
    if target.suffix == ".npz":
        with _writing(target) as beside:
            arrays: dict[str, Any] = {
                "image": np.array(answers.names),
                "class": np.array(answers.said),
                "label": np.array(labels),
                "classes": np.array(answers.classes),
                "probabilities": answers.probabilities,
                "features": answers.features,
            }
            np.savez_compressed(beside, **arrays)
        return
    if target.suffix != ".parquet":
        raise ImganError(f"{target}: features are written as .npz or .parquet")
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise ImganError("parquet needs pyarrow: pip install pyarrow, or write .npz") from None

    def texts(names: list[str]) -> list[str]:
        return [os.fsencode(name).decode(errors="replace") for name in names]

    def rows(values: NDArray[np.float32]) -> Any:
        return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])

    table = arrow.table(
        {
            "image": texts(answers.names),
            "class": texts(answers.said),
            "label": arrow.array([label or None for label in texts(labels)], arrow.string()),
            "probability": answers.probabilities.max(1),
            "probabilities": rows(answers.probabilities),
            "features": rows(answers.features),
        }
    )
    with _writing(target) as beside:
        parquet.write_table(table, beside)


def check_out(out: Path, paths: Sequence[Path]) -> None:
    """Refuse a place for the answers that is one of the files they are about.

    Raises:
        ImganError: it is.
    """
    for path in paths:
        if os.path.realpath(path) == os.path.realpath(out):
            raise ImganError(f"{out} is what is read, and would be lost; take another --out")


@contextmanager
def _writing(target: Path) -> Iterator[Path]:
    """A place beside the target that takes its place when all is written."""
    try:
        with replacing(target) as beside:
            yield beside
    except OSError as error:
        raise ImganError(
            f"{target} cannot be written ({error.strerror or error}); take another --out"
        ) from None


def _label(answers: Answers, index: int) -> str:
    label = int(answers.labels[index])
    return "" if label == UNKNOWN else answers.classes[label]


def _prefix(path: str | Path, split: str, several: bool) -> str:
    if not several:
        return ""
    path = Path(path)
    if path.is_dir():
        return f"{path}/" if split == "train" else f"{path}/{split}/"
    if path.suffix.lower() in SUFFIXES:  # an image, whose own name is known
        return "" if path.parent == Path() else f"{path.parent}/"
    return f"{path}:{split}:"


def _loaded(path: Path, features: nn.Module | None) -> Model:
    card = read_card(path)
    if card.pipeline != "dann":
        raise ImganError(
            f"{path} is a model of {card.pipeline}, which tells no classes; imgan adapt trains one "
            "that does"
        )
    if card.networks["features"].name != "own":
        return load_model(path)
    if features is None:
        made = card.networks["features"].arguments.get("class", "a module")
        raise ImganError(
            f"{path} was trained with a module of the caller's own ({made}); use it from Python: "
            "Classifier(path, features=that module)"
        )
    return load_model(path, {"features": features})
