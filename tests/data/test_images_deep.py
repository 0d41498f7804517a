"""16 bits a channel as other programs write them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pil
from PIL.TiffImagePlugin import AppendingTiffWriter, ImageFileDirectory_v2

from imgan.data.images import read_image
from imgan.errors import ImganError

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
UNKNOWN, MULTIPLIED, STRAIGHT = 0, 1, 2
RANDOM = np.random.default_rng(0)
APART = 2


def tiff(
    pixels: np.ndarray,
    meaning: int,
    bits: int = 16,
    extra: int | None = None,
    kind: int = 0,
    planes: int = 1,
) -> bytes:
    """An uncompressed TIFF of uint16 ``[H, W, C]``."""
    height, width, channels = pixels.shape
    data = pixels.astype("<u2").tobytes()
    if bits == 12:  # two samples in three bytes
        first, second = pixels.reshape(height, -1, 2).transpose(2, 0, 1).astype(np.uint32)
        packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=2)
        data = packed.astype(np.uint8).tobytes()
    ifd = ImageFileDirectory_v2()
    ifd[254] = kind
    ifd[256], ifd[257], ifd[258], ifd[259] = width, height, (bits,) * channels, 1
    ifd[262], ifd[277], ifd[278], ifd[279] = meaning, channels, height, len(data)
    ifd[284] = planes
    ifd.tagtype[273] = 4
    ifd[273] = 0
    if extra is not None:
        ifd[338] = extra
    file = io.BytesIO()
    ifd.save(file)
    return file.getvalue() + data


def test_white_may_be_zero() -> None:
    grey = RANDOM.integers(0, 65536, (6, 8, 1), np.uint16)
    for meaning, seen in ((BLACK_IS_ZERO, grey), (WHITE_IS_ZERO, 65535 - grey)):
        np.testing.assert_array_equal(read_image(tiff(grey, meaning)).frames[0].colour, seen)


def test_twelve_bits_reach_white() -> None:
    grey = RANDOM.integers(0, 4096, (6, 8, 1), np.uint16)
    grey[0, :2, 0] = 0, 4095
    colour = read_image(tiff(grey, BLACK_IS_ZERO, bits=12)).frames[0].colour
    np.testing.assert_array_equal(colour, np.rint(grey * (65535 / 4095)))


def test_a_fourth_channel_is_what_the_file_says() -> None:
    pixels = RANDOM.integers(0, 65536, (6, 8, 4), np.uint16)
    unknown = read_image(tiff(pixels, RGB, extra=UNKNOWN)).frames[0]
    assert unknown.alpha is None
    np.testing.assert_array_equal(unknown.colour, pixels[:, :, :3])
    straight = read_image(tiff(pixels, RGB, extra=STRAIGHT)).frames[0].pixels()
    np.testing.assert_array_equal(straight, pixels)
    pixels[:, :, 3] |= 2**15
    share = pixels[:, :, 3:] / 65535
    multiplied = np.concatenate([np.rint(pixels[:, :, :3] * share), pixels[:, :, 3:]], axis=2)
    frame = read_image(tiff(multiplied, RGB, extra=MULTIPLIED)).frames[0]
    assert np.abs(frame.pixels().astype(int) - pixels).max() <= 1


def test_cmyk_becomes_srgb() -> None:
    paper = read_image(tiff(np.zeros((6, 8, 4), np.uint16), CMYK)).frames[0]
    assert paper.alpha is None
    assert paper.colour.shape == (6, 8, 3)
    assert paper.colour.min() == 255


def test_a_clear_level_of_grey() -> None:
    grey = RANDOM.integers(0, 65536, (6, 8), np.uint16)
    grey[2, 3] = 777
    file = io.BytesIO()
    pil.fromarray(grey).save(file, "PNG", transparency=777)
    frame = read_image(file.getvalue()).frames[0]
    assert frame.alpha is not None
    np.testing.assert_array_equal(frame.colour[:, :, 0], grey)
    np.testing.assert_array_equal(frame.alpha[:, :, 0], np.where(grey == 777, 0, 65535))


def pages(file: Path, *several: tuple[np.ndarray, int]) -> Path:
    """A TIFF of these pages, each with its kind: 1 is a smaller copy of another."""
    with AppendingTiffWriter(file, new=True) as writer:
        for pixels, kind in several:
            if pixels.dtype == np.uint8:
                pil.fromarray(pixels).save(writer, "TIFF", tiffinfo={254: kind})
            else:
                writer.write(tiff(pixels, RGB, kind=kind))
            writer.newFrame()
    return file


@pytest.mark.parametrize("copy", [np.uint8, np.uint16])
def test_a_smaller_copy_may_come_before_the_picture_or_after(tmp_path, copy) -> None:
    small = RANDOM.integers(0, 256, (5, 4, 3)).astype(copy)
    large = RANDOM.integers(0, 65536, (10, 8, 3), np.uint16)
    for number, order in enumerate([[(small, 1), (large, 0)], [(large, 0), (small, 1)]]):
        (frame,) = read_image(pages(tmp_path / f"{number}.tif", *order)).frames
        np.testing.assert_array_equal(frame.colour, large)


def test_no_page_loses_its_bits_without_a_word(tmp_path) -> None:
    shallow = RANDOM.integers(0, 256, (5, 4, 3)).astype(np.uint8)
    large = RANDOM.integers(0, 65536, (10, 8, 3), np.uint16)
    with pytest.raises(ImganError, match="several pages, of 16-bit colour; split it first"):
        read_image(pages(tmp_path / "a.tif", (shallow, 0), (large, 0)))


def test_channels_that_lie_apart_are_told() -> None:
    data = tiff(RANDOM.integers(0, 65536, (6, 8, 3), np.uint16), RGB, planes=APART)
    with pytest.raises(ImganError, match="channels lie one after the other; save it interleaved"):
        read_image(data)


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("off", [0, 1e-7, 5e-4])
def test_floats_that_rounding_brought_out_of_their_range(top, off) -> None:
    grey = np.linspace(-off * top, top * (1 + off), 60, dtype=np.float32).reshape(6, 10)
    file = io.BytesIO()
    pil.fromarray(grey).save(file, "TIFF")
    colour = read_image(file.getvalue()).frames[0].colour[:, :, 0]
    np.testing.assert_allclose(colour, grey.clip(0, top) * (65535 / top), atol=0.6)
