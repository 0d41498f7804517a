"""Down-scaling against an independent float64 reference; the realistic degradation's promises."""

import math
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from imgan.data.degrade import RealisticDegradation, RealisticSettings, imresize, imresize_uint8


def keys_kernel(x):
    x = np.abs(x)
    return np.where(
        x <= 1,
        1.5 * x**3 - 2.5 * x**2 + 1,
        np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0),
    )


def reference_rows(image, scale):
    """MATLAB's imresize along the first axis, pixel by pixel, with its 1-based coordinates."""
    length = image.shape[0]
    stretch = min(scale, 1)
    rows = []
    for out in range(1, math.ceil(length * scale) + 1):
        u = out / scale + 0.5 * (1 - 1 / scale)
        near = np.arange(math.floor(u - 2 / stretch), math.floor(u + 2 / stretch) + 2)
        weight = keys_kernel((u - near) * stretch)
        pixels = image[np.clip(near, 1, length) - 1]
        rows.append(np.tensordot(weight / weight.sum(), pixels, 1))
    return np.stack(rows)


def reference(image, scale, rounding=lambda x: x):
    """Rows first, then columns; ``[H, W, C]``."""
    rows = rounding(reference_rows(image.astype(np.float64), scale))
    return rounding(reference_rows(rows.swapaxes(0, 1), scale).swapaxes(0, 1))


def as_matlab(x):
    return np.clip(np.floor(x + 0.5), 0, 255)


@pytest.fixture
def photo(photos):
    return np.array(Image.open(photos / "casa-mila.jpg"))[:67, :90]  # no multiples


def tensor(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1)


def array(image):
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 1 / 2, 0.7, 2, 3, 4])
def test_imresize_is_the_reference(photo, scale):
    ours = array(imresize(tensor(photo).double(), scale))
    np.testing.assert_allclose(ours, reference(photo, scale), atol=1e-9)


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 1 / 2, 2])
def test_imresize_uint8_rounds_as_matlab_bit_for_bit(photo, scale):
    ours = array(imresize_uint8(tensor(photo), scale))
    assert ours.dtype == np.uint8
    np.testing.assert_array_equal(ours, reference(photo, scale, as_matlab))


def test_values_by_hand():
    # Shrinking by 2, inside an impulse: the widened kernel at distances 0.5, 1.5, ... halved.
    impulse = torch.zeros(1, 1, 16, dtype=torch.float64)
    impulse[..., 7] = 1
    row = imresize(impulse.expand(1, 16, 16), 0.5)[0, 4]
    expected = [keys_kernel(d / 2) / 2 for d in (4.5, 2.5, 0.5, 1.5, 3.5)]
    np.testing.assert_allclose(row[1:6], expected, atol=1e-12)


def test_shapes_sizes_and_batches(photo):
    image = tensor(photo).float() / 255
    small = imresize(image, 1 / 4)
    assert small.shape == (3, 17, 23)  # rounded up
    assert torch.equal(imresize(image[None], 1 / 4)[0], small)
    assert imresize(image, size=(20, 80)).shape == (3, 20, 80)
    assert torch.allclose(imresize(image, size=(67, 90)), image)


def test_thirds_do_not_gain_a_pixel():
    for length in range(3, 300, 3):
        assert imresize(torch.zeros(1, length, 3), 1 / 3).shape[1] == length // 3


def test_constant_stays_constant():
    flat = torch.full((1, 13, 11), 0.3, dtype=torch.float64)
    for scale in (0.25, 0.6, 4):
        torch.testing.assert_close(
            imresize(flat, scale), torch.full_like(imresize(flat, scale), 0.3)
        )


def test_gradient():
    image = torch.rand(1, 9, 10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: imresize(x, 0.5), image)


def test_misuse():
    image = torch.zeros(3, 8, 8)
    for arguments in ({}, {"scale": 0.5, "size": (4, 4)}, {"size": (0, 4)}):
        with pytest.raises(ValueError, match=r"scale|left"):
            imresize(image, **arguments)


@pytest.fixture(scope="module")
def degrade():
    return RealisticDegradation(4)


@pytest.fixture
def crop(photos):
    return np.array(Image.open(photos / "budgie-branch.jpg"))[:128, :160]


def test_realistic_is_a_function_of_image_and_generator(degrade, crop):
    def draw(one, seed):
        return one(crop, np.random.default_rng(seed))

    first = [draw(degrade, (0, i)) for i in range(8)]
    again = {i: draw(degrade, (0, i)) for i in reversed(range(8))}
    fresh = RealisticDegradation(4)
    copied = pickle.loads(pickle.dumps(degrade))
    for i, image in enumerate(first):
        assert image.shape == (32, 40, 3)
        assert image.dtype == np.uint8
        for other in (again[i], draw(fresh, (0, i)), draw(copied, (0, i))):
            np.testing.assert_array_equal(image, other)
    assert len({image.tobytes() for image in first}) == 8


def test_realistic_leaves_its_input_alone(degrade, crop):
    before = crop.copy()
    degrade(crop, np.random.default_rng(0))
    np.testing.assert_array_equal(crop, before)


def test_realistic_is_near_the_plain_shrinking(degrade, crop):
    plain = array(imresize_uint8(tensor(crop), 1 / 4)).astype(float)
    for seed in range(8):
        difference = degrade(crop, np.random.default_rng(seed)) - plain
        assert abs(difference.mean()) < 6  # no shift of brightness
        assert 0.5 < np.abs(difference).mean() < 40


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (130, 97)])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_realistic_sizes(scale, size):
    image = np.full((*size, 3), 128, np.uint8)
    result = RealisticDegradation(scale)(image, np.random.default_rng(1))
    assert result.shape == (size[0] // scale, size[1] // scale, 3)


def test_settings_reach_the_pixels(crop):
    off = {"blur_probability": 0.0, "noise_probability": 0.0, "jpeg_probability": 0.0}
    clean = RealisticDegradation(4, RealisticSettings(**off, detour=(1.0, 1.0)))
    noisy = RealisticDegradation(
        4, RealisticSettings(**(off | {"noise_probability": 1.0}), detour=(1.0, 1.0))
    )
    flat = np.full_like(crop, 100)
    assert np.ptp(clean(flat, np.random.default_rng(0))) == 0
    assert np.std(noisy(flat, np.random.default_rng(0))) > 0.5


def test_jpeg_comes_last_or_before_the_last_resizing(crop):
    """At the lowest quality its blocks of eight pixels are nearly flat, of the file or another."""
    off = {"blur_probability": 0.0, "noise_probability": 0.0, "detour": (1.5, 1.5)}
    most = {"jpeg_quality": (1, 1), "jpeg_probability": 1.0}

    def inside(last):  # the mean step within blocks over that across their borders
        degrade = RealisticDegradation(2, RealisticSettings(**off, **most, jpeg_last=last))
        low = degrade(crop, np.random.default_rng(0)).astype(float).mean(2)
        steps = np.abs(np.diff(low, axis=1)).mean(0)
        border = np.arange(1, low.shape[1]) % 8 == 0
        return steps[~border].mean() / steps[border].mean()

    assert inside(1.0) < 0.5
    assert inside(0.0) > 0.6


@pytest.mark.parametrize("level", [20, 60, 128, 200])
@pytest.mark.parametrize("kind", ["gaussian_noise", "poisson_noise"])
def test_noise_keeps_the_mean(level, kind):
    """albumentations' ShotNoise darkened, and models taught by it brightened noisy photos."""
    noise = {"gaussian_noise": (0.0, 0.0), "poisson_noise": (0.0, 0.0)} | {kind: (0.03, 0.03)}
    settings = RealisticSettings(
        blur_probability=0, detour=(1, 1), noise_probability=1, jpeg_probability=0, **noise
    )
    degrade, rng = RealisticDegradation(2, settings), np.random.default_rng(0)
    flat = np.full((64, 64, 3), level, np.uint8)
    lows = np.stack([degrade(flat, rng) for _ in range(40)]).astype(float)
    assert abs(lows.mean() - level) < 0.3
    assert lows.std() > 1


def test_poisson_noise_grows_with_the_root_of_brightness():
    from imgan.data.augment import PoissonNoise

    noise = PoissonNoise((0.05, 0.05))
    deviations = [
        noise.apply(np.full((200, 200, 3), level, np.uint8), std=0.05, seed=0).std()
        for level in (40, 160)
    ]
    assert deviations == pytest.approx([12.75 * (v / 255) ** 0.5 for v in (40, 160)], rel=0.03)
