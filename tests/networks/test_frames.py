"""The networks of next-frame prediction: shapes, what they start as, how far they see."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.networks import MultiscalePredictor, SimVP


def simvp(**more):
    torch.manual_seed(0)
    return SimVP(**{"width": 4, "hidden": 8, "blocks": 1} | more)


def predictor(**more):
    torch.manual_seed(0)
    return MultiscalePredictor(**{"width": 4, "scales": 2} | more)


@pytest.mark.parametrize("kind", [simvp, predictor])
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


def test_every_past_frame_and_the_whole_reach_count():
    network = simvp(past=3, future=1, channels=1, residual=False).double()
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


def test_sizes_of_the_paper():
    # Table 1: 4 past frames, RGB; the largest network's kernels are 7, 5, 5, 5, 5, 7.
    network = MultiscalePredictor()
    assert [len(list(net.children())) for net in network.nets] == [7, 7, 11, 11]
    kernels = [m.kernel_size[0] for m in network.nets[3] if isinstance(m, torch.nn.Conv2d)]
    assert kernels == [7, 5, 5, 5, 5, 7]
