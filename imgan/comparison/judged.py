"""All subjects on all test images: figures, spectra, and the pictures that are shown."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ..evaluation.distribution import LEAST, SetDistance
from ..evaluation.frames import gradient_share
from .eyes import FID, KID, Eyes
from .judge import Judge, Sample, shown
from .result import Crop, Lines, Metric, Pane, Pixels, Row, Spectra
from .spectrum import Power

SHARPNESS = Metric("gradient", "Gradients", "sharpness", "one", 3)
SPECTRUM = Metric("spectrum", "Spectrum", "sharpness", "lower", 2, "dB")

MOST_ROWS, MOST_CROPS, MOST_SIDE = 8, 6, 512
Progress = Callable[[int, int | None], None]

_ABOUT = (
    "Gradients: sum of the output's gradients over the truth's, 1 is as sharp as the truth (the "
    "mean over images); Spectrum: how far the power at a spatial frequency is from the truth's, "
    "either way, mean over the frequencies, in dB"
)


@dataclass
class Judged:
    """`figures` by subject; `crop_rule` says how the crops were found."""

    metrics: list[Metric]
    protocol: list[str]
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    spectra: Spectra | None = None
    horizons: list[Lines] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    crops: list[Crop] = field(default_factory=list)
    crop_rule: str = ""
    count: int = 0


def judge(
    judge: Judge,
    eyes: Eyes,
    titles: Mapping[str, str],
    rivals: tuple[str, str] | None,
    progress: Progress = lambda done, count: None,
) -> Judged:
    """Score all subjects, and choose what to show.

    Args:
        judge: of the pipeline.
        eyes: the perceptual distances.
        titles: of the subjects that are shown (one seed of each arm), in their order.
        rivals: the two subjects between which crops are looked for.
        progress: called with the test images done, and their number if it is known.
    """
    tally, power = _Tally(), Power()
    gallery = _Gallery(titles, rivals, judge.border, judge.count)
    sets: dict[str, SetDistance] = {}
    subjects: list[str] = []
    for number, sample in enumerate(judge.samples()):
        progress(number, judge.count)
        seen = None if sample.truth is None else shown(sample.truth, judge.border)
        subjects = list(sample.answers)
        for name, answer in sample.answers.items():
            tally.add(name, judge.figures(sample, answer))
            ours = shown(answer, judge.border)
            if seen is not None:
                tally.add(name, eyes.figures(ours, seen))
                share = gradient_share(ours, seen)
                tally.add(name, [{"gradient": value} for value in share.tolist()])
            first = None if seen is None else seen[:1]
            power.answer(name, ours[:1], first)
            if eyes.large(ours):
                if name not in sets and (distance := eyes.sets(judge.count)):
                    sets[name] = distance
                if name in sets:
                    sets[name].add(ours[:1], first)
        if seen is not None:
            power.truth(seen[:1])
        gallery.add(number, sample)
    for wanted in judge.wanted():
        power.truth(shown(wanted))
        for distance in sets.values() if eyes.large(wanted) else ():
            distance.add(None, shown(wanted))
    sets = {name: distance for name, distance in sets.items() if distance.enough}
    for name, distance in sets.items():
        tally.add(name, [{"fid": distance.fid(), "kid": distance.compute()}])
    paired = any("gradient" in tally.mean(name) for name in subjects)
    for name in subjects if power.known else ():
        tally.add(name, [{"spectrum": power.distance(name)}])
    figures = {name: tally.mean(name) for name in subjects}
    metrics = [*judge.metrics, *eyes.metrics, FID, KID, SHARPNESS, SPECTRUM]
    metrics = [m for m in metrics if any(m.key in found for found in figures.values())]
    protocol = [*judge.protocol(), *(eyes.protocol() if paired else eyes.missing), _ABOUT]
    for distance in list(sets.values())[:1]:
        protocol += [distance.fid_protocol, distance.protocol]
    if not sets:
        protocol.append(f"no FID and KID: they take a network and {LEAST} images on each side")
    return Judged(
        metrics=metrics,
        protocol=protocol,
        figures=figures,
        spectra=power.spectra(titles),
        horizons=tally.lines(metrics, titles),
        rows=gallery.rows,
        crops=gallery.crops,
        crop_rule=gallery.rule,
        count=gallery.count,
    )


class _Tally:
    """Sums of figures by subject and by image of a sample (frames ahead)."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, int, str], tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    def add(self, name: str, rows: Sequence[Mapping[str, float]]) -> None:
        for k, row in enumerate(rows):
            for key, value in row.items():
                if not math.isnan(value):
                    total, count = self._sums[name, k, key]
                    self._sums[name, k, key] = total + value, count + 1

    def mean(self, name: str, k: int = 0) -> dict[str, float]:
        return {
            key: total / count
            for (subject, at, key), (total, count) in self._sums.items()
            if (subject, at) == (name, k)
        }

    def lines(self, metrics: Sequence[Metric], titles: Mapping[str, str]) -> list[Lines]:
        """Every figure that there is for more than the first image of a sample."""
        last = max((k for _, k, _ in self._sums), default=0)
        if not last:
            return []
        found = []
        for metric in metrics:
            lines = {}
            for name in titles:
                values = [self.mean(name, k).get(metric.key) for k in range(last + 1)]
                if all(value is not None for value in values):
                    lines[name] = [value for value in values if value is not None]
            if lines:
                ahead = [float(k + 1) for k in range(last + 1)]
                found.append(Lines(metric.title, "By frames ahead.", ahead, lines))
        return found


class _Gallery:
    """Test images evenly spread, and the squares in which the rivals differ most."""

    def __init__(
        self,
        titles: Mapping[str, str],
        rivals: tuple[str, str] | None,
        border: int,
        count: int | None,
    ) -> None:
        self._titles, self._rivals, self._border = titles, rivals, border
        self._every = max(1, -(-(count or 0) // MOST_ROWS))
        self._heap: list[tuple[float, int, Crop]] = []
        self.rows: list[Row] = []
        self.count = 0
        self._sides: list[int] = []

    @property
    def crops(self) -> list[Crop]:
        """The largest difference first."""
        return [crop for _, _, crop in sorted(self._heap, key=lambda one: -one[0])]

    @property
    def rule(self) -> str:
        if not self._rivals or not self._sides:
            return ""
        one, other = (self._titles[name] for name in self._rivals)
        low, high = min(self._sides), max(self._sides)
        side = f"{low}" if low == high else f"{low} to {high}"
        return (
            f"From each of {self.count} test images the square of {side} pixels (a quarter of the "
            f"shorter side, 24 to 96) in which the answers of {one} and {other} differ most, by "
            f"mean absolute difference; of these the {len(self._heap)} of the largest difference."
        )

    def add(self, number: int, sample: Sample) -> None:
        """Take a look at a sample; of several frames the one in the middle is shown."""
        self.count += 1
        frames = len(next(iter(sample.answers.values())))
        at = (frames - 1) // 2
        note = f"{at + 1} frames ahead" if frames > 1 and at else ""
        panes = _panes(sample, at, self._titles)
        height, width = panes[0].pixels.shape[:2]
        box = (0, 0, width, height)
        best = self._most_different(sample, at)
        if best is not None:
            score, box = best
            crop = Crop(sample.name, [_cut(pane, box) for pane in panes], note, box)
            heapq.heappush(self._heap, (score, -number, crop))
            if len(self._heap) > MOST_CROPS:
                heapq.heappop(self._heap)
        if number % self._every == 0:
            around = _around(box, width, height)
            self.rows.append(Row(sample.name, [_cut(pane, around) for pane in panes], note))
            if len(self.rows) > MOST_ROWS:  # their number was not known: every second one
                self.rows, self._every = self.rows[::2], 2 * self._every

    def _most_different(
        self, sample: Sample, at: int
    ) -> tuple[float, tuple[int, int, int, int]] | None:
        if not self._rivals:
            return None
        one, other = (sample.answers[name][at : at + 1].float() for name in self._rivals)
        far = (one - other).abs().mean(1, keepdim=True)  # [1, 1, H, W]
        far = far[..., self._border :, self._border :]
        if self._border:
            far = far[..., : -self._border, : -self._border]
        side = min(max(24, min(far.shape[-2:]) // 4), 96, *far.shape[-2:])
        self._sides.append(side)
        step = max(1, side // 8)
        means = avg_pool2d(far, side, stride=step)[0, 0]
        place = int(means.argmax())
        top, left = (step * i + self._border for i in divmod(place, means.shape[1]))
        return float(means.max()), (left, top, left + side, top + side)


def _panes(sample: Sample, at: int, titles: Mapping[str, str]) -> list[Pane]:
    """Input, subjects, truth: one size, the output's."""
    size = next(iter(sample.answers.values())).shape[-2:]
    source = sample.source[None]
    if source.shape[-2:] != size:
        source = interpolate(source, size=size, mode="nearest")
    same = [n for n, a in sample.answers.items() if n in titles and torch.equal(a[at], source[0])]
    panes = [] if same else [Pane("input", "Input", _pixels(source[0]))]
    panes += [Pane(n, title, _pixels(sample.answers[n][at])) for n, title in titles.items()]
    if sample.truth is not None:
        panes.append(Pane("truth", "Truth", _pixels(sample.truth[at])))
    return panes


def _pixels(image: Tensor) -> Pixels:
    """``[C, H, W]`` in [0, 1] to ``[H, W, 3]`` uint8."""
    eight = (shown(image[None])[0].clamp(0, 1) * 255).round().byte()
    pixels: Pixels = eight.permute(1, 2, 0).contiguous().cpu().numpy()
    return pixels


def _cut(pane: Pane, box: tuple[int, int, int, int]) -> Pane:
    left, top, right, bottom = box
    return Pane(pane.subject, pane.title, pane.pixels[top:bottom, left:right].copy())


def _around(box: tuple[int, int, int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """The box, grown on all sides to at most `MOST_SIDE`, within the image."""

    def span(low: int, high: int, end: int) -> tuple[int, int]:
        side = min(end, MOST_SIDE)
        start = min(max(0, (low + high - side) // 2), end - side)
        return start, start + side

    left, right = span(box[0], box[2], width)
    top, bottom = span(box[1], box[3], height)
    return left, top, right, bottom
