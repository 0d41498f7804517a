"""The files of a folder of data, to the bottom."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from ..errors import ImganError

_NO_DATA = {"__MACOSX", "lost+found"}  # of archives made by macOS, and of Unix disks
_OURS = ({"recipe.yaml", "metrics.jsonl"}, {"comparison.json", "index.html"})
"""What lies in the folder of a run, and in that of a comparison: their pictures are no data."""


def files_in(
    folder: Path, suffixes: Collection[str] = (), skipped: dict[Path, str] | None = None
) -> list[Path]:
    """Every file in a folder and below, sorted; with `suffixes` of those alone.

    What is hidden is left out, as the notes that macOS leaves on other file systems are, and so
    are runs and comparisons whose folders lie below: a run may be kept beside its data. Links to
    folders elsewhere are followed. Folders below that cannot be read go into `skipped`, each with
    its reason.

    Raises:
        ImganError: a folder cannot be read, and there is no `skipped` or it is `folder` itself.
    """

    def refuse(error: OSError) -> None:
        place = Path(error.filename)
        if skipped is None or place == folder:
            raise ImganError(f"{place} cannot be read: {error.strerror}") from None
        skipped[place] = f"cannot be read: {error.strerror}"

    found = []
    whole = Path(os.path.realpath(folder))
    entered = {whole}

    def enters(path: Path) -> bool:
        """Every folder once, however it is reached; links not to what is found without them."""
        place = Path(os.path.realpath(path))
        if place in entered or (path.is_symlink() and place.is_relative_to(whole)):
            return False
        entered.add(place)
        return not whole.is_relative_to(place)

    for top, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        if Path(top) != folder and is_ours(files):
            folders.clear()
            continue
        folders[:] = [n for n in sorted(folders) if may_hold_data(n) and enters(Path(top, n))]
        found += [
            Path(top, name)
            for name in files
            if name[0] != "." and (not suffixes or os.path.splitext(name)[1].lower() in suffixes)
        ]
    return sorted(found)


def folders_in(folder: Path) -> list[Path]:
    """The folders right below one, sorted; those that `files_in` does not enter are left out.

    Raises:
        ImganError: it cannot be read.
    """
    try:
        inside = [Path(entry.path) for entry in os.scandir(folder) if os.path.isdir(entry.path)]
    except OSError as error:
        raise ImganError(f"{folder} cannot be read: {error.strerror or error}") from None
    return sorted(path for path in inside if may_hold_data(path.name) and not _ours(path))


def may_hold_data(name: str) -> bool:
    """Whether a folder of that name is looked into: hidden ones and those of systems are not."""
    return name[0] != "." and name not in _NO_DATA


def _ours(folder: Path) -> bool:
    try:
        return is_ours(os.listdir(folder))
    except OSError:  # who enters it is told
        return False


def is_ours(names: Iterable[str]) -> bool:
    """Whether a folder that holds these names is that of a run or of a comparison."""
    there = set(names)
    return any(signs <= there for signs in _OURS)
