"""Score models of next frames by how far ahead they predict, beside a copy of the last frame."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..data.prepared import to_channels
from ..errors import ImganError
from ..inference.predict import Predictor, unit
from ..model_file import read_card
from ..perceptual import LpipsDistance
from ..shipped import resolve, shipped_models
from .frame_windows import SEQUENCES, find_windows
from .frames import METRICS, score

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPY = "copy"
"""The baseline: the last frame seen, again and again. It is strong."""

Progress = Callable[[str, int], None]
Rows = list[dict[str, float]]


@dataclass
class FrameReport:
    """The scores of all models on one set of clips, with what is needed to repeat them.

    `models` maps each to a row of figures for every horizon, one frame ahead first; `clips` has the
    same for each clip alone. Figures are means over the windows that have them.
    """

    data: str
    horizon: int
    windows: int
    protocol: list[str]
    device: str
    precision: str
    models: dict[str, Rows]
    clips: dict[str, dict[str, Rows]] = field(default_factory=dict)

    @property
    def verdicts(self) -> list[str]:
        """A sentence for each model that does not beat copying the last frame everywhere."""
        return [line for model in self.models if model != COPY for line in self._against(model)]

    def mean(self, model: str) -> dict[str, float]:
        """A model's figures, averaged over the horizons that have them."""
        rows = self.models[model]
        found = {metric: [row[metric] for row in rows if metric in row] for metric in METRICS}
        return {metric: sum(all_) / len(all_) for metric, all_ in found.items() if all_}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = ("data", "horizon", "windows", "protocol", "device", "precision", "verdicts")
        return {key: getattr(self, key) for key in plain} | {
            "versions": {
                "imgan": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            "models": {
                model: {"mean": self.mean(model), "by_horizon": rows}
                for model, rows in self.models.items()
            },
            "clips": self.clips,
        }

    def _against(self, model: str) -> Iterator[str]:
        for metric, where in (("psnr", "all pixels"), ("psnr_moving", "the moving pixels")):
            pairs = zip(self.models[model], self.models[COPY], strict=True)
            lost = [
                (k, ours[metric], copied[metric])
                for k, (ours, copied) in enumerate(pairs, 1)
                if metric in ours and round(ours[metric], 2) <= round(copied[metric], 2)
            ]
            if lost:
                steps = ", ".join(f"+{k}" for k, *_ in lost)
                _, ours, copied = lost[0]
                yield (
                    f"{model} does not beat copying the last frame over {where} at {steps}: PSNR "
                    f"{ours:.2f} against {copied:.2f} dB at +{lost[0][0]}"
                )


def is_nextframe(model: str | Path) -> bool:
    """Whether a model predicts frames; files that are none of imgan's do not.

    Raises:
        ImganError: there is no such model.
    """
    if str(model) not in shipped_models() and not Path(model).is_file():
        return False
    try:
        return read_card(resolve(model)).pipeline == "nextframe"
    except ImganError:  # a community file, or a damaged one, of which others tell more
        return False


def evaluate_nextframe(
    models: Sequence[str | Path],
    data: Sequence[Path],
    horizon: int | None = None,
    *,
    sequences: int = SEQUENCES,
    size: int | None = None,
    lpips: LpipsDistance | None = None,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> FrameReport:
    """Score models 1 to `horizon` frames ahead, beside `COPY`.

    Args:
        models: model files or shipped names, all for grey or all for RGB. Each looks at as many
            past frames as it does; the frames to be predicted are the same for all.
        data: folders of clips, of which those are taken that the models' training held out if it
            had some of them, or else those that it did not see; or one file of digits (see
            `imgan.data.moving_digits.read_digits`), of which moving digits are made by a fixed
            seed; or a ``.npy`` of ready sequences ``[T, N, H, W]`` uint8.
        horizon: frames ahead; by default 8 for clips and 10 for digits.
        sequences: how many of moving digits.
        size: the clips' shorter side; by default that of the models' training.
        lpips: adds LPIPS.
        device: see `imgan.inference.device.choose`, as `precision`.
        progress: called with the clip and the number of windows so far.

    Raises:
        ImganError: the data or a model cannot be used, or the models differ in their channels.
    """
    if horizon is not None and horizon < 1:
        raise ImganError(f"horizon is at least 1, not {horizon}")
    if sequences < 1:
        raise ImganError(f"sequences is at least 1, not {sequences}")
    if size is not None and not 1 <= size <= 99_999:
        raise ImganError(f"size is a number of pixels for the shorter side, not {size}")
    predictors = {str(model): Predictor(model, device, precision) for model in models}
    first = next(iter(predictors.values()))
    if len({predictor.channels for predictor in predictors.values()}) > 1:
        raise ImganError("some of these models see grey and some RGB; score them one by one")
    past = max(predictor.past for predictor in predictors.values())
    cards = [predictor.card for predictor in predictors.values()]
    windows = find_windows(data, cards, past, horizon, sequences, size)
    horizon = windows.horizon
    sums = _Sums(horizon)
    count = 0
    for count, (clip, frames) in enumerate(windows.items, 1):
        if progress:
            progress(clip, count)
        seen = [to_channels(unit(frame), first.channels) for frame in frames]
        truth, last = as_tensor(seen[past:]), as_tensor(seen[past - 1 : past])
        sums.add(clip, COPY, score(last.expand_as(truth), truth, last[0], lpips))
        for name, predictor in predictors.items():
            made = as_tensor(list(islice(predictor.ahead(seen[:past]), horizon)))
            sums.add(clip, name, score(made, truth, last[0], lpips))
    names = [COPY, *predictors]
    where, precision = str(first.device), str(first.dtype).removeprefix("torch.")
    return FrameReport(
        data=_named(data),
        horizon=horizon,
        windows=count,
        protocol=[
            f"{count} {windows.about}",
            f"computed on {where} in {precision}; predictions are clamped to [0, 1], also where a "
            "model goes on from its own",
            *_protocol(first.channels, lpips),
        ],
        device=where,
        precision=precision,
        models={name: sums.rows(name) for name in names},
        clips={clip: {name: sums.rows(name, clip) for name in names} for clip in sums.clips},
    )


class _Sums:
    """Sums and counts of every figure, by clip, model and horizon."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self.clips: dict[str, None] = {}
        self._found: dict[tuple[str, str, int, str], tuple[float, int]] = {}

    def add(self, clip: str, model: str, rows: Rows) -> None:
        self.clips[clip] = None
        for k, row in enumerate(rows):
            for metric, value in row.items():
                total, count = self._found.get((clip, model, k, metric), (0.0, 0))
                self._found[clip, model, k, metric] = total + value, count + 1

    def rows(self, model: str, only: str | None = None) -> Rows:
        """The means by horizon, of all clips or of one."""
        rows: Rows = []
        for k in range(self.horizon):
            row = {}
            for metric in METRICS:
                found = [
                    self._found[clip, model, k, metric]
                    for clip in ([only] if only else self.clips)
                    if (clip, model, k, metric) in self._found
                ]
                if found:
                    row[metric] = sum(t for t, _ in found) / sum(n for _, n in found)
            rows.append(row)
        return rows


def _protocol(channels: int, lpips: LpipsDistance | None) -> list[str]:
    lines = [
        f"frames in [0, 1], not rounded, {'grey' if channels == 1 else 'RGB'}; a figure a frame, "
        "then the mean over the windows, for each number of frames ahead",
        f"{COPY}: the last frame seen, unchanged",
        *(metric.protocol for metric in METRICS.values() if metric.protocol),
    ]
    return [*lines, f"{lpips.protocol} on RGB"] if lpips else lines


def as_tensor(frames: Sequence[NDArray[np.float32]]) -> Tensor:
    """Frames ``[H, W, C]`` as ``[K, C, H, W]``."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()


def _named(data: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in data)
