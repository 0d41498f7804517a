"""An image in memory: whole-number pixels, colour apart from alpha, and what else its file held."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as pil
from PIL import ImageCms

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Frame:
    """One picture.

    `colour` is ``[H, W, 1]`` (grey) or ``[H, W, 3]`` (RGB), `alpha` is ``[H, W, 1]`` or None; both
    uint8 over 0..255 or both uint16 over 0..65535. `duration` is in milliseconds.
    """

    colour: NDArray[Any]
    alpha: NDArray[Any] | None = None
    duration: float = 0

    def pixels(self) -> NDArray[Any]:
        """Colour and alpha in one array, ``[H, W, 1..4]``; no copy where there is no alpha."""
        if self.alpha is None:
            return self.colour
        return np.concatenate([self.colour, self.alpha], axis=2)


@dataclass
class Image:
    """An image file's content: one frame, or those of an animation or of a file of several pages.

    `format` is Pillow's name of the file's format. `exif` never asks for a rotation: pixels are
    upright. `icc` is the colour profile of the pixels. `loop` is how often an animation repeats
    (0: for ever, None: it plays once).
    """

    frames: list[Frame]
    format: str = "PNG"
    exif: bytes = b""
    icc: bytes = b""
    loop: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame."""
        height, width = self.frames[0].colour.shape[:2]
        return width, height

    @property
    def bits(self) -> int:
        """8 or 16 bits a channel."""
        return 8 * self.frames[0].colour.dtype.itemsize


def to_bits(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    """Uint8 or uint16 pixels as uint8 (``bits=8``) or uint16 (``bits=16``), rounded."""
    if pixels.dtype.itemsize * 8 == bits:
        return pixels
    if bits == 16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


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
        return Frame(_wide(np.asarray(image))[:, :, None])
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
    """A Pillow image; 16-bit grey stays, other 16-bit frames become 8-bit: Pillow has no such.

    Modes: L, LA, RGB, RGBA, I;16.
    """
    pixels = frame.pixels()
    if pixels.shape[2] > 1:
        pixels = to_bits(pixels, 8)
    return pil.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    """Grey of 16-bit, 32-bit or float samples as uint16."""
    if values.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 65535):  # NaN fails as well
            raise ValueError("its values are not brightness between 0 and 65535")
        # By custom float images span 0..1, or the range of the 8-bit or 16-bit file they were.
        top = 1 if high <= 1 else 255 if high <= 255 else 65535
        return (values * (65535 / top) + 0.5).astype(np.uint16)
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
