"""Which files of two folders belong together: those of one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ImganError


@dataclass
class Partners:
    """Two sides by name: those with a partner, index by index, and those without."""

    a: list[Path] = field(default_factory=list)
    b: list[Path] = field(default_factory=list)
    alone_a: list[Path] = field(default_factory=list)
    alone_b: list[Path] = field(default_factory=list)


def partners(a: Sequence[Path], b: Sequence[Path], root_a: Path, root_b: Path) -> Partners:
    """Match two sides by the names below their folders, in order of the names.

    Raises:
        ImganError: two images of one side have one name.
    """
    named = _named(a, root_a, ""), _named(b, root_b, "")
    if not named[0].keys() & named[1].keys():
        named = _named(a, root_a, "_a"), _named(b, root_b, "_b")
    both = sorted(named[0].keys() & named[1].keys())
    return Partners(
        [named[0][name] for name in both],
        [named[1][name] for name in both],
        [file for name, file in sorted(named[0].items()) if name not in named[1]],
        [file for name, file in sorted(named[1].items()) if name not in named[0]],
    )


def _named(files: Sequence[Path], root: Path, mark: str) -> dict[str, Path]:
    """Name below `root`, without suffix and `mark`, to file."""
    named: dict[str, Path] = {}
    for file in files:
        name = file.relative_to(root).with_suffix("").as_posix()
        if name.lower().endswith(mark):
            name = name[: len(name) - len(mark)]
        if name in named:
            raise ImganError(
                f"{named[name]} and {file.name} have one name; partners are found by their names, "
                "so take one away"
            )
        named[name] = file
    return named
