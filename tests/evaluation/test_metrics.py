"""Metrics against closed forms and scikit-image."""

import math

import numpy as np
import pytest
import torch

from imgan.evaluation import metrics
from imgan.evaluation.metrics import crop_border, psnr, psnr_y, ssim, ssim_y, to_y


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(2, 3, 40, 50, generator=generator, dtype=torch.float64)
    noise = 0.1 * torch.randn(2, 3, 40, 50, generator=generator, dtype=torch.float64)
    return (target + noise).clamp(0, 1), target


def test_y_of_black_white_and_primaries():
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).double()
    y = to_y(colours.T.reshape(3, 1, 5)) * 255
    torch.testing.assert_close(
        y.flatten(), torch.tensor([16, 235, 81.481, 144.553, 40.966]).double()
    )


def test_grey_stays():
    grey = torch.rand(1, 1, 4, 4)
    assert torch.equal(to_y(grey), grey)


def test_psnr_closed_form():
    target = torch.zeros(2, 3, 8, 8)
    output = torch.stack([torch.full((3, 8, 8), 0.1), torch.zeros(3, 8, 8)])
    values = psnr(output, target)
    assert values[0].item() == pytest.approx(20, abs=1e-6)
    assert math.isinf(values[1])
    assert psnr(output * 255, target, 255)[0].item() == pytest.approx(20, abs=1e-6)


def test_one_grey_level_on_y_is_the_papers_figure():
    # A step of one in all channels is 219/255 of one on Y.
    target = torch.full((1, 3, 20, 20), 100 / 255)
    value = psnr_y(target + 1 / 255, target, 4).item()
    assert value == pytest.approx(20 * math.log10(255 * 255 / 219), abs=1e-3)


def test_ssim_of_equal_images_and_of_constants():
    a, b = torch.full((1, 1, 16, 16), 0.4), torch.full((1, 1, 16, 16), 0.6)
    assert ssim(a, a).item() == pytest.approx(1)
    expected = (2 * 0.4 * 0.6 + 0.01**2) / (0.4**2 + 0.6**2 + 0.01**2)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-6)


def test_against_scikit_image(pair):
    reference = pytest.importorskip("skimage.metrics")
    for n in range(2):
        output, target = (to_y(image)[n, 0].numpy() for image in pair)
        structural = reference.structural_similarity(
            output,
            target,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert ssim_y(*pair, 0)[n].item() == pytest.approx(structural, abs=1e-7)
        plain = reference.peak_signal_noise_ratio(target, output, data_range=1)
        assert psnr_y(*pair, 0)[n].item() == pytest.approx(plain, abs=1e-9)


def test_strips_do_not_change_ssim(pair, monkeypatch):
    whole = ssim(*pair)
    monkeypatch.setattr(metrics, "_STRIP", 7)
    torch.testing.assert_close(ssim(*pair), whole)


def test_border_is_left_out(pair):
    output, target = pair
    spoiled = output.clone()
    spoiled[..., :4, :] = 0
    spoiled[..., -4:] = 1
    assert torch.equal(psnr_y(spoiled, target, 4), psnr_y(output, target, 4))
    assert torch.equal(ssim_y(spoiled, target, 4), ssim_y(output, target, 4))
    assert crop_border(output, 0).shape == output.shape


def test_float32_and_uint8_do_not_wrap():
    low, high = torch.zeros(1, 1, 12, 12, dtype=torch.uint8), torch.full((1, 1, 12, 12), 255)
    assert psnr(low, high.byte(), 255).item() == pytest.approx(0)


def test_ssim_says_what_is_too_small():
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))


def test_means_are_per_image(pair):
    both = psnr(*pair)
    each = [psnr(pair[0][n : n + 1], pair[1][n : n + 1]).item() for n in range(2)]
    np.testing.assert_allclose(both.numpy(), each)
