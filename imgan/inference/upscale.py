"""Upscale images: files, Pillow images, arrays and tensors, of any size by any factor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.pixels import Frame, Image, is_grey, resize, split_alpha, spread
from ..errors import ImganError
from . import models
from .borders import extend_flat_sides
from .convert import Progress, convert, each_frame
from .device import choose
from .target import Target
from .tiles import TILE, run_tiled

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

REALISM = 0.5
"""Between what is there for certain (0) and what looks real (1)."""


class Upscaler:
    """Models, loaded once, for many images.

    Args:
        realism: 0 keeps to what the pixels tell (highest PSNR, soft), 1 adds detail that looks real
            but may not have been there; the weights of the two shipped twins are blended. 0.5 by
            default.
        restore: for photos that are compressed or noisy: the shipped twins that were trained to
            undo that run first, whatever the factor; up to a factor of 1 they clean.
        model: instead of the shipped twins, a shipped name (``x4-mse``), an imgan model file, or a
            community ``.pth`` or ``.safetensors`` file. Models that were trained on damaged photos
            run up to a factor of 1, too.
        tile: side of the tiles in input pixels; less takes less memory.
        batch: tiles computed at once; more may be faster on a GPU.
        device: see `device.choose`.
        precision: see `device.choose`.
        tta: average over the eight flips and turns: eight times slower, a little better.

    Raises:
        ImganError: a value out of its range, or a model that cannot be loaded.
    """

    def __init__(
        self,
        *,
        realism: float | None = None,
        restore: bool = False,
        model: str | Path | None = None,
        tile: int = TILE,
        batch: int = 1,
        device: str | None = None,
        precision: str = "auto",
        tta: bool = False,
    ) -> None:
        if model is not None and realism is not None:
            raise ImganError("realism blends the shipped models; it cannot go with a named model")
        if model is not None and restore:
            raise ImganError("restore picks shipped models; it cannot go with a named model")
        self.realism = REALISM if realism is None else realism
        if not 0 <= self.realism <= 1:
            raise ImganError(f"realism is from 0 to 1, not {self.realism:g}")
        if tile < 16:
            raise ImganError(f"tile is at least 16 pixels, not {tile}")
        if batch < 1:
            raise ImganError(f"batch is at least 1, not {batch}")
        self.tile, self.batch, self.tta = tile, batch, tta
        self.device, self.dtype = choose(device, precision)
        self._given = None if model is None else self._ready(models.load(model))
        self._scales = [self._given.scale] if self._given else models.shipped_scales()
        self._restoring = models.shipped_scales(restore=True) if restore else []
        self._twins: dict[tuple[int, bool], models.Upscaling] = {}

    @property
    def scale(self) -> int:
        """The factor where none is asked for: 4, or that of the given model."""
        return self._given.scale if self._given else 4

    @property
    def computes_in(self) -> torch.dtype:
        """The number format, which some models of others do not let be chosen."""
        return self._given.dtype if self._given else self.dtype

    def image(self, image: Image, target: Target, progress: Progress | None = None) -> Image:
        """Upscale an image as it was read, every frame of it; keeps EXIF, profile and timing."""
        return each_frame(image, lambda frame, report: self.frame(frame, target, report), progress)

    def result(self, image: Image, target: Target) -> tuple[int, int, int]:
        """Width, height and channels of colour of what an image becomes.

        Raises:
            ImganError: it would be too large.
        """
        channels = self._split(image.frames[0]).colour.shape[2]
        return *target.size(*image.size, self.scale), channels

    def frame(self, frame: Frame, target: Target, progress: Progress | None = None) -> Frame:
        """Upscale one picture; alpha goes by bicubic interpolation, colour through the network."""
        frame = self._split(frame)
        height, width = frame.colour.shape[:2]
        size = target.size(width, height, self.scale)
        if frame.alpha is None:
            return replace(frame, colour=self.colour(frame.colour, size, progress))
        # What lies under clear pixels is arbitrary and would bleed into the edges as a halo.
        colour = self.colour(spread(frame.colour, frame.alpha), size, progress)
        return replace(frame, colour=colour, alpha=resize(frame.alpha, size))

    def colour(
        self, pixels: NDArray[Any], size: tuple[int, int], progress: Progress | None = None
    ) -> NDArray[Any]:
        """Upscale ``[H, W, C]`` (uint8, uint16, or float32 in [0, 1]) to `size`, width x height.

        RGB that is grey everywhere stays grey.
        """
        if is_grey(pixels) and not (self._given and self._given.colours):
            # Networks tint it a little, above all those with an adversary.
            return np.repeat(self.colour(pixels[..., :1], size, progress), 3, axis=2)
        height, width = pixels.shape[:2]
        passes = self._passes(max(size[0] / width, size[1] / height))
        for index, stage in enumerate(passes):

            def report(done: int, total: int, index: int = index) -> None:
                if progress:
                    progress(index * total + done, len(passes) * total)

            pixels = self._run(stage, pixels, report)
        return resize(pixels, size)

    def __call__(self, image: Any, target: Target, progress: Progress | None = None) -> Any:
        """Upscale what `upscale` takes."""
        return convert(image, lambda single: self.image(single, target, progress), "upscale")

    def _split(self, frame: Frame) -> Frame:
        return split_alpha(frame, self._given.channels if self._given else 3)

    def _passes(self, factor: float) -> list[models.Upscaling]:
        """The networks to run one after the other: together at or above `factor`, or nothing."""
        if self._given and self._given.scale == 1:  # a model that cleans up and keeps the size
            return [self._given]
        passes: list[models.Upscaling] = []
        scales = self._restoring or self._scales
        restores = self._given.restores if self._given else bool(self._restoring)
        while factor > 1 + 1e-9 or (restores and not passes):
            scale = next((s for s in scales if s >= factor - 1e-9), scales[-1])
            passes.append(self._given or self._twin(scale, scales is self._restoring))
            factor /= scale
            scales = self._scales  # what has been restored is clean
        return passes

    def _twin(self, scale: int, restore: bool) -> models.Upscaling:
        if (scale, restore) not in self._twins:
            found = self._ready(models.load_twins(scale, self.realism, restore))
            self._twins[scale, restore] = found
        return self._twins[scale, restore]

    def _ready(self, stage: models.Upscaling) -> models.Upscaling:
        return stage.to(self.device, self.dtype)

    def _run(
        self, stage: models.Upscaling, pixels: NDArray[Any], progress: Progress
    ) -> NDArray[Any]:
        network = models.for_channels(stage.network, stage.channels, pixels.shape[2])
        extended, kept = extend_flat_sides(pixels, stage.reach or 0, stage.scale)
        answer = run_tiled(
            models.all_eight(network) if self.tta else network,
            extended,
            scale=stage.scale,
            reach=stage.reach,
            size_multiple=stage.size_multiple,
            minimum=stage.minimum,
            value_range=stage.value_range,
            tile=self.tile,
            batch=self.batch,
            device=self.device,
            dtype=stage.dtype,
            progress=progress,
        )
        return answer[kept]


def upscale(
    image: Any,
    scale: float | None = None,
    *,
    width: int | None = None,
    height: int | None = None,
    fit: str = "inside",
    realism: float | None = None,
    restore: bool = False,
    model: str | Path | None = None,
    tile: int = TILE,
    batch: int = 1,
    device: str | None = None,
    precision: str = "auto",
    tta: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Make an image larger; a Pillow image, array or tensor comes back as what it was.

    For many images make one `Upscaler` and call that.

    Args:
        image: a path (a Pillow image comes back, of ``.npy`` an array; of several frames or pages
            the first), a Pillow image, an array ``[H, W]`` or ``[H, W, C]`` (uint8, uint16, float
            in [0, 1]), or a tensor ``[C, H, W]`` or ``[N, C, H, W]`` (float in [0, 1], uint8). One,
            two, three and four channels are grey, grey with alpha, RGB and RGBA.
        scale: any factor up to 16; 4 by default, or the model's own. The nearest model at or above
            it runs, and antialiased bicubic interpolation reduces to the exact size; up to 1 the
            interpolation alone, but for models that restore.
        width, height, fit: instead of a factor, the size; see `Target`.
        realism, restore, model, tile, batch, device, precision, tta: see `Upscaler`.
        progress: called with the tiles done and their number.

    Raises:
        ImganError: with one sentence that says what is wrong.
    """
    target = Target(scale, width, height, fit)
    upscaler = Upscaler(
        realism=realism,
        restore=restore,
        model=model,
        tile=tile,
        batch=batch,
        device=device,
        precision=precision,
        tta=tta,
    )
    return upscaler(image, target, progress)
