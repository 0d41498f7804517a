# ruff: noqa: PT028  test_windows is no test
"""Clips as an endless, repeatable stream of windows: past frames and those that follow.

Each clip is decoded once, streaming, into a cache of raw frames. A window is a run of frames
without a cut; item i is a function of the settings and i alone.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ImganError
from .arrays import OPEN, mapped
from .clip_files import Clip, Pixels, Progress, decode_clips, find_clips, first_reason
from .scenes import motion, scene_starts
from .translation import PREVIEW

__all__ = ["Clip", "Clips", "find_clips", "load_clips", "scene_starts", "test_windows"]

SPLITS = ("train", "val", "test")
TEST_WINDOWS = 16
"""Windows of a held-out clip that are scored or shown, evenly spaced."""

_PART = re.compile(r"(.*)\[(\d+):(\d+)\]")


class Clips(Dataset[dict[str, Tensor]]):
    """``{"past": [past, C, crop, crop], "future": [future, C, crop, crop]}``, in [0, 1].

    A clip is drawn with the square root of its windows' number as its weight, so that a long one
    is seen more often than a short one but does not drown it; then one of its windows, a square
    among those that move by `min_motion`, and what `flip`, `reverse` and `turn` allow. Items from
    `PREVIEW` on are windows of the held-out clips, one of each clip in turn, from the middle and as
    they are.
    """

    def __init__(
        self,
        training: Sequence[Clip],
        held_out: Sequence[Clip],
        past: int,
        future: int,
        crop: int,
        seed: int,
        flip: bool,
        min_motion: float,
        previews: Sequence[Clip] = (),
        reverse: bool = False,
        turn: bool = False,
    ) -> None:
        self.held_out = list(held_out)
        self.past, self.future, self.crop = past, future, crop
        self.seed, self.min_motion = seed, min_motion
        self.flip, self.reverse, self.turn = flip, reverse, turn
        self._mapped = lru_cache(2 * OPEN)(mapped)
        moving = [(clip, self._moving(clip)) for clip in training]
        self.training = [clip for clip, starts in moving if starts]
        self.starts = [starts for _, starts in moving if starts]
        if not self.training:
            raise ImganError(
                f"nothing in the clips moves by {min_motion} grey levels; lower data.min_motion"
            )
        weights = np.sqrt([len(starts) for starts in self.starts])
        self._upto = np.cumsum(weights / weights.sum())
        queues = []
        for clip in previews or held_out or self.training:
            starts = self._moving(clip) or clip.starts(past + future)
            queues.append([(clip, start) for start in _spread(starts, TEST_WINDOWS)])
        longest = max(map(len, queues), default=0)
        self._previews = [queue[i] for i in range(longest) for queue in queues if i < len(queue)]

    def __len__(self) -> int:
        return sum(map(len, self.starts))

    @property
    def train(self) -> list[str]:
        """Names of the clips that items come from."""
        return [clip.name for clip in self.training]

    @property
    def test(self) -> list[str]:
        """Names of the held-out clips."""
        return [clip.name for clip in self.held_out]

    @property
    def fingerprint(self) -> str:
        """Of the same clips and settings it is the same everywhere."""
        clips = [(c.name, c.shape, c.scenes) for c in (*self.training, *self.held_out)]
        settings = (self.past, self.future, self.crop, self.seed, self.flip, self.min_motion)
        content = repr((clips, len(self.training), len(self), settings, self.reverse, self.turn))
        return hashlib.sha256(content.encode()).hexdigest()

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        length, crop = self.past + self.future, self.crop
        if index >= PREVIEW:
            clip, start = self._previews[(index - PREVIEW) % len(self._previews)]
            top, left = ((side - crop) // 2 for side in clip.shape[1:3])
            flip, back, turns = False, False, 0
        else:
            rng = np.random.default_rng((self.seed, index))
            drawn = min(int(np.searchsorted(self._upto, rng.random())), len(self.training) - 1)
            clip, starts = self.training[drawn], self.starts[drawn]
            start = starts[rng.integers(len(starts))]
            top, left = self._place(clip, start, rng)
            flip = self.flip and rng.random() < 0.5
            back = self.reverse and rng.random() < 0.5
            turns = int(rng.integers(4)) if self.turn else 0
        frames = self._mapped(clip.frames)[start : start + length]  # [T, H, W, C]
        frames = frames[:, top : top + crop, left : left + crop]
        frames = frames[:, :, ::-1] if flip else frames
        frames = np.rot90(frames[::-1] if back else frames, turns, (1, 2))
        unit = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float() / 255
        return {"past": unit[: self.past], "future": unit[self.past :]}

    def summary(self) -> dict[str, Any]:
        """Counts and what was held out, for the model's card."""
        clips = [*self.training, *self.held_out]
        parts = [clip for clip in self.held_out if _PART.fullmatch(clip.name)]
        return {
            "clips": len({clip.path for clip in clips}),
            "frames": sum(stop - start for clip in clips for start, stop in clip.scenes),
            # The frames of a dissolve are scenes of one frame.
            "scenes": sum(stop - start > 1 for clip in clips for start, stop in clip.scenes),
            "windows": len(self),
            "trained": self.train,
            "held_out": self.test,
            "split": "the end of the only clip is held out" if parts else "by clip",
        }

    def __getstate__(self) -> dict[str, Any]:
        """For other processes, which open the files themselves."""
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With no file open."""
        self.__dict__.update(state)
        self._mapped = lru_cache(2 * OPEN)(mapped)

    def _moving(self, clip: Clip) -> list[int]:
        """First frames of the windows in which some square of the crop's size moves enough."""
        starts = clip.starts(self.past + self.future)
        if self.min_motion <= 0:
            return starts
        moves = clip.motion(self.future, self.crop)[self.past - 1 :] >= self.min_motion
        return [i for i in starts if moves[i]]

    def _motion(self, clip: Clip, start: int) -> NDArray[np.float64]:
        """Mean absolute difference of the future frames from the last past one, by place.

        Told by frames of 64 pixels. Shape: ``[h - crop' + 1, w - crop' + 1]``, grey levels.
        """
        seen, small = start + self.past, self._mapped(clip.small)
        return motion(small[seen - 1 : seen + self.future], clip.box(small, self.crop))

    def _place(self, clip: Clip, start: int, rng: np.random.Generator) -> tuple[int, int]:
        """Top and left of a square, drawn among those that move enough."""
        room = [side - self.crop + 1 for side in clip.shape[1:3]]
        if self.min_motion <= 0:
            return int(rng.integers(room[0])), int(rng.integers(room[1]))
        motion = self._motion(clip, start)
        rows, columns = np.nonzero(motion >= self.min_motion)
        drawn = rng.integers(len(rows))
        top, left = (
            int((place + rng.random()) * free / places)
            for place, free, places in zip(
                (rows[drawn], columns[drawn]), room, motion.shape, strict=True
            )
        )
        return top, left


def load_clips(
    folders: Sequence[Path],
    *,
    past: int,
    future: int,
    side: int,
    crop: int,
    channels: int,
    seed: int,
    flip: bool,
    min_motion: float,
    held_out: float,
    reverse: bool = False,
    turn: bool = False,
    progress: Progress = lambda done, total: None,
) -> tuple[Clips, dict[str, str]]:
    """The clips in the folders, decoded, and what was left out, each with its reason.

    Folders named train, val and test are obeyed where there are val or test, below the folders or
    as several of them; test is held out (val
    where there is no test), and previews show val. Elsewhere clips are held out by a rule of the
    seed and their names; of a single clip the end is, after a gap of one window.

    Args:
        folders: folders, video files, or folders of numbered frames.
        past, future: frames of a window.
        side: the shorter side is shrunk to this; 0 leaves it. Nothing is enlarged, except up to
            twice where it is smaller than `crop`.
        crop: side of the squares.
        channels: 1 or 3.
        seed: of the split and the items.
        flip: whether windows are flipped left to right at random.
        min_motion: grey levels a pixel; see `Clips`.
        held_out: the chance of each clip to be held out; at least one is.
        reverse: whether windows run backwards at random.
        turn: whether windows are turned by quarters of a circle at random.
        progress: called with the clips done and their number.

    Raises:
        ImganError: no clip can be used, the settings cannot be, or the cache cannot be written.
    """
    if past < 1 or future < 1:
        raise ImganError(f"a window has past and future frames, not {past} and {future}")
    if side and side < crop:
        raise ImganError(f"squares of {crop} pixels cannot be cut at data.side {side}; raise it")
    if not 0 <= held_out < 1:
        raise ImganError(f"data.held_out is a share from 0 to below 1, not {held_out}")
    clips, skipped = decode_clips(folders, past + future, side, crop, channels, progress)
    split: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    for clip in clips:
        split[clip.split if clip.split in SPLITS else "train"].append(clip)
    train, val, test = (split[name] for name in SPLITS)
    if val or test:
        if not train:
            raise ImganError(
                f"there are clips to test on and none to train on{first_reason(skipped)}"
            )
        test = test or val
    elif len(clips) == 1:
        train, test = _ends(clips[0], past + future, held_out)
    else:
        train, test = _drawn(clips, seed, held_out)
    made = Clips(train, test, past, future, crop, seed, flip, min_motion, val, reverse, turn)
    return made, skipped


def test_windows(
    data: Clips | Sequence[Path],
    horizon: int,
    *,
    past: int | None = None,
    side: int = 0,
    channels: int = 3,
    names: Sequence[str] | None = None,
    most: int = TEST_WINDOWS,
    skipped: dict[str, str] | None = None,
) -> Iterator[tuple[str, Pixels]]:
    """Whole frames to score on: a clip's name and ``[past + horizon, H, W, C]`` uint8.

    Windows do not overlap and hold no cut; of each clip at most `most` come, evenly spaced.

    Args:
        data: the held-out clips of `Clips`, or folders as for `load_clips`.
        horizon: frames after the past ones.
        past: by default that of `Clips`.
        side, channels: as in `load_clips`; of `Clips` they are what they are.
        names: only these clips, as the folders name them (see `Clip`), or parts of them.
        most: windows of a clip.
        skipped: filled with the clips that cannot be used, and why.

    Raises:
        ImganError: no clip can be used, or none is long enough.
    """
    if isinstance(data, Clips):
        clips, past = data.held_out, past or data.past
    else:
        clips, bad = decode_clips(data, 2, side, 1, channels)
        if skipped is not None:
            skipped |= bad
    if not past:
        raise ImganError("folders do not say how many past frames a window has; give past")
    length, found = past + horizon, False
    for clip in clips if names is None else _named(clips, names):
        for start in _spread(clip.starts(length, length), most):
            found = True
            yield clip.name, np.array(np.load(clip.frames, mmap_mode="r")[start : start + length])
    if not found:
        raise ImganError(
            f"no clip to be scored has {length} frames without a cut ({past} past ones and "
            f"{horizon} after them); lower the number of frames ahead, or give longer clips"
        )


test_windows.__test__ = False  # type: ignore[attr-defined]  # no test, whatever its name


def _drawn(clips: list[Clip], seed: int, share: float) -> tuple[list[Clip], list[Clip]]:
    """To train on and to hold out: by a lot for each name, so that new clips move no old ones.

    The share is thus that of many clips. Where no lot is small enough the smallest is held out, and
    where all are the largest is trained on.
    """

    def lot(clip: Clip) -> float:
        return int(hashlib.sha256(os.fsencode(f"{seed}|{clip.name}")).hexdigest(), 16) / 2**256

    by_lot = sorted(clips, key=lot)
    count = min(len(clips) - 1, max(1, sum(lot(clip) < share for clip in clips)))
    chosen = {clip.path for clip in by_lot[:count]}
    return (
        [clip for clip in clips if clip.path not in chosen],
        [clip for clip in clips if clip.path in chosen],
    )


def _ends(clip: Clip, length: int, share: float) -> tuple[list[Clip], list[Clip]]:
    """The first part of the only clip to train on, and its end, with a gap of one window."""
    total = clip.shape[0]
    for held in range(max(length, round(share * total)), total - 2 * length + 1):
        end, start = clip.part(total - held, total), clip.part(0, total - held - length)
        if end.starts(length) and start.starts(length):
            return [start], [end]
    raise ImganError(
        f"{clip.path} is the only clip, and its {total} frames are too few to train on and to hold "
        "some out; give a longer clip, or several"
    )


def _named(clips: Sequence[Clip], names: Sequence[str]) -> Iterator[Clip]:
    """The clips of exactly these names, which may end in the frames of a part."""
    for name in names:
        match = _PART.fullmatch(name)
        for clip in clips:
            if clip.name == name:
                yield clip
            elif match and clip.name == match[1]:
                yield clip.part(int(match[2]), min(int(match[3]), clip.shape[0]))


def _spread(items: list[int], most: int) -> list[int]:
    """At most so many of the items, evenly spaced."""
    if len(items) <= most:
        return items
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, most)]
