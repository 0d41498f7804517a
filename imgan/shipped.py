"""The models that come with imgan."""

from __future__ import annotations

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
    if not Path(model).is_file():
        fitting = [
            name
            for name, file in shipped.items()
            if not pipelines or read_card(file).pipeline in pipelines
        ]
        shipped_ones = f" or one of {', '.join(fitting)}" if fitting else ""
        raise ImganError(f"there is no model {model}: give a model file{shipped_ones}")
    return Path(model)


def default(name: str) -> Path:
    """The shipped model that a command takes where none is named: `TRANSLATION`, `PREDICTION`.

    Raises:
        ImganError: this installation has none.
    """
    shipped = shipped_models()
    if name not in shipped:
        raise ImganError(f"the model {name} does not come with imgan here; name one with --model")
    return shipped[name]
