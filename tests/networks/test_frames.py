"""The networks of next-frame prediction: shapes, what they start as, how far they see."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad

from imgan.networks import MovingLayers, MultiscalePredictor, SimVP
from imgan.networks.simvp import FARTHEST, fetch, matches


def simvp(**more):
    torch.manual_seed(0)
    return SimVP(**{"width": 4, "hidden": 8, "blocks": 1} | more)


def predictor(**more):
    torch.manual_seed(0)
    return MultiscalePredictor(**{"width": 4, "scales": 2} | more)


def layers(**more):
    torch.manual_seed(0)
    return MovingLayers(**{"width": 8, "hidden": 16, "depth": 1} | more)


@pytest.mark.parametrize("kind", [simvp, predictor, layers])
@settings(max_examples=8, deadline=None)
@given(
    past=st.integers(1, 4),
    future=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
    tall=st.integers(1, 3),
    wide=st.integers(1, 3),
)
def test_any_number_of_frames_and_size(kind, past, future, channels, tall, wide):
    network = kind(past=past, future=future, channels=channels)
    side = network.size_multiple
    frames = torch.rand(2, past, channels, tall * side, wide * side)
    out = network(frames)
    assert out.shape == (2, future, channels, tall * side, wide * side)
    assert out.dtype == torch.float32
    assert out.isfinite().all()


def test_a_residual_network_starts_as_a_copy_of_the_last_frame():
    frames = torch.rand(2, 4, 3, 16, 24)
    out = simvp(past=4, future=2)(frames)
    assert torch.equal(out, frames[:, -1:].expand(-1, 2, -1, -1, -1))
    free = simvp(past=4, future=2, residual=False)(frames)
    assert not torch.allclose(free, out)


@pytest.mark.parametrize("past", [1, 2, 4])
def test_a_network_of_motion_starts_as_a_copy_and_learns_where_to_fetch_from(past):
    network = simvp(past=past, future=2, motion=True)
    frames = torch.rand(2, past, 3, 16, 24)
    out = network(frames)
    assert torch.allclose(out, frames[:, -1:].expand(-1, 2, -1, -1, -1), atol=1e-5)
    out.square().sum().backward()
    assert network.motion[-1].weight.grad.abs().sum() > 0


@given(right=st.integers(-5, 5), down=st.integers(-5, 5))
@settings(max_examples=20, deadline=None)
def test_pixels_are_fetched_from_where_the_flow_says(right, down):
    image = torch.rand(1, 2, 12, 14)
    flow = torch.tensor([right, down]).view(1, 2, 1, 1).expand(1, 2, 12, 14)
    rows = (torch.arange(12) + down).clamp(0, 11)  # beyond the border as at it
    columns = (torch.arange(14) + right).clamp(0, 13)
    wanted = image[:, :, rows][..., columns]
    assert torch.allclose(fetch(image, flow.float()), wanted, atol=1e-5)
    half = fetch(image, torch.full((1, 2, 12, 14), 0.5))
    mean = (
        image[..., :-1, :-1] + image[..., 1:, :-1] + image[..., :-1, 1:] + image[..., 1:, 1:]
    ) / 4
    assert torch.allclose(half[..., :-1, :-1], mean, atol=1e-5)


def test_matches_are_the_products_at_every_offset():
    one, other = torch.randn(2, 3, 5, 7), torch.randn(2, 3, 5, 7)
    wide = pad(other, (2, 2, 2, 2))
    wanted = [
        (one * wide[:, :, down : down + 5, right : right + 7]).sum(1)
        for down in range(5)
        for right in range(5)
    ]
    assert torch.allclose(matches(one, other, 2), torch.stack(wanted, 1), atol=1e-5)


def test_nothing_is_fetched_from_farther_than_the_reach_allows():
    network = simvp(past=2, motion=True)
    torch.nn.init.constant_(network.motion[-1].bias, 1000.0)
    frames = torch.zeros(1, 2, 3, 8, 120)
    frames[..., 100] = 1
    seen = network(frames)[0, 0, 0, 0].nonzero().flatten()
    assert seen.tolist() == [100 - FARTHEST]
    assert network.reach > FARTHEST


@pytest.mark.parametrize("motion", [False, True])
def test_every_past_frame_and_the_whole_reach_count(motion):
    network = simvp(past=3, future=1, channels=1, residual=False, motion=motion).double()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.01, 0.1)
    side = 8 * (2 * network.reach // 8 + 3)
    frames = torch.rand(1, 3, 1, 8, side, dtype=torch.float64, requires_grad=True)
    network(frames)[0, 0, 0, 4, side // 2].backward()
    seen = frames.grad[0, :, 0].abs().sum(1) > 0  # [3, side]
    assert seen.any(1).all()
    columns = seen.any(0).nonzero().flatten()
    assert side // 2 - columns.min() <= network.reach
    assert columns.max() - side // 2 <= network.reach
    assert columns.min() > 0
    assert columns.max() < side - 1


def test_memory_format_changes_nothing():
    network = simvp(past=2, future=1, residual=False)
    frames = torch.rand(1, 2, 3, 16, 16)
    plain = network(frames)
    last = network.to(memory_format=torch.channels_last)(frames)
    assert torch.allclose(plain, last, atol=1e-6)


def convolutions(net):
    return [module for module in net if isinstance(module, torch.nn.Conv2d)]


@pytest.mark.parametrize("scales", [1, 2, 3, 4])
def test_the_multiscale_predictor_sees_as_far_as_its_reach_and_no_farther(scales):
    network = predictor(past=1, channels=1, width=1, scales=scales).double()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.01, 0.1)
    cell = network.size_multiple
    middle = cell * (network.reach // cell + 2)
    farthest = 0
    for place in range(middle, middle + cell):
        frames = 1 + torch.rand(1, 1, 1, cell, 2 * middle + cell, dtype=torch.float64)
        frames.requires_grad_()
        network(frames)[0, 0, 0, 0, place].backward()
        columns = frames.grad[0, 0, 0].abs().sum(0).nonzero().flatten()
        farthest = max(farthest, place - int(columns.min()), int(columns.max()) - place)
    assert farthest == network.reach


def test_sizes_of_the_paper():
    # Table 1: 4 past frames, RGB; every network sees the past and the frame from the scale below.
    network = MultiscalePredictor()
    small, large = [128, 256, 128, 3], [128, 256, 512, 256, 128, 3]
    for net, made, kernels in zip(
        network.nets,
        [small, small, large, large],
        [[3, 3, 3, 3], [5, 3, 3, 5], [5, 3, 3, 3, 3, 5], [7, 5, 5, 5, 5, 7]],
        strict=True,
    ):
        assert [conv.out_channels for conv in convolutions(net)] == made
        assert [conv.in_channels for conv in convolutions(net)] == [15, *made[:-1]]
        assert [conv.kernel_size[0] for conv in convolutions(net)] == kernels
        assert isinstance(net[-1], torch.nn.Conv2d)  # the answer may be below zero


def test_each_scale_adds_to_the_enlarged_one_below():
    # Equation 2: Y_k = u(Y_k-1) + G_k(X_k, u(Y_k-1)).
    network = predictor(past=3, future=2, width=4, scales=3)
    frames = torch.rand(2, 3, 3, 16, 24)
    pooled = [torch.nn.functional.avg_pool2d(frames.flatten(1, 2) - 0.5, f) for f in (4, 2, 1)]
    answer = pooled[0][:, -3:].repeat(1, 2, 1, 1)
    for k, (seen, net) in enumerate(zip(pooled, network.nets, strict=True)):
        if k:
            answer = torch.nn.functional.interpolate(answer, scale_factor=2, mode="bilinear")
        answer = answer + net(torch.cat([seen, answer], dim=1))
    out = network(frames)
    assert torch.allclose(out, 0.5 + answer.unflatten(1, (2, 3)), atol=1e-6)
    for net, change in zip(network.nets, (0.1, 0.2, 0.4), strict=True):
        torch.nn.init.zeros_(convolutions(net)[-1].weight)
        torch.nn.init.constant_(convolutions(net)[-1].bias, change)
    flat = torch.full((1, 3, 3, 16, 24), 0.25)
    assert torch.allclose(network(flat), torch.tensor(0.95))
