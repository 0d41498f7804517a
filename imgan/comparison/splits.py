"""Which data the arms are trained on, and which they are scored on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.photos import find_photos
from ..errors import ImganError
from ..recipe import Recipe

EVERY = 10
"""Of photos without a test set every tenth is held out, and one at least."""


@dataclass(frozen=True)
class Parts:
    """Data to train on and to score on, as their commands take them; `about` names the latter."""

    train: list[Path]
    test: list[Path]
    about: str


def named(data: Sequence[Path]) -> str:
    """What reports call the data: ``Set5/x4``, ``maps``; never where it lies."""
    names = []
    for path in data:
        whole = path.resolve()
        short = re.fullmatch(r"x\d+|train|test|val|images?|data|clips|photos", whole.name, re.I)
        names.append(f"{whole.parent.name}/{whole.name}" if short else whole.name)
    return ", ".join(names)


def parts(recipe: Recipe, data: Sequence[Path], test: Sequence[Path]) -> Parts:
    """The test data that is given, or else what training holds out of the data.

    Pipelines hold their own test images out (folders ``test/`` and ``val/``, clips, classes of a
    target's test split). Super-resolution trains on every photo it is given, so some are taken away
    here before it does.

    Raises:
        ImganError: nothing can be held out of a single photo.
    """
    if test:
        return Parts(list(data), list(test), named(test))
    if recipe.pipeline != "srgan":
        return Parts(list(data), list(data), "what training held out of the data")
    photos = find_photos(data)
    held = photos[EVERY // 2 :: EVERY] or photos[-1:]
    kept = [photo for photo in photos if photo not in held]
    if not kept:
        raise ImganError(
            f"there is one photo, {photos[0]}, and nothing can be held out of it; give more, or "
            "--test FOLDER"
        )
    return Parts(kept, held, f"every {EVERY}th photo ({len(held)}), held out from training")
