"""What every model makes of each test image, and how it is scored: a judge for each pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.damage import generator
from ..data.degrade import RealisticDegradation
from ..data.prepared import to_channels
from ..errors import ImganError
from ..evaluation.evaluate import run
from ..evaluation.frame_windows import SEQUENCES, find_windows
from ..evaluation.frames import CEILING
from ..evaluation.frames import score as score_frames
from ..evaluation.held_out import HeldOut
from ..evaluation.metrics import PROTOCOL, psnr, psnr_y, ssim, ssim_y
from ..evaluation.nextframe import as_tensor
from ..evaluation.pairs import pairs_of
from ..evaluation.translation import COPY, same_kind, translated
from ..inference.device import choose
from ..inference.predict import Predictor, unit
from ..inference.translate import directed, load_translation
from ..inference.upscale import Upscaler
from ..model_file import read_card
from ..pipelines.srgan import degradation
from ..recipe.srgan import Photos
from .judge import Baseline, Figures, Sample
from .result import Metric
from .splits import MOST

PSNR = Metric("psnr", "PSNR", "fidelity", "higher", 2, "dB")
SSIM = Metric("ssim", "SSIM", "fidelity", "higher", 4)
MOVING = Metric("psnr_moving", "PSNR, moving", "fidelity", "higher", 2, "dB")


class SuperResolution:
    """Photos made small, or pairs of HR and LR."""

    baseline: Baseline | None = Baseline("bicubic", "Bicubic", "MATLAB's bicubic interpolation")
    held_out = True
    metrics = [PSNR, SSIM]  # noqa: RUF012

    def __init__(
        self, models: Mapping[str, Path], test: Sequence[Path], device: str | None, precision: str
    ) -> None:
        self._upscalers = {
            name: Upscaler(model=str(path), device=device, precision=precision)
            for name, path in models.items()
        }
        own = one_scale(upscaler.scale for upscaler in self._upscalers.values())
        self._pairs = pairs_of(test, own, MOST)
        self.scale = self.border = own
        self.count: int | None = len(self._pairs)
        self._made = self._pairs[0].low is None
        taught = _taught(models.values())
        one = len(taught) == 1 and self._made
        self._degrade = degradation(taught[0], own) if one else None
        self._mixed = len(taught) > 1 and self._made
        self._skipped = 0

    def samples(self) -> Iterator[Sample]:
        """Every photo, enlarged."""
        for pair in self._pairs:
            try:
                high, low = pair.load()
            except ImganError:
                if not self._made:  # pairs are made by hand, and their faults are told
                    raise
                self._skipped += 1  # training passes over damaged photos, too
                continue
            if min(high.shape[1:]) - 2 * self.border < 11:  # SSIM's window
                self._skipped += 1
                continue
            if self._degrade:
                low = _degraded(high, self._degrade, pair.name)
            ways = {"bicubic": None, **self._upscalers}
            made = {name: _eight(run(way, low, self.scale)) for name, way in ways.items()}
            yield Sample(pair.name, _eight(low)[0], _eight(high), made)
        if self._skipped == len(self._pairs):
            raise ImganError("no test image can be scored: they are damaged or too small")

    def wanted(self) -> Iterator[Tensor]:
        """Nothing: every answer has its truth."""
        return iter(())

    def figures(self, sample: Sample, answer: Tensor) -> list[Figures]:
        """PSNR and SSIM on Y."""
        assert sample.truth is not None
        one = answer.double(), sample.truth.double(), self.border
        return [{"psnr": _capped(psnr_y(*one)), "ssim": ssim_y(*one).item()}]

    def protocol(self) -> list[str]:
        """Where the images come from, and what is scored."""
        source = "made by MATLAB's bicubic from the photos" if self._made else "as given in LR/"
        more = ""
        if self._degrade:
            source = "made from the photos by the realistic degradation that the models were taught"
        if self._mixed:
            more = "; some models were taught damaged photos: for those see imgan evaluate --jpeg"
        source += f", of which the middle {MOST}x{MOST} pixels are taken" * (
            self._pairs[0].most is not None
        )
        source += more
        left = f", {self._skipped} damaged or too small ones left out" * bool(self._skipped)
        count = len(self._pairs) - self._skipped
        return [
            f"{count} test images{left}, x{self.scale}, the low resolution {source}",
            f"{PROTOCOL.format(border=self.border)}; {_CAPPED}",
        ]


def one_scale(scales: Iterable[int]) -> int:
    """The scale of all.

    Raises:
        ImganError: they have several.
    """
    several = sorted(set(scales))
    if len(several) > 1:
        raise ImganError(
            f"these models enlarge {' and '.join(map(str, several))} times; compare those of one "
            "scale"
        )
    return several[0]


def _taught(models: Iterable[Path]) -> list[Photos]:
    """The different degradations that the models were trained to undo."""
    data = [read_card(path).recipe.get("data", {}) for path in models]
    photos = [  # of the rest of a card's recipe nothing is asked: it may be of another version
        Photos(degradation="realistic", realistic=each.get("realistic", {}))
        if each.get("degradation") == "realistic"
        else Photos()
        for each in data
    ]
    return list({(each.degradation, repr(each.realistic)): each for each in photos}.values())


def _degraded(high: Tensor, degrade: RealisticDegradation, name: str) -> Tensor:
    """The low resolution ``[C, h, w] uint8`` of ``[C, H, W]``, the same for the same name."""
    pixels = high.expand(3, -1, -1).permute(1, 2, 0).numpy()
    low = torch.from_numpy(degrade(np.ascontiguousarray(pixels), generator(name)))
    low = low.permute(2, 0, 1).contiguous()
    return low if len(high) == 3 else low.float().mean(0, keepdim=True).round().byte()


class Translation:
    """Pix2Pix and CycleGAN: held-out images, with partners or without."""

    border = 0

    def __init__(
        self,
        models: Mapping[str, Path],
        test: Sequence[Path],
        device: str | None,
        precision: str,
        direction: str | None = None,
        own: bool | None = None,
    ) -> None:
        loaded = {name: load_translation(path) for name, path in models.items()}
        works = {n: directed(models[n], model, direction) for n, model in loaded.items()}
        self._networks = {name: network for name, (_, network) in works.items()}
        self.direction = next(iter(works.values()))[0]
        self._cards = {name: model.card for name, model in loaded.items()}
        same_kind({name: (model.card, works[name][0]) for name, model in loaded.items()})
        self._data = HeldOut(list(self._cards.values()), test, self.direction, own)
        if not self._data.count:
            raise ImganError(f"no image in {test[0]} can be used to score on")
        self.count: int | None = self._data.count
        self.held_out = self._data.held_out
        self.metrics = [PSNR, SSIM] if self._data.paired else []
        self.baseline = Baseline(COPY, "Input", "the input as it is") if self._data.copies else None
        self._where = choose(device, precision)

    def samples(self) -> Iterator[Sample]:
        """Every held-out image, translated."""
        for one in self._data.samples():
            made = {COPY: one.source} if self.baseline else {}
            for name, network in self._networks.items():
                made[name] = translated(network, self._cards[name], one.source, *self._where)
            yield Sample(one.name, one.source[0], one.target, made)

    def wanted(self) -> Iterator[Tensor]:
        """The other set, where the images have no partners."""
        return iter(()) if self._data.paired else self._data.wanted()

    def figures(self, sample: Sample, answer: Tensor) -> list[Figures]:
        """PSNR and SSIM against the partner."""
        if sample.truth is None:
            return [{}]
        return [
            {
                "psnr": _capped(psnr(answer, sample.truth)),
                "ssim": ssim(answer, sample.truth).item(),
            }
        ]

    def protocol(self) -> list[str]:
        """Which images, in which direction."""
        capped = f"; {_CAPPED}" * self._data.paired
        return [f"{self._data.protocol()}{capped}; direction {self.direction}"]


class Frames:
    """Next frames of clips, or of moving digits, up to `horizon` ahead; tables show the first."""

    baseline: Baseline | None = Baseline(
        "copy", "Last frame", "the last frame seen, again and again: it is strong"
    )
    border = 0
    held_out = True

    def __init__(
        self,
        models: Mapping[str, Path],
        test: Sequence[Path],
        device: str | None,
        precision: str,
        horizon: int | None = None,
        size: int | None = None,
    ) -> None:
        self._predictors = {n: Predictor(path, device, precision) for n, path in models.items()}
        first = next(iter(self._predictors.values()))
        if len({one.channels for one in self._predictors.values()}) > 1:
            raise ImganError("some of these models see grey and some RGB; compare them one by one")
        self._channels = first.channels
        self._past = max(one.past for one in self._predictors.values())
        cards = [one.card for one in self._predictors.values()]
        self._windows = find_windows(test, cards, self._past, horizon, SEQUENCES, size)
        self.horizon = self._windows.horizon
        self.count: int | None = None
        self._seen = 0
        self.metrics = [PSNR, MOVING, SSIM]
        if self._windows.digits:
            title = f"MSE a frame, 1 to {self.horizon}"
            self.metrics = [Metric("mse_all", title, "fidelity", "lower", 1), *self.metrics]

    def samples(self) -> Iterator[Sample]:
        """Every window of every clip."""
        numbers: dict[str, int] = {}
        for clip, frames in self._windows.items:
            self._seen += 1
            numbers[clip] = numbers.get(clip, 0) + 1
            seen = [to_channels(unit(frame), self._channels) for frame in frames]
            past, truth = seen[: self._past], as_tensor(seen[self._past :])
            last = as_tensor(past[-1:])
            made = {"copy": last.expand_as(truth)}
            for name, predictor in self._predictors.items():
                ahead = list(islice(predictor.ahead(past), self.horizon))
                made[name] = as_tensor(ahead).clamp(0, 1)
            yield Sample(f"{clip}, {numbers[clip]}", last[0], truth, made)

    def wanted(self) -> Iterator[Tensor]:
        """Nothing: every frame has its truth."""
        return iter(())

    def figures(self, sample: Sample, answer: Tensor) -> list[Figures]:
        """By frames ahead; what is meant over all of them stands with the first."""
        assert sample.truth is not None
        rows = score_frames(answer, sample.truth, sample.source)
        rows[0]["mse_all"] = sum(row["mse"] for row in rows) / len(rows)
        wanted = {metric.key for metric in self.metrics}
        return [{key: value for key, value in row.items() if key in wanted} for row in rows]

    def protocol(self) -> list[str]:
        """Which windows, and what moves."""
        from ..evaluation.frames import METRICS

        told = "tables are of the first frame ahead"
        if self._windows.digits:
            told += ", but for MSE: squared error summed over a frame, mean over all frames ahead"
        return [
            f"{self._seen} {self._windows.about}; {told}",
            f"{METRICS['psnr'].protocol}; {METRICS['psnr_moving'].protocol}",
            METRICS["ssim"].protocol,
        ]


_CAPPED = f"PSNR of an image is at most {CEILING:.0f} dB"  # of a black one it may be infinite


def _capped(decibels: Tensor) -> float:
    return min(decibels.item(), CEILING)


def _eight(image: Tensor) -> Tensor:
    """``[C, H, W] uint8 -> [1, C, H, W]`` in [0, 1]."""
    return image[None].float() / 255
