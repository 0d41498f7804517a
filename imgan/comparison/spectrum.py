"""Power by spatial frequency: what squared error leaves out, and where."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor

from ..evaluation.metrics import to_y
from .result import Spectra

BINS = 24
"""Rings of frequency from 0 to 0.5 cycles a pixel; the lowest holds the mean light too."""

FLOOR = 1e-4
"""Shares of the truth's power are not told under this (-40 dB)."""


def radial_power(images: Tensor) -> Tensor:
    """Mean power of the luma in each ring: ``[N, 1 or 3, H, W] in [0, 1] -> [N, BINS]``.

    The mean light is taken off and a Hann window laid over first, so that the frame's border adds
    nothing; sizes compare, as power is a pixel's.
    """
    grey = to_y(images.double())[:, 0]  # [N, H, W]
    height, width = grey.shape[-2:]
    window = _hann(height)[:, None] * _hann(width)[None, :]
    grey = (grey - grey.mean((1, 2), keepdim=True)) * window
    power = torch.fft.fft2(grey).abs().square() / window.square().sum()  # [N, H, W]
    down, across = torch.fft.fftfreq(height), torch.fft.fftfreq(width)
    radius = (down[:, None].square() + across[None, :].square()).sqrt()
    ring = (radius / 0.5 * BINS).long()
    inside = ring < BINS
    total = torch.zeros(len(grey), BINS, dtype=torch.float64)
    total.index_add_(1, ring[inside], power[:, inside].cpu())
    count = torch.bincount(ring[inside], minlength=BINS).clamp(min=1)
    return total / count


class Power:
    """Mean power over images: of the truth, of each subject, and of each subject's error."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], Tensor] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def truth(self, images: Tensor) -> None:
        """Take in true images ``[N, C, H, W]``."""
        self._add("truth", "", images)

    def answer(self, subject: str, images: Tensor, truth: Tensor | None) -> None:
        """Take in a subject's answers, and their errors where the truth is known."""
        self._add("answer", subject, images)
        if truth is not None:
            self._add("error", subject, images - truth)

    @property
    def known(self) -> bool:
        """Whether there is a truth to compare with."""
        return ("truth", "") in self._sums

    def distance(self, subject: str) -> float:
        """Mean over the rings of how far the power is from the truth's, in dB either way."""
        return float(self._share("answer", subject).abs().mean())

    def spectra(self, subjects: Iterable[str]) -> Spectra | None:
        """Every subject's power and error over the truth's power; None without a truth."""
        if not self.known:
            return None
        there = self._there().nonzero().flatten().tolist()
        names = [name for name in subjects if ("answer", name) in self._sums]
        errors = [name for name in names if ("error", name) in self._sums]
        return Spectra(
            frequency=[0.5 * (i + 0.5) / BINS for i in there],
            power={name: self._share("answer", name).tolist() for name in names},
            residual={name: self._share("error", name).tolist() for name in errors},
            about="Mean power of the luma over all test images in rings of spatial frequency, over "
            "the truth's power in the same ring. The mean of all answers that fit has less power "
            "than any of them, by just the power of what it errs by: where a line falls under "
            "0 dB, detail is averaged away. An answer that picks one has the truth's power (0 dB), "
            "and errs by more, as it may pick another one than the truth.",
        )

    def _add(self, kind: str, subject: str, images: Tensor) -> None:
        power = radial_power(images).sum(0)
        key = (kind, subject)
        self._sums[key] = self._sums[key] + power if key in self._sums else power
        self._counts[key] += len(images)

    def _there(self) -> Tensor:
        """Rings in which the truth has power: of small images some hold no frequency at all."""
        return self._sums["truth", ""] > 0

    def _share(self, kind: str, subject: str) -> Tensor:
        """Decibels of the truth's power, of the rings that are there."""
        of, truth = (
            self._sums[key] / self._counts[key] for key in ((kind, subject), ("truth", ""))
        )
        share = (of / truth)[self._there()]
        return 10 * share.clamp(min=FLOOR).log10()


def _hann(count: int) -> Tensor:
    place = torch.arange(count, dtype=torch.float64)
    return torch.sin(math.pi * (place + 0.5) / count).square()
