"""The images of A and B that a translation is trained on, and those that it is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ImganError
from .layouts import Kind, Layout, Split, find_layout
from .prepared import Half

HOLD_OUT = 20
"""Where a folder has no splits every so-manieth image is held out, 100 at most."""

NONE = Split([], [])


@dataclass(frozen=True)
class Sets:
    """Files by split: "train", "val" and "test", those that there are.

    `halves` says which half of a file is A and which B. `paired`: index i of both belong together.
    Of photos that pairs are made from only `b` is filled.
    """

    root: Path
    halves: tuple[Half, Half]
    paired: bool
    splits: dict[str, Split]

    @property
    def train(self) -> Split:
        """To train on."""
        return self.splits.get("train", NONE)

    @property
    def previews(self) -> Split:
        """To look at during training: val, else test."""
        return self._first("val", "test")

    @property
    def tests(self) -> Split:
        """To score on: test, else val."""
        return self._first("test", "val")

    def _first(self, *names: str) -> Split:
        found = (self.splits.get(name, NONE) for name in names)
        return next((split for split in found if split.a or split.b), NONE)


def sets_for(
    pipeline: str,
    made: bool,
    folders: Sequence[Path],
    kind: Kind | None = None,
    *,
    hold_out: bool = True,
) -> Sets:
    """The images of a pipeline in the folders: pairs, two sets, or photos that pairs are `made` of.

    Args:
        hold_out: where the folders have no splits, part of what is there is held out of training.

    Raises:
        ImganError: they hold none such.
    """
    if made:
        return photo_sets(folders, hold_out=hold_out)
    if pipeline == "cyclegan":
        return unpaired_sets(folders, kind, hold_out=hold_out)
    return paired_sets(folders, kind, hold_out=hold_out)


def paired_sets(
    folders: Sequence[Path], kind: Kind | None = None, *, hold_out: bool = True
) -> Sets:
    """The pairs in one folder.

    Raises:
        ImganError: there are several folders, or no pairs in it.
    """
    if len(folders) != 1:
        raise ImganError(f"pairs lie in one data folder, and here are {len(folders)}")
    layout = find_layout(folders[0], kind)
    if layout.kind not in ("joined", "folders"):
        raise ImganError(
            f"{layout.root} holds no pairs ({_seen(layout)}); give images side by side or folders "
            "A and B of equal names, or say data.layout, or train on photos with data.make"
        )
    return _sets(layout.root, layout.kind == "joined", True, layout.splits, hold_out)


def unpaired_sets(
    folders: Sequence[Path], kind: Kind | None = None, *, hold_out: bool = True
) -> Sets:
    """Two sets: a folder of A and one of B, or a data folder of any layout with two sides.

    Raises:
        ImganError: there is but one set.
    """
    if len(folders) == 2:
        a, b = (find_layout(folder, "photos").splits for folder in folders)
        names: list[str] = [name for name in ("train", "val", "test") if name in a or name in b]
        splits = {name: Split(a.get(name, NONE).a, b.get(name, NONE).a) for name in names}
        return _sets(folders[0], False, False, splits, hold_out)
    if len(folders) != 1:
        raise ImganError(f"give a data folder, or one of A and one of B, not {len(folders)}")
    try:
        layout = find_layout(folders[0], kind)
    except ImganError:  # such as of missing partners, which nobody misses here
        if kind is not None:
            raise
        layout = find_layout(folders[0], "unpaired")
    if layout.kind == "photos":
        raise ImganError(
            f"{layout.root} holds one set of images ({_seen(layout)}); give a folder with trainA "
            "and trainB, or two folders"
        )
    paired = layout.kind != "unpaired"
    return _sets(layout.root, layout.kind == "joined", paired, layout.splits, hold_out)


def photo_sets(folders: Sequence[Path], *, hold_out: bool = True) -> Sets:
    """Photos that pairs are made from: they are B."""
    layouts = [find_layout(folder, "photos") for folder in folders]
    names = [n for n in ("train", "val", "test") if any(n in layout.splits for layout in layouts)]
    splits = {
        name: Split([], [p for layout in layouts for p in layout.splits.get(name, NONE).a])
        for name in names
    }
    return _sets(folders[0], False, True, splits, hold_out)


def _sets(root: Path, joined: bool, paired: bool, splits: dict[str, Split], hold_out: bool) -> Sets:
    halves: tuple[Half, Half] = ("left", "right") if joined else (None, None)
    if hold_out and list(splits) == ["train"]:
        splits = _held_out(splits["train"])
    return Sets(root, halves, paired, splits)


def _held_out(split: Split) -> dict[str, Split]:
    """Part of what has no splits as "test": the same files at every call, of pairs both."""
    parts = [_parted(side) for side in (split.a, split.b)]
    train, test = (Split(parts[0][i], parts[1][i]) for i in (0, 1))
    return {"train": train, "test": test} if test.a or test.b else {"train": split}


def _parted(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    if len(paths) < HOLD_OUT // 2:  # too few to spare one
        return paths, []
    chosen = set(range(HOLD_OUT // 2 - 1, len(paths), max(HOLD_OUT, -(-len(paths) // 100))))
    return (
        [path for i, path in enumerate(paths) if i not in chosen],
        [path for i, path in enumerate(paths) if i in chosen],
    )


def _seen(layout: Layout) -> str:
    counts = [f"{name} {len(s.a)}+{len(s.b)}" for name, s in layout.splits.items()]
    return f"it looks like {layout.kind}: {', '.join(counts)}"
