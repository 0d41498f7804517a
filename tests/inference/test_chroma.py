from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgan.data.prepared import luma
from imgan.inference.chroma import with_colours
from imgan.inference.translate import translate
from imgan.shipped import TRANSLATION, shipped_models


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_light_stays_and_the_colour_comes(dtype):
    rng = np.random.default_rng(0)
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    grey = ((0.3 + 0.4 * rng.random((60, 80, 1))) * top).astype(dtype)
    coloured = np.zeros((15, 20, 3)) + np.array([0.6, 0.5, 0.4])
    out = with_colours(grey, (coloured * top).astype(dtype))
    assert out.shape == (60, 80, 3)
    assert out.dtype == dtype
    unit = out.astype(np.float64) / top
    np.testing.assert_allclose(luma(unit), grey / top, atol=0.005)
    assert (unit[..., 0] - unit[..., 2]).mean() == pytest.approx(0.2, abs=0.01)


def test_a_grey_answer_changes_nothing():
    grey = np.random.default_rng(1).integers(0, 256, (40, 30, 1), np.uint8)
    out = with_colours(grey, np.full((10, 8, 3), 77, np.uint8))
    np.testing.assert_array_equal(out, grey.repeat(3, axis=2))


@pytest.mark.skipif(TRANSLATION not in shipped_models(), reason="the model is not shipped")
def test_the_shipped_model_colours_a_grey_photo_of_any_size():
    photo = Image.open(Path(__file__).parents[1] / "files" / "photos" / "casa-mila.jpg").convert(
        "L"
    )
    for size in (photo.size, (61, 203)):
        grey = photo.resize(size)
        out = translate(grey, device="cpu")
        assert (out.mode, out.size) == ("RGB", size)
        pixels = np.asarray(out).astype(float)
        light = luma(pixels)[:, :, 0]
        assert np.abs(light - np.asarray(grey)).mean() < 3
        assert (pixels.max(2) - pixels.min(2)).mean() > 2


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_light_stays_where_there_is_no_room_for_the_colour(dtype):
    top = 1 if dtype == np.float32 else 255
    grey = (np.linspace(0, 1, 512).reshape(16, 32, 1) * top).astype(dtype)
    coloured = np.zeros((4, 8, 3)) + np.array([0.9, 0.4, 0.2])
    out = with_colours(grey, (coloured * top).astype(dtype)).astype(np.float64)
    assert out.min() >= 0
    assert out.max() <= top
    np.testing.assert_allclose(luma(out), grey, atol=0.5 if top == 255 else 1e-5)
