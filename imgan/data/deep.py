"""What Pillow neither reads nor writes: 16 bits a channel in colour or with alpha, arrays."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image as pil
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .pixels import SLACK, Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

NPY = b"\x93NUMPY"
"""What a file of numpy's begins with."""

_ROWS = 64  # rows that are compressed at a time: a large image is never copied whole
_BITS, _SAMPLES, _PLANES = 258, 277, 284  # tags of TIFFs; 284: whether channels lie apart


def layout(image: pil.Image) -> str:
    """How 16-bit colour lies in a freshly opened PNG or TIFF ("RGB;16B"); "" if Pillow reads it.

    Raises:
        ValueError: in a way that neither Pillow nor OpenCV reads right.
    """
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(_PLANES) == 2 and tags.get(_SAMPLES, 1) > 1 and max(tags.get(_BITS, (8,))) > 8:
        raise ValueError("its 16-bit channels lie one after the other; save it interleaved")
    tiles = getattr(image, "tile", None)
    if image.format not in ("PNG", "TIFF") or image.mode.startswith("I") or not tiles:
        return ""
    args = tiles[0][3]
    rawmode = str(args[0] if isinstance(args, tuple) and args else args)
    return rawmode if ";16" in rawmode and not rawmode.startswith("CMYK") else ""


def levels(page: pil.Image) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What makes a TIFF's 16-bit grey black at 0 and white at 65535, which Pillow leaves as it is.

    Asked for before the page is loaded.
    """
    tags: Any = getattr(page, "tag_v2", {})
    if page.format != "TIFF" or not page.mode.startswith("I;16"):
        return lambda grey: grey
    bits, white_is_zero = tags.get(_BITS, (16,))[0], tags.get(262) == 0
    top = 2**bits - 1 if 8 < bits < 16 else 65535

    def change(grey: NDArray[Any]) -> NDArray[Any]:
        if top < 65535:
            grey = np.rint(np.minimum(grey, top) * (65535 / top)).astype(np.uint16)
        return 65535 - grey if white_is_zero else grey

    return change


def decode(data: bytes, layout: str, page: int = 0) -> Frame:
    """Decode such a file, or a page of it.

    Raises:
        ValueError: it cannot be decoded.
    """
    import cv2

    content = np.frombuffer(data, np.uint8)
    pixels: Any
    if page:
        _, pages = cv2.imdecodemulti(content, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
        pixels = pages[0] if pages else None
    else:
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("its 16-bit pixels cannot be decoded")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    channels = pixels.shape[2]
    alpha = np.ascontiguousarray(pixels[:, :, 3:]) if channels == 4 else None
    # OpenCV gives blue, green, red; grey with alpha comes as four channels.
    grey = layout.startswith("L") or channels == 1
    colour = pixels[:, :, :1] if grey else pixels[:, :, 2::-1]
    if alpha is not None and layout.startswith("RGBX"):  # a fourth channel of no known meaning
        alpha = None
    if alpha is not None and layout.startswith("RGBa"):  # colours are multiplied by it
        unclear = np.maximum(alpha, 1).astype(np.float32) / 65535
        colour = np.minimum(np.rint(colour / unclear), 65535).astype(np.uint16)
    return Frame(np.ascontiguousarray(colour), alpha)


def decode_npy(data: bytes) -> Frame:
    """Decode a file of numpy's: ``[H, W]`` or ``[H, W, C]``, all channels as colour.

    Raises:
        ValueError: an array that is no image; no Python object is ever unpickled.
    """
    pixels: Any = np.load(io.BytesIO(data), allow_pickle=False)
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ValueError(f"an image is [H, W] or [H, W, C], not of shape {list(pixels.shape)}")
    if pixels.dtype.kind == "f":
        pixels = unit_floats(pixels)
    elif pixels.dtype.name not in ("uint8", "uint16"):
        raise ValueError(f"its values are {pixels.dtype}, not uint8, uint16 or float in [0, 1]")
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return Frame(np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1)))


def unit_floats(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Floats as pixels, in [0, 1] to the last bit.

    Raises:
        ValueError: some are outside of it, by more than rounding brings, or no number.
    """
    if not (pixels.min() >= -SLACK and pixels.max() <= 1 + SLACK):  # NaN fails as well
        raise ValueError("its floats are not all between 0 and 1; scale them first")
    return np.clip(pixels.astype(np.float32), 0, 1)


def write_npy(file: BinaryIO, pixels: NDArray[Any]) -> None:
    """Write ``[H, W, C]`` as a file of numpy's; one channel as ``[H, W]``."""
    np.save(file, pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, allow_pickle=False)


Dpi = tuple[float, float] | None
"""Pixels an inch, across and down."""


def write_png(
    file: BinaryIO, pixels: NDArray[Any], exif: bytes, icc: bytes, dpi: Dpi = None
) -> None:
    """Write uint16 ``[H, W, 1..4]`` as PNG (grey, grey + alpha, RGB, RGBA)."""

    def chunk(kind: bytes, data: bytes) -> None:
        file.write(struct.pack(">I", len(data)) + kind + data)
        file.write(struct.pack(">I", zlib.crc32(kind + data)))

    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    if icc:
        chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if dpi:
        across, down = (round(value / 0.0254) for value in dpi)  # pixels a metre
        chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if exif:
        chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    packer = zlib.compressobj(6)
    above = np.zeros((1, width * channels * 2), np.uint8)
    for top in range(0, height, _ROWS):
        rows = pixels[top : top + _ROWS].astype(">u2").reshape(-1, width * channels).view(np.uint8)
        filtered = rows - np.concatenate([above, rows[:-1]])  # the difference to above
        above = rows[-1:]
        marked = np.pad(filtered, ((0, 0), (1, 0)), constant_values=2)  # each row names its filter
        chunk(b"IDAT", packer.compress(marked.tobytes()))
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


def write_tiff(
    file: BinaryIO, pixels: NDArray[Any], exif: bytes, icc: bytes, dpi: Dpi = None
) -> None:
    """Write uint8 or uint16 ``[H, W, 1..4]`` as TIFF (deflate), the EXIF tags among its own.

    Pillow's own compressed TIFFs fail on EXIF blocks. 16-bit grey with alpha becomes RGB:
    few programs read it as grey, and Pillow does not.
    """
    if pixels.shape[2] == 2 and pixels.itemsize == 2:
        pixels = pixels[:, :, [0, 0, 0, 1]]
    height, width, channels = pixels.shape
    grey, clear = channels < 3, channels in (2, 4)
    strips = []
    for top in range(0, height, _ROWS):
        rows = pixels[top : top + _ROWS].astype(pixels.dtype.newbyteorder("<"))
        rows[:, 1:] -= rows[:, :-1].copy()  # predictor 2: the difference to the left
        strips.append(zlib.compress(rows.tobytes()))
    ifd = ImageFileDirectory_v2()
    if exif:
        tags = pil.Exif()
        tags.load(exif)
        for tag, value in tags.items():
            ifd[tag] = tags.get_ifd(tag) if tag in (34665, 34853) else value
    if dpi and 282 not in ifd:
        ifd[282], ifd[283], ifd[296] = *dpi, 2  # inches
    ifd[256], ifd[257] = width, height
    ifd[258] = (8 * pixels.itemsize,) * channels
    ifd[259] = 8  # deflate
    ifd[262] = 1 if grey else 2  # black is zero, or RGB
    ifd[277], ifd[278], ifd[284], ifd[317] = channels, _ROWS, 1, 2
    if clear:
        ifd[338] = 2  # alpha that colours are not multiplied by
    if icc:
        ifd.tagtype[34675] = 7
        ifd[34675] = icc
    sizes = [len(strip) for strip in strips]
    ifd[279] = tuple(sizes)
    ifd.tagtype[273] = 4
    ifd[273] = (0, *itertools.accumulate(sizes[:-1]))  # counted from the end of the directory
    ifd.save(file)
    for strip in strips:
        file.write(strip)
