"""Where the scenes of a clip begin, by cuts, fades and dissolves; and what moves in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

SMALL = 64
"""Pixels of the shorter side of the frames that scenes and motion are told by."""

LEAST = 8.0  # grey levels by which a cut changes the mean pixel
PEAK = 2.0  # times the changes around it
UNLIKE = 0.25  # 1 - correlation
BOTH = 2.4  # times the changes around it (8 at most), times unlikeness with the histograms'
MOST = 8.0  # times that count
AROUND = 6  # frames on either side that a change is compared with
REACH = 12  # frames from the middle of a dissolve to what it leads from and to
BLEND = 0.2  # part of a dissolve's change by which its middle may differ from the mean of its ends
FLAT = 2.0  # standard deviation of a frame that shows nothing


def small(frame: Pixels) -> Pixels:
    """``[H, W]`` or ``[H, W, C]`` to grey ``[h, w]`` whose shorter side is 64, or smaller."""
    import cv2

    height, width = frame.shape[:2]
    factor = min(1.0, SMALL / min(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    if shrunk.ndim == 2:
        return np.asarray(shrunk)
    grey: Pixels = np.rint(shrunk.mean(axis=2)).astype(np.uint8)
    return grey


def scene_starts(frames: Iterable[Pixels]) -> list[int]:
    """The first frame of every scene, 0 among them; frames of any size, taken one at a time.

    On grey frames of 64 pixels a scene begins where

    - the mean pixel changes by 8 grey levels or more and by p >= 2 times the upper quartile of the
      twelve changes around, the frames are unlike (u = 1 - their highest correlation under a shift
      >= 0.25), min(p, 8) * (u + half the L1 distance of their histograms) >= 2.4, and the change
      stays: a flash of one or two frames is no cut;
    - a picture follows a frame of one colour.

    A dissolve is told by its frames being the mean of those 12 before and 12 after while these two
    are unlike. Its frames are scenes of one frame each, so that nothing of length lies within it.

    Returns:
        Increasing numbers; empty where there are no frames.
    """
    kept: deque[NDArray[np.float32]] = deque(maxlen=2 * REACH + 1)
    change: list[list[float]] = []  # from one, two and three frames before
    unlike: dict[int, tuple[float, float]] = {}
    starts: set[int] = set()
    for number, frame in enumerate(frames):
        kept.append(small(frame).astype(np.float32))
        now = kept[-1]
        lags = [_change(now, kept[-1 - lag]) if len(kept) > lag else 0.0 for lag in (1, 2, 3)]
        change.append(lags)
        if number == 0 or (kept[-2].std() < FLAT <= now.std()):
            starts.add(number)
        elif lags[0] >= LEAST:
            unlike[number] = _unlike(kept[-2], now)
        if len(kept) == kept.maxlen and _blended(kept[0], kept[REACH], now):
            middle = number - REACH
            starts.update(range(middle - REACH // 2, middle + REACH // 2 + 2))
    changes = np.array(change)
    return sorted(starts | {n for n, (u, h) in unlike.items() if _cut(changes, n, u, h)})


def motion(frames: Pixels, box: tuple[int, int]) -> NDArray[np.float64]:
    """How far frames differ from the first of them: the mean over each box, in grey levels.

    Shape: ``[1 + n, h, w]``, small ones, to ``[h - box + 1, w - box + 1]``, by the box's top and
    left.
    """
    import cv2

    high, wide = box
    levels = frames.astype(np.float32)
    total = cv2.integral(np.abs(levels[1:] - levels[0]).mean(0), sdepth=cv2.CV_64F)
    boxes = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide]
    mean: NDArray[np.float64] = (boxes + total[:-high, :-wide]) / (high * wide)
    return mean


def most_motion(frames: Pixels, future: int, box: tuple[int, int]) -> NDArray[np.float64]:
    """For every frame the motion of the box in which the `future` ones after it move most.

    Shape: ``[T, h, w]``, small ones, to ``[T - future]``.
    """
    found = [motion(frames[i : i + future + 1], box).max() for i in range(len(frames) - future)]
    return np.array(found, np.float64)


def _cut(changes: NDArray[np.float64], at: int, unlike: float, histograms: float) -> bool:
    """Whether the change before frame `at` leads to another picture, stands out, and stays."""
    here = changes[at, 0]
    around = np.concatenate([changes[max(1, at - AROUND) : at, 0], changes[at + 1 :][:AROUND, 0]])
    peak = here / max(1.0, np.percentile(around, 75)) if len(around) else MOST
    if peak < PEAK or unlike < UNLIKE or min(peak, MOST) * (unlike + histograms) < BOTH:
        return False
    # After a flash the picture is as before it: seen from its first frame, and from its last.
    later = [changes[at + lag - 1, lag - 1] for lag in (2, 3) if at + lag - 1 < len(changes)]
    before = [changes[at, lag - 1] for lag in (2, 3) if at >= lag]
    return bool(min(later + before, default=here) >= here / 2)


def _change(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(a - b).mean())


def _unlike(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, float]:
    """Of structure, which no shift and no light changes, 0 to 2; of the histograms, 0 to 1."""
    import cv2

    bins = [np.histogram(frame, 32, (0, 256))[0] / frame.size for frame in (a, b)]
    distance = float(np.abs(bins[0] - bins[1]).sum()) / 2
    top, left = (side // 10 for side in b.shape)
    middle = b[top : b.shape[0] - top, left : b.shape[1] - left]
    if a.std() < FLAT or middle.std() < FLAT:
        return 1.0, distance
    return 1 - float(cv2.matchTemplate(a, middle, cv2.TM_CCOEFF_NORMED).max()), distance


def _blended(a: NDArray[np.float32], middle: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether `middle` is the mean of two frames that show different things."""
    change = _change(a, b)
    if change < LEAST or _change(2 * middle, a + b) / 2 > BLEND * change:
        return False
    return min(a.std(), b.std()) >= FLAT and sum(_unlike(a, b)) >= UNLIKE
