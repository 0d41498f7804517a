"""What a pipeline says of its test images: a judge, as a comparison asks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..evaluation.metrics import crop_border
from .result import Metric

Figures = dict[str, float]


@dataclass(frozen=True)
class Baseline:
    """An answer that takes no training."""

    name: str
    title: str
    about: str


@dataclass(frozen=True)
class Sample:
    """A test image and what every subject makes of it; K is 1, or how many frames are predicted.

    `source` ``[C, h, w]`` is what the networks saw (of a clip its last frame), `truth` and the
    answers are ``[K, C, H, W]``, all in [0, 1].
    """

    name: str
    source: Tensor
    truth: Tensor | None
    answers: dict[str, Tensor]


class Judge(Protocol):
    """A pipeline's test images, and the figures of its own."""

    baseline: Baseline | None
    metrics: list[Metric]
    border: int
    """Pixels at each side that are not scored."""
    count: int | None
    """Test images; None where that is not known beforehand."""
    held_out: bool
    """Whether training held these images out, where the data is what it was trained on."""

    def samples(self) -> Iterator[Sample]:
        """Every test image with the answers of all subjects."""
        ...

    def wanted(self) -> Iterator[Tensor]:
        """The set ``[1, C, H, W]`` that answers should look like, where they have no truth."""
        ...

    def figures(self, sample: Sample, answer: Tensor) -> list[Figures]:
        """The figures of an answer, for each of its K images."""
        ...

    def protocol(self) -> list[str]:
        """How it was measured; complete after `samples`."""
        ...


def shown(images: Tensor, border: int = 0) -> Tensor:
    """As people and LPIPS see it: RGB ``[N, 3, H, W]``, without the border.

    Of more channels the first three are seen, of two the first.
    """
    images = crop_border(images, border) if border else images
    return images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)
