"""``imgan features``: the features of images, by a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ImganError
from . import app
from .classify import Images, Model, Split, answered, tell
from .jobs import Device, Precision


@app.command()
def features(
    images: Images,
    model: Model,
    out: Annotated[
        Path, typer.Option("-o", "--out", help=".npz, or .parquet, which needs pyarrow.")
    ],
    split: Split = None,
    device: Device = "auto",
    precision: Precision = "float32",
) -> None:
    """Write the features of each image, with its class: what the classifier of the model sees.

    An .npz holds the arrays image, class, label ("" where not known), classes, probabilities
    [N, K] and features [N, F]; a .parquet the same as columns.
    """
    from ..inference.classify import check_out, write_features

    if out.suffix not in (".npz", ".parquet"):
        raise ImganError(f"{out}: features are written as .npz or .parquet")
    check_out(out, images)
    answers = answered(images, model, split, device, precision)
    write_features(answers, out)
    tell(answers, out)
