"""Upscale images: files, Pillow images, arrays and tensors, of any size by any factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image as pil
from torch import Tensor

from ..data.images import exif_of, read_image
from ..data.pixels import Frame, Image, from_pil, to_pil
from ..errors import ImganError
from . import models
from .device import choose
from .target import Target
from .tiles import TILE, run_tiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

REALISM = 0.5
"""Between what is there for certain (0) and what looks real (1)."""

Progress = Callable[[int, int], None]


class Upscaler:
    """Models, loaded once, for many images.

    Args:
        realism: 0 keeps to what the pixels tell (highest PSNR, soft), 1 adds detail that looks real
            but may not have been there; the weights of the two shipped twins are blended. 0.5 by
            default.
        model: instead of the shipped twins, a shipped name (``x4-mse``), an imgan model file, or a
            community ``.pth`` or ``.safetensors`` file.
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
        model: str | Path | None = None,
        tile: int = TILE,
        batch: int = 1,
        device: str | None = None,
        precision: str = "auto",
        tta: bool = False,
    ) -> None:
        if model is not None and realism is not None:
            raise ImganError("--realism blends the shipped models; it cannot go with --model")
        self.realism = REALISM if realism is None else realism
        if not 0 <= self.realism <= 1:
            raise ImganError(f"--realism is from 0 to 1, not {self.realism:g}")
        if tile < 16:
            raise ImganError(f"--tile is at least 16 pixels, not {tile}")
        if batch < 1:
            raise ImganError(f"--batch is at least 1, not {batch}")
        self.tile, self.batch, self.tta = tile, batch, tta
        self.device, self.dtype = choose(device, precision)
        self._given = None if model is None else self._ready(models.load(model))
        self._scales = [self._given.scale] if self._given else models.shipped_scales()
        self._twins: dict[int, models.Upscaling] = {}

    @property
    def scale(self) -> int:
        """The factor where none is asked for: 4, or that of the given model."""
        return self._given.scale if self._given else 4

    def image(self, image: Image, target: Target, progress: Progress | None = None) -> Image:
        """Upscale an image as it was read, every frame of it; keeps EXIF, profile and timing."""
        count = len(image.frames)
        frames = []
        for index, frame in enumerate(image.frames):

            def report(done: int, total: int, index: int = index) -> None:
                if progress:
                    progress(index * total + done, count * total)

            frames.append(self.frame(frame, target, report))
        return replace(image, frames=frames)

    def frame(self, frame: Frame, target: Target, progress: Progress | None = None) -> Frame:
        """Upscale one picture; alpha goes by bicubic interpolation, colour through the network."""
        height, width = frame.colour.shape[:2]
        size = target.size(width, height, self.scale)
        if frame.alpha is None:
            return replace(frame, colour=self.colour(frame.colour, size, progress))
        # What lies under clear pixels is arbitrary and would bleed into the edges as a halo.
        colour = self.colour(_spread(frame.colour, frame.alpha), size, progress)
        return replace(frame, colour=colour, alpha=_resize(frame.alpha, size))

    def colour(
        self, pixels: NDArray[Any], size: tuple[int, int], progress: Progress | None = None
    ) -> NDArray[Any]:
        """Upscale ``[H, W, C]`` (uint8, uint16, or float32 in [0, 1]) to `size`, width x height."""
        height, width = pixels.shape[:2]
        passes = self._passes(max(size[0] / width, size[1] / height))
        for index, stage in enumerate(passes):

            def report(done: int, total: int, index: int = index) -> None:
                if progress:
                    progress(index * total + done, len(passes) * total)

            pixels = self._run(stage, pixels, report)
        return _resize(pixels, size)

    def __call__(self, image: Any, target: Target, progress: Progress | None = None) -> Any:
        """Upscale what `upscale` takes."""
        if isinstance(image, (str, Path)):
            read = read_image(image)
            read.frames = [self.frame(read.frames[0], target, progress)]
            result = to_pil(read.frames[0])
            held = {"exif": exif_of(read), "icc_profile": read.icc}
            result.info = {key: value for key, value in held.items() if value}
            return result
        if isinstance(image, pil.Image):
            result = to_pil(self.frame(from_pil(image), target, progress))
            gone = {"transparency"}
            if image.mode in ("CMYK", "LAB"):  # which became sRGB
                gone.add("icc_profile")
            result.info = {k: v for k, v in image.info.items() if k not in gone}
            return result
        if isinstance(image, np.ndarray):
            return self._array(image, target, progress)
        if isinstance(image, Tensor):
            return self._tensor(image, target, progress)
        raise ImganError(
            "upscale takes a path, a Pillow image, a numpy array or a torch tensor, not "
            f"{type(image).__name__}"
        )

    def _array(
        self, image: NDArray[Any], target: Target, progress: Progress | None
    ) -> NDArray[Any]:
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)):
            raise ImganError(f"an array is [H, W] or [H, W, 1..4], not of shape {image.shape}")
        if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind != "f":
            raise ImganError(f"an array is uint8, uint16 or float in [0, 1], not {image.dtype}")
        if 0 in image.shape:
            raise ImganError(f"an image has pixels, not shape {image.shape}")
        pixels = image.reshape(*image.shape[:2], -1)
        if image.dtype.kind == "f":
            pixels = np.clip(pixels.astype(np.float32), 0, 1)
        if pixels.shape[2] in (2, 4):
            frame = self.frame(Frame(pixels[:, :, :-1], pixels[:, :, -1:]), target, progress)
        else:
            frame = self.frame(Frame(pixels), target, progress)
        result = frame.pixels().astype(image.dtype, copy=False)
        return result[:, :, 0] if image.ndim == 2 else result

    def _tensor(self, image: Tensor, target: Target, progress: Progress | None) -> Tensor:
        if image.ndim == 4:
            return torch.stack([self._tensor(single, target, progress) for single in image])
        if image.ndim != 3:
            raise ImganError(f"a tensor is [C, H, W] or [N, C, H, W], not {tuple(image.shape)}")
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise ImganError(f"a tensor is float in [0, 1] or uint8, not {image.dtype}")
        plain = image.detach() if image.dtype == torch.uint8 else image.detach().float()
        result = self._array(plain.permute(1, 2, 0).cpu().numpy(), target, progress)
        return torch.from_numpy(result).permute(2, 0, 1).contiguous().to(image.device, image.dtype)

    def _passes(self, factor: float) -> list[models.Upscaling]:
        """The networks to run one after the other: together at or above `factor`, or nothing."""
        if self._given and self._given.scale == 1:  # a model that cleans up and keeps the size
            return [self._given]
        passes: list[models.Upscaling] = []
        while factor > 1 + 1e-9:
            scale = next((s for s in self._scales if s >= factor - 1e-9), self._scales[-1])
            passes.append(self._given or self._twin(scale))
            factor /= scale
        return passes

    def _twin(self, scale: int) -> models.Upscaling:
        if scale not in self._twins:
            self._twins[scale] = self._ready(models.load_twins(scale, self.realism))
        return self._twins[scale]

    def _ready(self, stage: models.Upscaling) -> models.Upscaling:
        return stage.to(self.device, self.dtype)

    def _run(
        self, stage: models.Upscaling, pixels: NDArray[Any], progress: Progress
    ) -> NDArray[Any]:
        network = models.for_channels(stage.network, stage.channels, pixels.shape[2])
        return run_tiled(
            models.all_eight(network) if self.tta else network,
            pixels,
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


def upscale(
    image: Any,
    scale: float | None = None,
    *,
    width: int | None = None,
    height: int | None = None,
    fit: str = "inside",
    realism: float | None = None,
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
        image: a path (a Pillow image comes back; of several frames or pages the first), a Pillow
            image, an array ``[H, W]`` or ``[H, W, C]`` (uint8, uint16, float in [0, 1]), or a
            tensor ``[C, H, W]`` or ``[N, C, H, W]`` (float in [0, 1], uint8). One, two, three and
            four channels are grey, grey with alpha, RGB and RGBA.
        scale: any factor up to 16; 4 by default, or the model's own. The nearest model at or above
            it runs, and antialiased bicubic interpolation reduces to the exact size; up to 1 the
            interpolation alone.
        width, height, fit: instead of a factor, the size; see `Target`.
        realism, model, tile, batch, device, precision, tta: see `Upscaler`.
        progress: called with the tiles done and their number.

    Raises:
        ImganError: with one sentence that says what is wrong.
    """
    target = Target(scale, width, height, fit)
    upscaler = Upscaler(
        realism=realism,
        model=model,
        tile=tile,
        batch=batch,
        device=device,
        precision=precision,
        tta=tta,
    )
    return upscaler(image, target, progress)


def _resize(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Antialiased bicubic interpolation of ``[H, W, C]``, a channel at a time to spare memory."""
    if pixels.shape[1::-1] == size:
        return pixels
    out = np.empty((size[1], size[0], pixels.shape[2]), pixels.dtype)
    for channel in range(pixels.shape[2]):
        plane = pixels[:, :, channel]
        if plane.dtype != np.uint8:  # Pillow's mode F
            plane = plane.astype(np.float32)
        resized = np.asarray(pil.fromarray(plane).resize(size, pil.Resampling.BICUBIC))
        if pixels.dtype != np.uint8:
            top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
            resized = np.clip(resized, 0, top)
            resized = resized if top == 1 else np.rint(resized)
        out[:, :, channel] = resized
    return out


def _spread(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Give the fully clear pixels the colour of what can be seen near them."""
    clear = alpha[:, :, 0] == 0
    if not clear.any() or clear.all():
        return colour
    weight = alpha.astype(np.float32) / np.float32(alpha.max())
    filled = _fill(colour.astype(np.float32) * weight, weight)
    out = colour.copy()
    out[clear] = (filled if colour.dtype.kind == "f" else np.rint(filled))[clear]
    return out


def _fill(weighted: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """Push-pull: a pixel without weight takes the mean of the smallest block that has some."""
    known: NDArray[Any] = weighted / np.maximum(weight, 1e-12)
    if weight.all() or max(weight.shape[:2]) == 1:
        return known
    height, width = weight.shape[:2]
    odd = ((0, height % 2), (0, width % 2), (0, 0))

    def halved(values: NDArray[Any]) -> NDArray[Any]:
        values = np.pad(values, odd)
        top, bottom = values[::2], values[1::2]
        quarter: NDArray[Any] = top[:, ::2] + top[:, 1::2] + bottom[:, ::2] + bottom[:, 1::2]
        return quarter

    coarse = _fill(halved(weighted), halved(weight))
    finer = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    filled: NDArray[Any] = np.where(weight > 0, known, finer)
    return filled
