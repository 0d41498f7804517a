"""Image files: every common kind in, PNG, JPEG, WebP, TIFF, AVIF, GIF and numpy's .npy out."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image as pil
from PIL import ImageSequence, UnidentifiedImageError

from ..errors import ImganError
from ..files import replacing
from . import deep, notes
from .notes import DAMAGED
from .pixels import Frame, Image, from_pil, to_bits, to_pil, upright

MAX_PIXELS = 400_000_000
"""The largest image that is read, all frames together; a file that claims more may be a bomb."""

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".gif": "GIF",
    ".npy": "NPY",
}
"""What can be written: suffix to Pillow's name of the format."""

READABLE = frozenset(FORMATS) - {".npy"} | {
    *(".bmp", ".jfif", ".jp2", ".mpo", ".pbm", ".pgm", ".ppm", ".pnm", ".tga")
}
"""Suffixes that are taken for photos in a folder; a file that is named is read whatever it is."""

QUALITY = {"JPEG": 95, "WEBP": 90, "AVIF": 85}
"""The formats that lose something for size, and how little by default, of 100."""
# Of 1 to 9. Pillow's 6 takes four times the seconds of 2 for 6 % fewer bytes of a photo.
_PNG_EFFORT = 2
_LARGEST = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_535, "GIF": 65_535}
_JPEG_NOTES = 65_533  # bytes of EXIF that a JPEG can hold
_ANIMATED = {"GIF", "WEBP", "PNG", "AVIF", "TIFF"}
_PAGE_KIND = 254  # a TIFF's tag


def read_image(
    source: str | Path | bytes | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> Image:
    """Read an image file.

    Pixels are upright (the EXIF orientation is applied), grey stays grey, 16 bits stay 16, palettes
    become RGB, CMYK becomes sRGB by its profile; float TIFFs become 16 bit. All frames of
    animations and pages of TIFFs are read, but not a TIFF's smaller copies of a page. An ``.npy``
    file is ``[H, W]`` or ``[H, W, C]`` of uint8, uint16, or floats in [0, 1], which stay floats;
    its channels are all colour.

    Args:
        source: a path, a file's content, or a file open for reading.
        name: what errors call the image; by default its path.
        max_pixels: refuse more pixels than this before they take memory.

    Raises:
        ImganError: it cannot be read; the message names it.
    """
    if isinstance(source, (str, Path)):
        name = name or str(source)
        data = _content(Path(source))
    else:
        name = name or "the image"
        data = source if isinstance(source, bytes) else source.read()
    if not data:
        raise ImganError(f"{name} is empty: it has no bytes")
    try:
        if data.startswith(deep.NPY):
            frame = deep.decode_npy(data)
            _check_limit(name, frame.colour.shape[0] * frame.colour.shape[1], max_pixels)
            return Image([frame], "NPY")
        with OWN_LIMIT, pil.open(io.BytesIO(data)) as opened:
            return _decode(opened, data, name, max_pixels)
    except UnidentifiedImageError:
        raise ImganError(f"{name} is not an image of a known format") from None
    except MemoryError:
        raise ImganError(f"{name} does not fit into memory; cut it into parts first") from None
    except DAMAGED as error:
        raise ImganError(f"{name} is damaged or of an unknown kind: {error}") from None


def write_image(
    target: str | Path | BinaryIO,
    image: Image,
    format: str | None = None,
    quality: int | None = None,
) -> None:
    """Write an image file; nothing half-written is left where it fails.

    What the format cannot hold is converted: 16 bits and floats to 8 (PNG and TIFF: to 16), alpha
    to white paper (JPEG), colours to a palette (GIF). ``.npy`` holds any pixels, and no metadata.

    Args:
        target: a path, or a file open for writing; a path's suffix tells the format.
        format: a value of `FORMATS`; needed for an open file.
        quality: 1 to 100 for JPEG, WebP (100: lossless) and AVIF; by default 95, 90 and 85.

    Raises:
        ImganError: the format cannot hold the image, or the file cannot be written.
    """
    name = str(target) if isinstance(target, (str, Path)) else "the output"
    format = format or format_of(name)
    check_fits(name, format, image.size, len(image.frames), image.channels, image.one_size)
    try:
        if isinstance(target, (str, Path)):
            with replacing(Path(target)) as beside, open(beside, "w+b") as file:
                _encode(file, image, format, quality)
        else:
            buffer = io.BytesIO()  # a pipe cannot seek, which encoders do
            _encode(buffer, image, format, quality)
            target.write(buffer.getbuffer())
            target.flush()
    except DAMAGED as error:  # notes of a wrong kind, a full disk
        reason = getattr(error, "strerror", None) or str(error)
        raise ImganError(f"{name} cannot be written: {reason}") from None


def format_of(name: str | Path) -> str:
    """The format that a file's suffix stands for.

    Raises:
        ImganError: none that can be written.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in FORMATS:
        raise ImganError(f"{name}: images are written as {', '.join(FORMATS)}, not {suffix!r}")
    return FORMATS[suffix]


def check_fits(
    name: str,
    format: str,
    size: tuple[int, int],
    frames: int,
    channels: int = 3,
    one_size: bool = True,
) -> None:
    """Refuse, before any work, what `format` cannot hold.

    Raises:
        ImganError: the image is too large for the format, the format has no animations or none of
            several sizes, or it has none of so many channels of colour.
    """
    if channels not in (1, 3) and format != "NPY":
        raise ImganError(
            f"{name}: {format} holds grey or RGB, not {channels} channels; take npy (--format npy)"
        )
    if frames > 1 and (format not in _ANIMATED or not (one_size or format == "TIFF")):
        several = "one image" if one_size else "no pages of several sizes"
        others = "WebP, GIF or TIFF" if one_size else "TIFF"
        raise ImganError(f"{name}: {format} holds {several}, and here are {frames}; take {others}")
    largest = _LARGEST.get(format)
    if largest and max(size) > largest:
        raise ImganError(
            f"{name}: {format} holds at most {largest} pixels a side, not {max(size)}; take PNG"
        )


def _check_limit(name: str, pixels: int, most: int) -> None:
    if pixels > most:
        raise ImganError(
            f"{name} has {pixels / 1e6:.0f} megapixels, more than the limit of {most / 1e6:.0f}; "
            "cut it into parts first"
        )


def _content(path: Path) -> bytes:
    try:
        if path.is_fifo():  # which would be waited for, maybe for ever
            raise ImganError(f"{path} is a pipe and no file; to read one give - and < {path}")
        return path.read_bytes()
    except FileNotFoundError:
        raise ImganError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ImganError(f"{path} is a folder, not an image") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImganError(f"{path} cannot be read: {reason}") from None


class _OwnLimit:
    """Pillow's limit warns at 89 megapixels and cannot be set for one call; ours replaces it.

    Several threads may read at once: the first takes Pillow's away, the last puts it back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._saved: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._saved, pil.MAX_IMAGE_PIXELS = pil.MAX_IMAGE_PIXELS, None
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                pil.MAX_IMAGE_PIXELS = self._saved


OWN_LIMIT = _OwnLimit()
"""To be held while files are opened."""


def _decode(opened: pil.Image, data: bytes, name: str, max_pixels: int) -> Image:
    count = getattr(opened, "n_frames", 1) if opened.format in _ANIMATED else 1
    layout = deep.layout(opened)
    if opened.format != "TIFF":  # whose pages have sizes of their own, and are read below
        _check_limit(name, opened.width * opened.height * count, max_pixels)
        opened.load()  # here: in search of EXIF Pillow loads a PNG's pixels, whole or not
    exif, orientation = notes.exif(opened)
    format = "JPEG" if opened.format == "MPO" else opened.format or "PNG"  # phones' JPEG
    loop = 0 if opened.format == "AVIF" else opened.info.get("loop")  # Pillow tells none of AVIFs'
    kept = Image([], format, exif, loop=loop, dpi=notes.dpi(opened, orientation))
    kept.quality = notes.quality(opened)
    if opened.mode not in ("CMYK", "LAB"):  # which become sRGB
        kept.icc = opened.info.get("icc_profile") or b""
    if opened.format == "TIFF":
        orientation = 1  # of each page, which Pillow and OpenCV turn themselves
    pixels = 0
    numbers = _pages(opened, count)
    for number in numbers:
        if count > 1:
            opened.seek(number)
            layout = deep.layout(opened)
        if layout and len(numbers) > 1:
            raise ValueError("it has several pages, of 16-bit colour; split it first")
        pixels += opened.width * opened.height
        _check_limit(name, pixels, max_pixels)
        levels = deep.levels(opened)
        opened.load()  # Pillow notices truncation, OpenCV does not
        frame = _deep(data, layout, number) if layout else from_pil(opened)
        frame.colour = levels(frame.colour)
        frame.duration = opened.info.get("duration", 0)
        frame.colour = upright(frame.colour, orientation)
        if frame.alpha is not None:
            frame.alpha = upright(frame.alpha, orientation)
        kept.frames.append(frame)
    return kept


def _pages(opened: pil.Image, count: int) -> list[int]:
    """Numbers of the frames or pages, without copies for those who do not show all."""
    copies = set()
    if opened.format == "TIFF":
        for number, page in enumerate(ImageSequence.Iterator(opened)):
            kind = getattr(page, "tag_v2", {}).get(_PAGE_KIND, 0)
            if isinstance(kind, int) and kind & 1:
                copies.add(number)
        opened.seek(0)
    if opened.info.get("default_image"):  # of an APNG, for who shows no animations
        copies.add(0)
    return [n for n in range(count) if n not in copies or len(copies) == count]


def _deep(data: bytes, layout: str, page: int) -> Frame:
    import cv2  # not at the top: few files need it

    try:
        return deep.decode(data, layout, page)
    except cv2.error:  # its text is of several lines
        raise ValueError("its 16-bit pixels cannot be decoded") from None


def _encode(file: Any, image: Image, format: str, quality: int | None) -> None:
    exif, first = notes.exif_of(image), image.frames[0]
    if format == "NPY":
        deep.write_npy(file, first.pixels())
        return
    if format in ("TIFF", "PNG") and len(image.frames) == 1:
        pixels = first.pixels()
        if pixels.dtype.kind == "f":
            pixels = to_bits(pixels, 16)
        if format == "TIFF":
            deep.write_tiff(file, pixels, exif, image.icc, image.dpi)
            return
        if pixels.itemsize == 2:
            deep.write_png(file, pixels, exif, image.icc, image.dpi)
            return
    if format == "JPEG" and len(exif) > _JPEG_NOTES:
        exif = b""  # the picture is worth more than its notes
    options: dict[str, Any] = {"exif": exif} if exif else {}
    if image.icc:
        options["icc_profile"] = image.icc
    if image.dpi and (format == "PNG" or (format == "JPEG" and max(image.dpi) < 65_535)):
        options["dpi"] = image.dpi
    if format in QUALITY:
        options["quality"] = quality or QUALITY[format]
    if format == "PNG":
        options["compress_level"] = _PNG_EFFORT
    if format == "JPEG":  # colour at full resolution where quality matters
        options["subsampling"] = 0 if options["quality"] >= 90 else 2
    if format == "WEBP":
        options |= {"lossless": options["quality"] == 100}
    head, *others = [_picture(frame, format) for frame in image.frames]
    if others:
        options |= {"save_all": True, "append_images": others}
        options |= _timing(image, format)
    head.save(file, format, **options)


def _timing(image: Image, format: str) -> dict[str, Any]:
    if format == "TIFF":  # uncompressed: over 4 GB its offsets need 64 bits
        planes = [plane for f in image.frames for plane in (f.colour, f.alpha) if plane is not None]
        return {"big_tiff": sum(plane.nbytes for plane in planes) > 3.9e9}
    timing: dict[str, Any] = {"duration": [round(frame.duration) for frame in image.frames]}
    if format == "GIF":
        clear = any(frame.alpha is not None for frame in image.frames)
        timing["duration"] = _hundredths(timing["duration"])
        return timing | {"disposal": 2 if clear else 0} | _gif_loop(image)
    return timing | {"loop": 1 if image.loop is None else image.loop}


def _hundredths(durations: list[int]) -> list[int]:
    """Milliseconds as GIFs have them, in tens: what is rounded off goes to the next frame.

    Two tens are the least for a frame that lasts longer than one, as viewers play one as ten; the
    time that this adds is not taken from others.
    """
    rounded, owed = [], 0
    for duration in durations:
        owed += duration
        shown = max(10 * round(owed / 10), 20 if duration > 10 else 0)
        rounded.append(shown)
        owed = max(owed - shown, -5)
    return rounded


def _gif_loop(image: Image) -> dict[str, int]:
    return {} if image.loop is None else {"loop": image.loop}


def _picture(frame: Frame, format: str) -> pil.Image:
    """The frame as something that Pillow writes in `format`."""
    if format not in ("PNG", "TIFF"):
        frame = Frame(
            to_bits(frame.colour, 8), None if frame.alpha is None else to_bits(frame.alpha, 8)
        )
    picture = to_pil(frame)
    if frame.alpha is not None and format == "JPEG":
        paper = pil.new(picture.mode, picture.size, "white")
        return pil.alpha_composite(paper.convert("RGBA"), picture.convert("RGBA")).convert(
            picture.mode[:-1]
        )
    if frame.alpha is not None and format == "GIF":  # which knows clear and opaque only
        picture = picture.convert("RGBA")
        picture.putalpha(picture.getchannel("A").point(lambda value: 255 * (value >= 128)))
    return picture
