"""Which of some clips a model of next frames was trained on, by the names that its card holds."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.clip_files import named_files
from ..model_file import Card

_FRAMES = re.compile(r"\[\d+:\d+\]$")


def named_clips(data: Sequence[Path]) -> dict[str, set[str]]:
    """The clips by name, as `test_windows` takes it, each with the paths by which it is known.

    A link is known by its own path, by those below what linked folders truly are, and by that of
    the file it leads to.

    Raises:
        ImganError: there is no such folder, or no clip.
    """
    clips: dict[str, set[str]] = {}
    for path, (name, _) in sorted(named_files(data).items()):
        folder = Path(os.path.abspath(path)).parent.resolve()
        paths = {Path(os.path.abspath(path)), folder / path.name, path.resolve()}
        paths |= {
            root.resolve() / path.relative_to(root) for root in data if path.is_relative_to(root)
        }
        clips[name] = {known.as_posix() for known in paths}
    return clips


@dataclass(frozen=True)
class CardClips:
    """What a model's card says of some clips.

    Attributes:
        model: its name.
        usable: the names to score it on: the clips that its training held out, where there are any
            (of a single clip the end, as ``walk.mp4[180:200]``), or else those that it was not
            trained on, or else all.
        held_out: whether they were held out.
        trained_on_all: whether it was trained on all of them, so that figures flatter it.
    """

    model: str
    usable: list[str]
    held_out: bool
    trained_on_all: bool

    @classmethod
    def of(cls, card: Card, clips: Mapping[str, set[str]]) -> CardClips:
        """Sort out clips from `named_clips`."""
        folders: list[str] = card.data.get("folders", [])
        told = {key: card.data.get(key) for key in ("held_out", "trained")}
        # Of moving digits it is their number; cards of before have no "trained".
        lists = {key: value if isinstance(value, list) else [] for key, value in told.items()}
        wholes = {_whole(name) for names in lists.values() for name in names}
        moved = bool(wholes) and wholes <= clips.keys()  # the same folder under another name

        def known(names: list[str]) -> dict[str, list[str]]:
            """The clips, each with those of the card's names that are its own."""
            index: dict[str, list[str]] = {}
            for own in names:
                for key in {_whole(own)} if moved else _keys(_whole(own), folders):
                    index.setdefault(key, []).append(own)
            ends = {name: {name} if moved else _ends(paths) for name, paths in clips.items()}
            return {
                name: sorted({own for end in ends[name] for own in index.get(end, ())})
                for name in clips
            }

        trained, held_out = known(lists["trained"]), known(lists["held_out"])
        # Names are all that is known, so in doubt a clip was trained on; but not where it was a
        # part of it that was.
        held = [
            name + own.removeprefix(_whole(own))
            for name in clips
            if not any(own == _whole(own) for own in trained[name])
            for own in held_out[name]
        ]
        if held:
            return cls(card.name, held, True, False)
        seen = {name for name in clips if trained[name]}
        if lists["held_out"] and told["trained"] is None:
            below = [f"/{folder}/" for folder in folders]
            seen = {n for n in clips if any(part in path for part in below for path in clips[n])}
        rest = [name for name in clips if name not in seen]
        return cls(card.name, rest or list(clips), False, not rest)


def _whole(name: str) -> str:
    """The name of the clip that a part is of."""
    return _FRAMES.sub("", name)


def _keys(whole: str, folders: Sequence[str]) -> set[str]:
    """Ends of paths that a clip of a card may have: its name below each folder of the training."""
    keys = {f"{folder}/{whole}" for folder in folders if folder != whole}
    if len(keys) < len(folders):  # the clip itself was given
        keys.add(whole)
    parts = whole.split("/")[:-1]
    if len(folders) > 1 and any(folder in parts for folder in folders):
        keys.add(whole.lstrip("./"))  # of equal names in several folders theirs is a part
    return keys


def _ends(paths: set[str]) -> set[str]:
    """The ends of paths, each of whole names."""
    parts = [path.lstrip("/").split("/") for path in paths]
    return {"/".join(one[i:]) for one in parts for i in range(len(one))}
