import numpy as np
import pytest

from imgan.data.prepared import luma
from imgan.inference.chroma import with_colours


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
