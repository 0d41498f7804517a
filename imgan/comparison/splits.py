"""Which data the arms are trained on, and which they are scored on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.clip_files import named_files
from ..data.labelled import read_labelled
from ..data.layouts import split_folders
from ..data.photos import find_photos, photos_to_score
from ..data.sets import Sets, sets_for
from ..errors import ImganError
from ..evaluation.pairs import pairs_of
from ..recipe import Recipe

EVERY = 10
"""Of photos without a test set every tenth is held out, and one at least."""

MOST = 512
"""Of held-out photos at most so many pixels of each side are scored."""

HELD_OUT = "what training held out of the data"


@dataclass(frozen=True)
class Parts:
    """Data to train on and to score on, as their commands take them; `about` names the latter.

    `own` tells whether what is scored on is the data of training, and of that what it holds out;
    None: that is to be told by the folders' names.
    """

    train: list[Path]
    test: list[Path]
    about: str
    own: bool | None = None


def named(data: Sequence[Path]) -> str:
    """What reports call the data: ``Set5/x4``, ``maps``; never where it lies."""
    names = []
    for path in data:
        whole = path.resolve()
        short = re.fullmatch(r"x\d+|train|test|val|images?|data|clips|photos", whole.name, re.I)
        own = whole.parent != Path.home()  # whose name is the user's
        names.append(f"{whole.parent.name}/{whole.name}" if short and own else whole.name)
    return ", ".join(names)


def parts(recipe: Recipe, data: Sequence[Path], test: Sequence[Path], seeds: int = 1) -> Parts:
    """The test data that is given, or else what training holds out of the data.

    Pipelines hold their own test images out (folders ``test/`` and ``val/``, clips, classes of a
    target's test split). Super-resolution trains on every photo it is given, so some are taken away
    here before it does, as are those of the test data.

    Raises:
        ImganError: there is no data; nothing can be held out of a single photo, or each seed would
            hold out others; or in `test` there is nothing to score on, or what is trained on.
    """
    if recipe.pipeline == "dann" and len(data) < 2 and not recipe.data.attribute:
        raise ImganError(
            f"{data[0]} is one domain; give the source and then a target, whose classes need not "
            "be known"
        )
    trained = _found(recipe, data)
    if test:
        _check(recipe, data, test, trained)
        return Parts(
            _without(data, test) if recipe.pipeline == "srgan" else list(data),
            list(test),
            named(test),
            _same(data, test),
        )
    if recipe.pipeline == "nextframe" and recipe.data.kind == "clips" and seeds > 1:
        splits = [split for _, split in named_files(data).values()]
        if len(splits) > 1 and not {"val", "test"} & set(splits):
            raise ImganError(
                "each seed holds out other clips, and models compare on clips that none was "
                "trained on; put some into a folder test/, or give --test FOLDER"
            )
    if recipe.pipeline == "dann":
        about = "the test split of each domain, or all of it where there is none"
        return Parts(list(data), list(data), about)
    if recipe.pipeline != "srgan":
        return Parts(list(data), list(data), HELD_OUT, own=True)
    photos = find_photos(data)
    if apart := [folder for folder in data if folder.is_dir() and _holds_out(folder)]:
        held = photos_to_score(apart)
        return Parts(_without(data, held), held, f"the test images of {named(apart)} ({len(held)})")
    held = photos[EVERY // 2 :: EVERY] or photos[-1:]
    which = f"every {EVERY}th photo" if len(photos) > EVERY // 2 else "the last photo"
    apart_from = set(held)
    kept = [photo for photo in photos if photo not in apart_from]
    if not kept:
        raise ImganError(
            f"there is one photo, {photos[0]}, and nothing can be held out of it; give more, or "
            "--test FOLDER"
        )
    return Parts(kept, held, f"{which} ({len(held)}), held out from training")


def _holds_out(folder: Path) -> bool:
    return bool(split_folders(folder)[0].keys() & {"test", "val"})


def _same(data: Sequence[Path], test: Sequence[Path]) -> bool:
    return {path.resolve() for path in test} == {path.resolve() for path in data}


def _found(recipe: Recipe, folders: Sequence[Path], hold_out: bool = True) -> Sets | None:
    """See that there is something for the pipeline; of translation its images by split."""
    if recipe.pipeline == "srgan":
        find_photos(folders)
    elif recipe.pipeline == "dann":
        for path in folders:
            read_labelled(path)
    elif recipe.pipeline == "nextframe":
        if recipe.data.kind == "clips":
            named_files(folders)
        elif missing := [path for path in folders if not path.exists()]:
            raise ImganError(f"there is no file {missing[0]}")
    else:
        made = bool(getattr(recipe.data, "make", None))
        return sets_for(recipe.pipeline, made, folders, recipe.data.layout, hold_out=hold_out)
    return None


def _check(
    recipe: Recipe, data: Sequence[Path], test: Sequence[Path], trained: Sets | None
) -> None:
    """Find before hours of training that what it is scored on is missing, or was trained on."""
    if recipe.pipeline == "dann" and len(test) != len(data):
        raise ImganError(
            f"here are {len(data)} domains and {len(test)} of --test; give one for each, in the "
            "same order"
        )
    if recipe.pipeline == "srgan":
        pairs_of(test, recipe.scale, MOST)
        return
    scored = _found(recipe, test, hold_out=_same(data, test))
    if trained is None or scored is None:
        return
    seen = {path.resolve() for path in (*trained.train.a, *trained.train.b)}
    split = scored.tests if scored.tests.a or scored.tests.b else scored.train
    both = {path for path in (*split.a, *split.b) if path.resolve() in seen}
    if both:
        raise ImganError(
            f"{len(both)} images of --test are trained on, such as {min(both)}; give others, or "
            "leave --test out, and what training holds out is scored"
        )


def _without(data: Sequence[Path], test: Sequence[Path]) -> list[Path]:
    """The data as it is, or where test photos lie within it all the others."""
    scored = {photo.resolve() for photo in photos_to_score(test)}
    photos = find_photos(data)
    kept = [photo for photo in photos if photo.resolve() not in scored]
    if not kept:
        raise ImganError("every photo of the data is one of --test; give others to train on")
    return list(data) if len(kept) == len(photos) else kept
