"""The files of a folder of data, to the bottom."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ..errors import ImganError

_OURS = ({"recipe.yaml", "metrics.jsonl"}, {"comparison.json"})
"""What the folder of a run holds, and that of a comparison: their pictures are no data."""


def files_in(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Every file of such a suffix in a folder and below, sorted.

    What is hidden is left out, as the notes that macOS leaves on other file systems are, and so
    are runs and comparisons whose folders lie below: a run may be kept beside its data.

    Raises:
        ImganError: a folder cannot be read.
    """
    found = []
    for top, folders, files in os.walk(folder, onerror=_refuse):
        if Path(top) != folder and any(names <= set(files) for names in _OURS):
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] != "." and name != "__MACOSX"]
        found += [
            Path(top, name)
            for name in files
            if name[0] != "." and os.path.splitext(name)[1].lower() in suffixes
        ]
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise ImganError(f"{error.filename} cannot be read: {error.strerror}") from None
