"""``.npy`` as an image format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imgan.data.images import read_image, write_image
from imgan.data.pixels import Frame, Image, to_bits, to_pil
from imgan.errors import ImganError


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_round_trip(tmp_path, dtype, channels) -> None:
    pixels = (np.random.default_rng(0).random((5, 6, channels)) * 255).astype(dtype)
    pixels = pixels / dtype(255) if dtype == np.float32 else pixels
    write_image(tmp_path / "a.npy", Image([Frame(pixels)]))
    back = read_image(tmp_path / "a.npy")
    assert back.format == "NPY"
    assert back.frames[0].alpha is None
    assert back.frames[0].colour.dtype == dtype
    np.testing.assert_array_equal(back.frames[0].colour, pixels)


def test_flat_fortran_and_foreign_byte_order(tmp_path) -> None:
    pixels = np.arange(30).reshape(5, 6)
    for array in (pixels.astype(">u2"), np.asfortranarray(pixels.astype(np.uint16))):
        np.save(tmp_path / "a.npy", array)
        colour = read_image(tmp_path / "a.npy").frames[0].colour
        assert colour.dtype == np.uint16
        assert colour.flags.c_contiguous
        np.testing.assert_array_equal(colour[:, :, 0], pixels)


def test_floats_of_any_width_stay_floats(tmp_path) -> None:
    for dtype in (np.float16, np.float64):
        np.save(tmp_path / "a.npy", np.full((4, 4), 0.5, dtype))
        colour = read_image(tmp_path / "a.npy").frames[0].colour
        assert colour.dtype == np.float32
        assert (colour == 0.5).all()


def test_floats_in_other_formats(tmp_path) -> None:
    pixels = np.random.default_rng(0).random((9, 8, 3), np.float32)
    for suffix, bits in ((".png", 16), (".tiff", 16), (".webp", 8), (".jpg", 8)):
        file = tmp_path / f"a{suffix}"
        write_image(file, Image([Frame(pixels)]), quality=100)
        back = read_image(file)
        assert 8 * back.frames[0].colour.itemsize == bits
        if suffix != ".jpg":
            np.testing.assert_array_equal(back.frames[0].colour, to_bits(pixels, bits))
    clear = Frame(pixels, pixels[:, :, :1])
    write_image(tmp_path / "a.npy", Image([clear]))
    assert np.load(tmp_path / "a.npy").shape == (9, 8, 4)
    assert (to_pil(clear).mode, to_pil(Frame(pixels[:, :, :1])).mode) == ("RGBA", "I;16")


def test_many_channels_go_into_npy_only(tmp_path) -> None:
    for channels in (2, 5):
        image = Image([Frame(np.zeros((4, 4, channels), np.uint8))])
        with pytest.raises(ImganError, match=f"PNG holds grey or RGB, not {channels} channels"):
            write_image(tmp_path / "a.png", image)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((4, 4), int), "its values are int64"),
        (np.zeros((4, 4), bool), "its values are bool"),
        (np.full((4, 4), 200.0), "not all between 0 and 1"),
        (np.full((4, 4), np.nan), "not all between 0 and 1"),
        (np.zeros(4, np.uint8), "not of shape"),
        (np.zeros((0, 4), np.uint8), "not of shape"),
        (np.zeros((2, 3, 4, 4), np.uint8), "not of shape"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, sentence) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ImganError, match=sentence) as error:
        read_image(tmp_path / "a.npy")
    assert "a.npy" in str(error.value)


class _Evil:
    def __reduce__(self):
        return (Path.touch, (Path("ran-code"),))


def test_damaged_large_and_hostile_arrays(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.array([[_Evil()]], object), allow_pickle=True)
    with pytest.raises(ImganError, match=r"a\.npy is damaged"):
        read_image("a.npy")
    assert not Path("ran-code").exists()
    Path("open.npy").write_bytes(b"\x93NUMPY\x01\x00\x20\x00{'descr': '|u1', 'shape': (3,   ")
    with pytest.raises(ImganError, match=r"open\.npy is damaged"):
        read_image("open.npy")
    np.save("b.npy", np.zeros((40, 40), np.uint8))
    Path("cut.npy").write_bytes(Path("b.npy").read_bytes()[:-9])
    with pytest.raises(ImganError, match=r"cut\.npy is damaged"):
        read_image("cut.npy")
    with pytest.raises(ImganError, match="more than the limit"):
        read_image("b.npy", max_pixels=1000)
