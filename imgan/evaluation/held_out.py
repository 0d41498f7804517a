"""The images that a translation model is scored on: held out, and sized as in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.makers import MAKERS
from ..data.prepared import Form, Prepared
from ..data.sets import sets_for
from ..data.translation import prepare_one, prepare_pairs
from ..model_file import Card
from ..perceptual import SMALLEST
from .distribution import LEAST


@dataclass(frozen=True)
class Sample:
    """A held-out image: input ``[1, C, H, W]`` and, where there is one, target, in [0, 1]."""

    name: str
    source: Tensor
    target: Tensor | None


def form_of(card: Card, channels: int) -> Form:
    """As in training, without the room for a cut where images are stretched to a square."""
    data = card.recipe.get("data", {})
    size = int(data.get("size", 256))
    resize = data.get("resize", "stretch")
    return Form(channels, resize, size if resize == "stretch" else int(data.get("load", size)), 1)


class HeldOut:
    """The images to score on, read one by one.

    Args:
        cards: of the models, all for the same kind of images.
        folders: as for training. The test images are taken, else the val images, else those that
            training held out; all of them where no model was trained on folders of these names.
        direction: ``AtoB`` or ``BtoA``.
        own: whether the folders are those of training; by default told by their names.

    Raises:
        ImganError: the folders hold no such images.
    """

    def __init__(
        self,
        cards: Sequence[Card],
        folders: Sequence[Path],
        direction: str,
        own: bool | None = None,
    ) -> None:
        card = cards[0]
        self.made = card.task if card.task in MAKERS else None
        layout = card.recipe.get("data", {}).get("layout")
        # Names are all that a card knows of the folders; of others every image is new.
        seen = {name for one in cards for name in one.data.get("folders", ())}
        if own is None:
            own = any(folder.resolve().name in seen for folder in folders)
        sets = sets_for(card.pipeline, self.made is not None, folders, layout, hold_out=own)
        split, self._which = sets.tests, "held-out images"
        if not split.a and not split.b:
            split = sets.train
            self._which = "training images (none were held out)" if own else "images"
        self.held_out = not self._which.startswith("training")
        self.paired = sets.paired
        self.skipped: dict[str, str] = {}
        channels = card.channels, card.out_channels or card.channels
        back = direction == "BtoA"
        if back and card.pipeline == "cyclegan":
            channels = channels[::-1]
        forms = form_of(card, channels[0]), form_of(card, channels[1])
        if sets.paired:
            found = prepare_pairs(sets, split, direction, forms, self.skipped, _quiet)
        else:
            sides = [(split.a, sets.halves[0]), (split.b, sets.halves[1])]
            given, wanted = sides[::-1] if back else sides
            found = (
                prepare_one(*given, forms[0], self.skipped, _quiet),
                prepare_one(*wanted, forms[1], self.skipped, _quiet),
            )
        self._sources, self._targets = found
        self._inputs = self._targets if self.made else self._sources

    @property
    def count(self) -> int:
        """Images that are translated."""
        return len(self._inputs)

    @property
    def enough(self) -> bool:
        """Whether there are images enough on both sides for a kernel distance."""
        return min(self.count, len(self._targets)) >= LEAST

    @property
    def large(self) -> bool:
        """Whether LPIPS's backbone can look at them all."""
        shapes = [*self._inputs.shapes, *self._targets.shapes]
        return min(side for shape in shapes for side in shape[:2]) >= SMALLEST

    @property
    def copies(self) -> bool:
        """Whether the input is an answer: a partner of the same number of channels."""
        return (
            self.paired
            and self.made not in ("colourise", "edges")
            and self._inputs.shapes[0] == self._targets.shapes[0]
        )

    def samples(self) -> Iterator[Sample]:
        """Each input with its target, if it has one."""
        stems: dict[str, int] = {}
        for number, file in enumerate(self._inputs.names):
            target = _read(self._targets, number) if self.paired else None
            if self.made:
                assert target is not None
                photo = target[0].permute(1, 2, 0).numpy()
                made = MAKERS[self.made](photo, np.random.default_rng(number))
                source = torch.from_numpy(np.ascontiguousarray(made)).permute(2, 0, 1)[None]
            else:
                source = _read(self._sources, number)
            # Of a.png and a.jpg both results are kept.
            stem = Path(file).stem
            again = stems[stem] = stems.get(stem, 0) + 1
            yield Sample(stem if again == 1 else f"{stem}-{again}", source, target)

    def wanted(self) -> Iterator[Tensor]:
        """The set that outputs should look like."""
        for number in range(len(self._targets)):
            yield _read(self._targets, number)

    def protocol(self) -> str:
        """What figures are to be published with."""
        height, width = self._inputs.shapes[0][:2]
        text = f"{self.count} {self._which}, the first {width}x{height}, sized as in training"
        if self.skipped:
            text += f", {len(self.skipped)} files left out"
        return text + ("; PSNR and SSIM on all channels" if self.paired else "")


def _read(images: Prepared, index: int) -> Tensor:
    pixels = np.array(images.pixels(index))
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return torch.from_numpy(pixels.astype(np.float32) / top).permute(2, 0, 1)[None]


def _quiet(done: int, total: int) -> None:
    pass
