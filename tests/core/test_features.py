"""Feature matching, and the layers that see the batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imgan.core import (
    MinibatchDiscrimination,
    MinibatchStdDev,
    VirtualBatchNorm,
    feature_matching,
    mean_feature_matching,
)


def test_feature_matching_averages_layers_and_detaches_the_real_side() -> None:
    real = [torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 1, 4, 4, requires_grad=True)]
    fake = [torch.full((2, 3), 2.0, requires_grad=True), torch.full((2, 1, 4, 4), -1.0)]
    distance = feature_matching(real, fake)
    assert distance.item() == pytest.approx((2 + 1) / 2)
    distance.backward()
    assert real[0].grad is None and fake[0].grad is not None
    with pytest.raises(ValueError, match="1 layers of real"):
        feature_matching(real[:1], fake)


def test_mean_feature_matching_ignores_the_pairing() -> None:
    real = torch.randn(6, 5)
    assert mean_feature_matching([real], [real.flip(0)]).item() == pytest.approx(0, abs=1e-12)
    assert mean_feature_matching([real], [real + 2]).item() == pytest.approx(4)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 9))
def test_minibatch_stddev(n: int) -> None:
    layer, x = MinibatchStdDev(), torch.randn(n, 3, 2, 5)
    y = layer(x)
    assert y.shape == (n, 4, 2, 5) and torch.equal(y[:, :3], x)
    alike = layer(x[:1].expand(n, -1, -1, -1))[:, 3]
    torch.testing.assert_close(alike, torch.full_like(alike, 1e-4))
    assert n == 1 or y[0, 3, 0, 0] > 0.1  # something is compared, whatever the batch
    if n in (1, 2, 3, 4, 5, 7):  # one group
        expected = (x.var(0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(y[:, 3], expected.expand(n, 2, 5))


def test_minibatch_discrimination_counts_close_neighbours() -> None:
    layer = MinibatchDiscrimination(5, kernels=3)
    alike = layer(torch.randn(1, 5).expand(4, 5))[:, 5:]
    torch.testing.assert_close(alike, torch.full((4, 3), 3.0))
    apart = layer(100 * torch.randn(4, 5))
    assert apart.shape == (4, 8) and apart[:, 5:].max() < 0.5


def test_minibatch_discrimination_sees_far_neighbours_in_half_precision() -> None:
    """A closeness of 1e-3 beside the 1 of a sample to itself would vanish in bf16."""
    layer = MinibatchDiscrimination(4, kernels=2, dimensions=1)
    nn.init.ones_(layer.projection)
    points = torch.tensor([[0.0], [1.75]]).expand(2, 4)  # 7 apart: exp(-7) = 9e-4
    with torch.autocast("cpu", torch.bfloat16):
        closeness = layer(points)[:, 4:]
    torch.testing.assert_close(closeness, torch.full((2, 2), 9.12e-4), rtol=0.01, atol=0)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 5))
def test_virtual_batch_norm_ignores_the_neighbours(n: int) -> None:
    layer = VirtualBatchNorm(3, reference_size=6)
    reference, x = torch.randn(6, 3, 4, 4), 2 + torch.randn(n, 3, 4, 4)
    together = layer(torch.cat([reference, x]))[6:]
    for i in range(n):
        alone = layer(torch.cat([reference, x[i : i + 1]]))[6:]
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)


def test_virtual_batch_norm_on_the_reference_is_batch_norm() -> None:
    layer, x = VirtualBatchNorm(3, reference_size=6), 5 + 2 * torch.randn(6, 3, 4, 4)
    torch.testing.assert_close(layer(x), nn.BatchNorm2d(3)(x), rtol=1e-4, atol=1e-4)
    flat = torch.randn(8, 3)
    joined = torch.cat([flat[:6], flat[6:7]])  # a sample counts as one more of the reference
    expected = (flat[6] - joined.mean(0)) / (joined.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(layer(flat)[6], expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="reference"):
        layer(flat[:3])


@pytest.mark.parametrize("shape", [(64, 8), (64, 8, 3, 3)])
def test_virtual_batch_norm_in_half_precision(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer, x = VirtualBatchNorm(8, reference_size=32), (torch.randn(shape) * 0.1 + 5).bfloat16()
    torch.testing.assert_close(layer(x).float(), layer(x.float()), rtol=0.01, atol=0.01)
