"""What an image file says beside its pixels: EXIF, density in print, how far it is compressed."""

from __future__ import annotations

import struct
import tokenize
import zlib

from PIL import Image as pil

from .pixels import Image

# What Pillow raises on damaged files, its plugins being as many as their authors.
DAMAGED = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError),
    *(RuntimeError, AttributeError, SystemError, struct.error, zlib.error, tokenize.TokenError),
)

_ORIENTATION, _EXIF_IFD, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003
_SIDES = (256, 257)
_DENSITY, _FOLDERS = (282, 283), (34665, 34853)
_ON_ITS_SIDE = (5, 6, 7, 8)  # orientations that swap width and height
# A TIFF's tags that speak of the picture and not of how the file is laid out.
_TELLING = {270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 316, 33432, 34665, 34853}

_STEPS = 3688
"""Sum of the JPEG standard's example of quantization steps of light (annex K): quality 50."""
_LEAST = 10
"""The least of them."""


def exif(opened: pil.Image) -> tuple[bytes, int]:
    """The EXIF block without its demand to rotate, and that demand."""
    try:
        block = _block(opened)
        orientation = block.get(_ORIENTATION, 1)
        if _ORIENTATION in block:
            block[_ORIENTATION] = 1
        if orientation in _ON_ITS_SIDE and _DENSITY[0] in block and _DENSITY[1] in block:
            across, down = (block[tag] for tag in _DENSITY)
            block[_DENSITY[0]], block[_DENSITY[1]] = down, across
        return (block.tobytes() if len(block) else b""), orientation
    except DAMAGED:
        return b"", 1  # a picture is worth reading without its notes


def exif_held(image: pil.Image) -> bytes | None:
    """The EXIF block of a Pillow image, with what was changed since it was opened.

    None if it is damaged, nothing if all was taken out.
    """
    try:
        block = _block(image)
        return block.tobytes() if len(block) else b""
    except DAMAGED:
        return None


def _block(opened: pil.Image) -> pil.Exif:
    found = opened.getexif()
    block = pil.Exif()  # Pillow turns a TIFF by its own one when the pixels are loaded
    if opened.format == "TIFF":
        for tag in set(found) & _TELLING:
            block[tag] = dict(found.get_ifd(tag)) if tag in _FOLDERS else found[tag]
    elif len(found):
        block.load(found.tobytes())
    return block


def dpi(opened: pil.Image, orientation: int = 1) -> tuple[float, float] | None:
    """Pixels an inch of the upright image, across and down."""
    if opened.format == "TIFF" and _DENSITY[0] not in getattr(opened, "tag_v2", {}):
        return None  # for which Pillow says 1
    try:
        across, down = (float(value) for value in opened.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):  # none, or damaged
        return None
    if not (0 < across < 1e6 and 0 < down < 1e6):
        return None
    return (down, across) if orientation in _ON_ITS_SIDE else (across, down)


def quality(opened: pil.Image) -> int | None:
    """Of a JPEG, the quality 1 to 100 at which libjpeg takes about as large steps; else None."""
    tables = getattr(opened, "quantization", None)
    if not tables:
        return None
    steps = tables[min(tables)]
    # libjpeg's percentage of the example; of steps cut off at 255 the least tells it.
    share: float = 100 * (min(steps) / _LEAST if max(steps) >= 255 else sum(steps) / _STEPS)
    found = round(100 - share / 2 if share <= 100 else 5000 / share)
    return min(100, max(1, found))


def exif_of(image: Image) -> bytes:
    """The EXIF block to write, with the size that the image has now; none if it is damaged."""
    if not image.exif:
        return b""
    try:
        block = pil.Exif()
        block.load(image.exif)
        for tag, side in zip(_SIDES, image.size, strict=True):
            if tag in block:
                block[tag] = side
        detail = block.get_ifd(_EXIF_IFD)
        if _WIDTH in detail or _HEIGHT in detail:
            detail[_WIDTH], detail[_HEIGHT] = image.size
        return block.tobytes()
    except DAMAGED:
        return b""
