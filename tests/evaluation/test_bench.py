"""The measuring of a training step: counts are exact, times are of the right thing."""

import time

import pytest
import torch
from torch import nn

from imgan.errors import ImganError
from imgan.evaluation.bench import bench_training, convolution_peak
from imgan.evaluation.bench_upscale import bench_upscale

CPU = torch.device("cpu")


def test_a_step_whose_figures_are_known():
    convolution = nn.Conv2d(4, 8, 3, padding=1)
    batch = torch.zeros(2, 4, 16, 16)
    asked = []

    def next_batch():
        asked.append(None)
        time.sleep(0.002)
        return batch

    def step(given):
        assert given is batch
        time.sleep(0.01)
        convolution(given).sum().backward()

    row = bench_training(
        next_batch,
        step,
        images_per_batch=2,
        images_per_step=4,
        device=CPU,
        dtype=torch.float32,
        channels_last=False,
        steps=5,
    )
    forward = 2 * 2 * 8 * 16 * 16 * 4 * 9
    assert row["step_gflop"] == pytest.approx(2 * forward / 1e9)  # the input has no gradient
    assert len(asked) == 10
    assert 0.01 < row["step_seconds"] < 0.5
    assert row["step_images_per_second"] == pytest.approx(4 / row["step_seconds"])
    assert row["loader_images_per_second"] < 2 / 0.002
    assert row["peak_share"] == pytest.approx(row["gflops"] / row["peak_gflops"])
    assert row["peak_mb"] > 0
    assert row["precision"] == "float32"


@pytest.mark.parametrize("channels_last", [False, True])
def test_peak_is_plausible(channels_last, monkeypatch):
    monkeypatch.setattr("imgan.evaluation.bench._PEAK_SECONDS", 0.05)
    assert 1e8 < convolution_peak(CPU, torch.float32, channels_last) < 1e14


def test_upscaling_is_measured_in_a_process_of_its_own():
    (row,) = bench_upscale([(24, 16)], "x4-mse", "cpu", "float32", repeats=1)
    assert (row["input"], row["output"], row["precision"]) == ("24x16", "96x64", "float32")
    assert 0 < row["seconds_min"] <= row["seconds"] < 10
    assert row["megapixels_per_second"] == pytest.approx(96 * 64 / 1e6 / row["seconds"])
    assert row["peak_mb"] > 100  # torch is in it
    with pytest.raises(ImganError, match="measuring 8x8 failed: there is no model x9"):
        bench_upscale([(8, 8)], "x9", "cpu")
