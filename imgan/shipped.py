"""The models that come with imgan."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import imgan

from .errors import ImganError
from .model_file import read_card

TRANSLATION = "colourise"
"""The shipped model that `imgan translate` takes by default."""

PREDICTION = "nextframe"
"""The shipped model that `imgan predict` takes by default."""


def shipped_models() -> dict[str, Path]:
    """Name to file of every shipped model, e.g. ``x4-mse``.

    They lie in ``assets/models``: inside the package when it is installed, beside it in a checkout.
    """
    return {
        file.stem: file
        for root in imgan.__path__
        for file in sorted(Path(root, "assets", "models").glob("*.safetensors"))
    }


def resolve(model: str | Path, *pipelines: str) -> Path:
    """The file of a model: of a shipped one by its name, else the path itself.

    Args:
        model: a name or a file.
        pipelines: those whose models the caller can use, which the error then names; none: all.

    Raises:
        ImganError: it is neither.
    """
    shipped = shipped_models()
    if str(model) in shipped:
        return shipped[str(model)]
    if (inside := Path(model, "model.safetensors")).is_file():
        raise ImganError(f"{model} is a folder; its model is {inside}")
    if not Path(model).is_file():
        fitting = [n for n, file in shipped.items() if not pipelines or _of(file) in pipelines]
        shipped_ones = f" or one of {', '.join(fitting)}" if fitting else ""
        raise ImganError(f"there is no model {model}: give a model file{shipped_ones}")
    return Path(model)


def called(path: Path) -> str:
    """How to name a model to people, and in a command: a shipped one by its name, else its file."""
    return next((name for name, file in shipped_models().items() if file == path), str(path))


def _of(file: Path) -> str:
    """The pipeline of a model; none where its card cannot be read, which another error will say."""
    try:
        return read_card(file).pipeline
    except ImganError:
        return ""


def default(name: str) -> Path:
    """The shipped model that a command takes where none is named: `TRANSLATION`, `PREDICTION`.

    Raises:
        ImganError: this installation has none.
    """
    shipped = shipped_models()
    if name not in shipped:
        raise ImganError(f"the model {name} does not come with imgan here; name one with --model")
    return shipped[name]


def labels(models: Sequence[str | Path | None]) -> list[str]:
    """Short names of models that differ: the file's, or its folder's where that says more."""
    names = []
    for model in models:
        path = Path(model if model is not None else PREDICTION)
        stem = path.name.removesuffix(".safetensors")
        names.append(path.resolve().parent.name if stem == "model" else stem)
    taken = {name for name in names if names.count(name) == 1}
    for i, name in enumerate(names):
        if name not in taken:
            numbered = (f"{name}-{number}" for number in count(1))
            names[i] = next(label for label in numbered if label not in taken)
            taken.add(names[i])
    return names
