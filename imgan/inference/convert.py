"""Images as callers have them: paths, Pillow images, arrays, tensors; each comes back as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image as pil
from torch import Tensor

from ..data.deep import unit_floats
from ..data.images import read_image
from ..data.notes import exif_held, exif_of
from ..data.pixels import Frame, Image, from_pil, to_pil
from ..errors import ImganError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""Called with the parts done and their number."""

Change = Callable[[Image], Image]
"""What is made of an image: another one, of the same number of frames."""


def each_frame(
    image: Image, change: Callable[[Frame, Progress], Frame], progress: Progress | None = None
) -> Image:
    """`change` every frame of an image as it was read; EXIF, profile and timing stay."""
    count = len(image.frames)
    frames = []
    for index, frame in enumerate(image.frames):

        def report(done: int, total: int, index: int = index) -> None:
            if progress:
                progress(index * total + done, count * total)

        frames.append(change(frame, report))
    return replace(image, frames=frames)


def convert(image: Any, change: Change, command: str) -> Any:
    """Apply `change` to an image of any kind; the result is of that kind.

    Args:
        image: a path (a Pillow image comes back, of ``.npy`` an array; of several frames the
            first), a Pillow image, an array ``[H, W]`` or ``[H, W, C]`` (uint8, uint16, float in
            [0, 1]), or a tensor ``[C, H, W]`` or ``[N, C, H, W]`` (float in [0, 1], uint8).
        change: takes and gives an `Image` of one frame.
        command: who asks; errors name it.

    Raises:
        ImganError: none of these, or the result is nothing that Pillow can hold.
    """
    if isinstance(image, (str, Path)):
        read = read_image(image)
        result = change(replace(read, frames=read.frames[:1]))
        if read.format == "NPY":
            pixels = result.frames[0].pixels()
            return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        held = {"exif": exif_of(result), "icc_profile": result.icc, "dpi": result.dpi}
        return _pillow(result, {key: value for key, value in held.items() if value})
    if isinstance(image, pil.Image):
        info: dict[Any, Any] = dict(image.info)
        info.pop("transparency", None)
        profile = info.pop("icc_profile", None) or b""
        if image.mode in ("CMYK", "LAB"):  # which became sRGB
            profile = b""
        try:
            frame = from_pil(image)
        except (ValueError, OSError) as error:  # opened only, it may turn out to be truncated
            raise ImganError(f"the image cannot be taken: {error}") from None
        exif = exif_held(image)
        result = change(Image([frame], icc=profile, exif=exif or b""))
        if exif is not None:  # damaged notes stay as they are
            info.pop("exif", None)
            info |= {"exif": exif_of(result)} if exif else {}
        return _pillow(result, info | ({"icc_profile": result.icc} if result.icc else {}))
    if isinstance(image, np.ndarray):
        return _array(image, change)
    if isinstance(image, Tensor):
        return _tensor(image, change)
    raise ImganError(
        f"{command} takes a path, a Pillow image, a numpy array or a torch tensor, not "
        f"{type(image).__name__}"
    )


def _pillow(image: Image, info: dict[Any, Any]) -> pil.Image:
    if image.channels not in (1, 3):
        raise ImganError(
            f"no Pillow image has the {image.channels} channels of the result; give an array"
        )
    picture = to_pil(image.frames[0])
    picture.info = info
    return picture


def _array(image: NDArray[Any], change: Change) -> NDArray[Any]:
    if image.ndim not in (2, 3):
        raise ImganError(f"an array is [H, W] or [H, W, C], not of shape {image.shape}")
    if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind != "f":
        raise ImganError(f"an array is uint8, uint16 or float in [0, 1], not {image.dtype}")
    if 0 in image.shape:
        raise ImganError(f"an image has pixels, not shape {image.shape}")
    pixels = image.reshape(*image.shape[:2], -1)
    if image.dtype.kind == "f":
        try:
            pixels = unit_floats(pixels)
        except ValueError as error:
            raise ImganError(f"the image cannot be taken: {error}") from None
    result = change(Image([Frame(pixels)])).frames[0].pixels().astype(image.dtype, copy=False)
    return result[:, :, 0] if image.ndim == 2 and result.shape[2] == 1 else result


def _tensor(image: Tensor, change: Change) -> Tensor:
    if image.ndim == 4:
        if not len(image):
            raise ImganError(f"an image has pixels, not shape {tuple(image.shape)}")
        return torch.stack([_tensor(single, change) for single in image])
    if image.ndim != 3:
        raise ImganError(f"a tensor is [C, H, W] or [N, C, H, W], not {tuple(image.shape)}")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ImganError(f"a tensor is float in [0, 1] or uint8, not {image.dtype}")
    plain = image.detach() if image.dtype == torch.uint8 else image.detach().float()
    result = _array(plain.permute(1, 2, 0).cpu().numpy(), change)
    return torch.from_numpy(result).permute(2, 0, 1).contiguous().to(image.device, image.dtype)
