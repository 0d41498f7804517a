"""The measuring of a training step: counts are exact, times are of the right thing."""

import time

import pytest
import torch
from torch import nn

from imgan.evaluation.bench import bench_training, convolution_peak

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
