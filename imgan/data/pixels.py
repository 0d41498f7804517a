"""An image in memory: its pixels, colour apart from alpha, and what else its file held."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as pil
from PIL import ImageCms

if TYPE_CHECKING:
    from numpy.typing import NDArray


SLACK = 1e-3
"""By so much of the range rounding may bring a float out of it."""


@dataclass
class Frame:
    """One picture.

    `colour` is ``[H, W, 1]`` (grey), ``[H, W, 3]`` (RGB), or of an ``.npy`` file ``[H, W, C]``;
    `alpha` is ``[H, W, 1]`` or None. Both are uint8 over 0..255, uint16 over 0..65535, or float32
    over 0..1. `duration` is in milliseconds.
    """

    colour: NDArray[Any]
    alpha: NDArray[Any] | None = None
    duration: float = 0

    def pixels(self) -> NDArray[Any]:
        """Colour and alpha in one array, ``[H, W, C]``; no copy where there is no alpha."""
        if self.alpha is None:
            return self.colour
        return np.concatenate([self.colour, self.alpha], axis=2)


@dataclass
class Image:
    """An image file's content: one frame, or those of an animation or of a file of several pages.

    `format` is Pillow's name of the file's format. `exif` never asks for a rotation: pixels are
    upright. `icc` is the colour profile of the pixels, `dpi` their density in print, across and
    down. `loop` is how often an animation repeats (0: for ever, None: it plays once). `quality`,
    1 to 100, tells how far a JPEG was compressed.
    """

    frames: list[Frame]
    format: str = "PNG"
    exif: bytes = b""
    icc: bytes = b""
    loop: int | None = None
    dpi: tuple[float, float] | None = None
    quality: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame."""
        height, width = self.frames[0].colour.shape[:2]
        return width, height

    @property
    def one_size(self) -> bool:
        """Whether all frames are of one size, as those of animations are; pages need not be."""
        return len({frame.colour.shape[:2] for frame in self.frames}) == 1

    @property
    def channels(self) -> int:
        """Channels of colour: 1 for grey, 3 for RGB."""
        return int(self.frames[0].colour.shape[2])


def is_grey(pixels: NDArray[Any]) -> bool:
    """Whether ``[H, W, 3]`` is grey everywhere, as black and white photos stored as RGB are."""
    if pixels.shape[2] != 3:
        return False
    for part in (pixels[::32, ::32], pixels):  # few pixels tell of most photos
        red, green, blue = part[..., 0], part[..., 1], part[..., 2]
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            return False
    return True


def to_bits(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    """Pixels of any kind as uint8 (``bits=8``) or uint16 (``bits=16``), rounded."""
    if pixels.dtype.kind == "f":
        top = 2**bits - 1
        whole: NDArray[Any] = np.rint(pixels * top).astype(np.uint8 if bits == 8 else np.uint16)
        return whole
    if pixels.dtype.itemsize * 8 == bits:
        return pixels
    if bits == 16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def resize(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """``[H, W, C]`` at `size`, width x height, by antialiased bicubic interpolation."""
    if pixels.shape[1::-1] == size:
        return pixels
    out = np.empty((size[1], size[0], pixels.shape[2]), pixels.dtype)
    for channel in range(pixels.shape[2]):  # one at a time, to spare memory
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


def spread(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
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


def on_white(frame: Frame) -> NDArray[Any]:
    """The colour of a frame, where what is clear lies on white paper; of its dtype."""
    colour = frame.colour
    if frame.alpha is None:
        return colour
    top = 1 if colour.dtype.kind == "f" else np.iinfo(colour.dtype).max
    alpha = frame.alpha.astype(np.float64) / top
    white = colour * alpha + top * (1 - alpha)
    result: NDArray[Any] = (white if top == 1 else np.rint(white)).astype(colour.dtype)
    return result


def split_alpha(frame: Frame, channels: int) -> Frame:
    """The last of two or four channels as alpha where not that many `channels` are wanted."""
    own = frame.colour.shape[2]
    if frame.alpha is not None or own not in (2, 4) or own == channels:
        return frame
    return replace(frame, colour=frame.colour[:, :, :-1], alpha=frame.colour[:, :, -1:])


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn ``[H, W, C]`` pixels as the EXIF orientation 1..8 says; others change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def from_pil(image: pil.Image) -> Frame:
    """The current frame of a Pillow image of any mode; CMYK and LAB become sRGB.

    Raises:
        ValueError: the mode or the values cannot be understood.
    """
    mode = image.mode
    if mode in ("I", "F") or mode.startswith("I;16"):
        values = _wide(np.asarray(image))[:, :, None]
        hidden = image.info.get("transparency")  # the level that is clear
        if mode in ("I", "F") or not isinstance(hidden, int):
            return Frame(values)
        return Frame(values, np.where(values == hidden, 0, 65535).astype(np.uint16))
    if mode in ("CMYK", "LAB"):
        return Frame(np.asarray(_to_srgb(image)))
    grey = mode in ("1", "L", "LA", "La")
    clear = mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    wanted = ("L" if grey else "RGB") + ("A" if clear else "")
    if mode == "La":  # which converts to LA alone
        image = image.convert("LA")
    elif mode in ("PA", "1") and clear:  # there is no direct conversion
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert(wanted) if image.mode != wanted else image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if not clear:
        return Frame(pixels)
    return Frame(pixels[:, :, :-1], pixels[:, :, -1:])


def to_pil(frame: Frame) -> pil.Image:
    """A Pillow image; grey of 16 bits or floats has 16, all others 8: Pillow has no such.

    Modes: L, LA, RGB, RGBA, I;16.
    """
    pixels = frame.pixels()
    if pixels.shape[2] > 1:
        pixels = to_bits(pixels, 8)
    elif pixels.dtype.kind == "f":
        pixels = to_bits(pixels, 16)
    return pil.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def float_top(high: float) -> int:
    """What is white among floats of which `high` is the greatest; 0 where nothing is.

    By custom they span 0..1, or the range of the 8-bit or 16-bit file that they were.
    """
    return next((top for top in (1, 255, 65535) if high <= top * (1 + SLACK)), 0)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    """Grey of 16-bit, 32-bit or float samples as uint16."""
    if values.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        top = float_top(high)
        if not (low >= -SLACK * top and top):  # NaN fails as well
            raise ValueError("its values are not brightness between 0 and 65535")
        wide: NDArray[Any] = np.rint(np.clip(values, 0, top) * (65535 / top))
        return wide.astype(np.uint16)
    if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65535):
        raise ValueError("its values are not brightness between 0 and 65535")
    return values.astype(np.uint16)


def _to_srgb(image: pil.Image) -> pil.Image:
    """CMYK or LAB by the image's profile, so that colours are those of the print."""
    srgb = ImageCms.createProfile("sRGB")
    profile = image.info.get("icc_profile")
    try:
        source: Any = None
        if profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        elif image.mode == "LAB":
            source = ImageCms.createProfile("LAB")
        if source is not None:
            return ImageCms.profileToProfile(image, source, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        pass  # damaged, or of another colour space than the pixels: as if there were none
    return image.convert("RGB")
