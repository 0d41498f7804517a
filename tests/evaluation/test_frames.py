"""The figures of predicted frames, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.errors import ImganError
from imgan.evaluation import frames as module
from imgan.evaluation.frames import (
    METRICS,
    gradient_share,
    moving_pixels,
    score,
    sharpness_difference,
    ssim,
)
from imgan.evaluation.metrics import psnr as whole_psnr
from imgan.evaluation.metrics import ssim as whole_ssim


def images(count: int = 2, channels: int = 3, height: int = 20, width: int = 24, seed: int = 0):
    return torch.rand(
        (count, channels, height, width), generator=torch.Generator().manual_seed(seed)
    )


def test_sharpness_difference_is_the_papers_equation() -> None:
    output, truth = images(1, 1, 5, 6), images(1, 1, 5, 6, seed=1)
    total, y, z = 0.0, truth[0, 0].double(), output[0, 0].double()
    for i in range(1, 5):
        for j in range(1, 6):
            own = abs(y[i, j] - y[i - 1, j]) + abs(y[i, j] - y[i, j - 1])
            other = abs(z[i, j] - z[i - 1, j]) + abs(z[i, j] - z[i, j - 1])
            total += abs(own - other)
    wanted = 10 * math.log10(1 / (total / 20))
    assert sharpness_difference(output, truth).item() == pytest.approx(wanted)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-0.2, 0.2))
def test_sharpness_does_not_see_brightness(seed, shift) -> None:
    truth = images(1, seed=seed) * 0.5 + 0.25
    assert sharpness_difference(truth + shift, truth).item() > 59
    assert gradient_share(truth + shift, truth).item() == pytest.approx(1, abs=1e-4)


def test_blur_loses_gradient_and_noise_gains_it() -> None:
    truth = images(1)
    blurred = torch.nn.functional.avg_pool2d(truth, 3, 1, 1)
    assert gradient_share(blurred, truth).item() < 0.6
    assert gradient_share(truth * 2, truth).item() == pytest.approx(2)


def test_over_all_pixels_they_are_the_known_ones(monkeypatch) -> None:
    output, truth = images(3), images(3, seed=1)
    rows = score(output, truth, truth[0])
    for row, psnr, similarity in zip(
        rows, whole_psnr(output, truth), whole_ssim(output, truth), strict=True
    ):
        assert row["psnr"] == pytest.approx(psnr.item())
        assert row["ssim"] == pytest.approx(similarity.item())
    assert rows[1]["mse"] == pytest.approx((output[1] - truth[1]).square().sum().item(), rel=1e-5)
    monkeypatch.setattr(module, "_STRIP", 4)
    for row, again in zip(rows, score(output, truth, truth[0]), strict=True):
        assert again == pytest.approx(row)


def test_moving_pixels_are_those_that_change_and_their_neighbours() -> None:
    last = torch.full((3, 20, 20), 0.5)
    truth = last.repeat(2, 1, 1, 1)
    truth[0, 1, 10, 10] += 11 / 255  # one channel is enough
    truth[1, :, 10, 10] += 9 / 255
    moving = moving_pixels(truth, last)
    assert moving.shape == (2, 1, 20, 20)
    assert moving[0, 0].nonzero().tolist() == [[i, j] for i in range(8, 13) for j in range(8, 13)]
    assert not moving[1].any()


def test_moving_figures_are_of_moving_pixels_alone() -> None:
    last = images(1, 1, 32, 32)[0]
    truth = last.repeat(2, 1, 1, 1)
    truth[:, :, 8:16, 8:16] = 1 - truth[:, :, 8:16, 8:16]
    moving = moving_pixels(truth, last)
    output = truth.clone()
    output[~moving] = 0  # wrong where nothing moves
    for row in score(output, truth, last):
        assert row["psnr"] < 20
        assert row["psnr_moving"] == 60
    inside = torch.where(moving, truth + 0.1, truth)
    for row in score(inside, truth, last):
        assert row["psnr_moving"] == pytest.approx(20, abs=1e-3)
        assert row["psnr"] > 20


def test_a_still_frame_has_no_moving_figures_and_finite_ones() -> None:
    truth = images(1)
    (row,) = score(truth, truth, truth[0])
    assert not any(name.endswith("_moving") for name in row)
    assert row == {"psnr": 60, "ssim": pytest.approx(1), "sharpness": 60, "gradient": 1, "mse": 0}
    flat = torch.full_like(truth, 0.5)
    assert "gradient" not in score(truth, flat, flat[0])[0]  # nothing to be as sharp as


def test_ssim_counts_the_positions_of_the_mask() -> None:
    output, truth = images(1, 1, 30, 30), images(1, 1, 30, 30, seed=1)
    output[:, :, :, 20:] = truth[:, :, :, 20:]
    mask = torch.zeros(1, 1, 30, 30, dtype=torch.bool)
    mask[:, :, 10, 26:] = True  # the last five columns have no whole window
    assert ssim(output, truth, mask)[0].isnan()
    mask[:, :, 10, 10] = True
    alone = whole_ssim(output[:, :, 5:16, 5:16], truth[:, :, 5:16, 5:16])
    assert ssim(output, truth, mask)[0].item() == pytest.approx(alone.item())


def test_lpips_is_of_rgb_and_small_frames_are_refused() -> None:
    seen = []

    def distance(output, truth):
        seen.append(output.shape)
        return (output - truth).abs().mean((1, 2, 3))

    rows = score(images(2, 1), images(2, 1, seed=1), images(1, 1)[0], distance)
    assert seen == [(2, 3, 20, 24)]
    assert [row["lpips"] > 0 for row in rows] == [True, True]
    assert list(rows[0]) == [name for name in METRICS if name in rows[0]]
    small = images(1, 3, 10, 40)
    with pytest.raises(ImganError, match="frames of 11 pixels and more, not 40x10"):
        score(small, small, small[0])


def test_digits_sum_is_the_standard_measure() -> None:
    rng = np.random.default_rng(0)
    output, truth = (torch.from_numpy(rng.random((4, 1, 64, 64))) for _ in range(2))
    rows = score(output, truth, truth[0])
    wanted = np.mean(np.sum((output.numpy() - truth.numpy()) ** 2, axis=(1, 2, 3)))
    assert np.mean([row["mse"] for row in rows]) == pytest.approx(wanted)
