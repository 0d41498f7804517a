"""Freezing, reversing, unrolling and noise: what happens between the two players."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imgan.core import (
    InstanceNoise,
    NonSaturating,
    Unroll,
    Wasserstein,
    frozen,
    reversal_strength,
    reverse_gradient,
)


@settings(max_examples=20, deadline=None)
@given(flags=st.lists(st.booleans(), min_size=4, max_size=4), fails=st.booleans())
def test_frozen_restores_each_flag(flags: list[bool], fails: bool) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    for parameter, flag in zip(module.parameters(), flags, strict=True):
        parameter.requires_grad_(flag)
    try:
        with frozen(module, module[0]):  # shared parameters, too
            assert not any(p.requires_grad for p in module.parameters())
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert [p.requires_grad for p in module.parameters()] == flags


def test_frozen_lets_the_gradient_through_to_the_input() -> None:
    module = nn.Linear(2, 1)
    x = torch.randn(3, 2, requires_grad=True)
    with frozen(module):
        score = module(x).sum()
    score.backward()
    torch.testing.assert_close(x.grad, module.weight.detach().expand(3, 2))
    assert module.weight.grad is None and module.bias.grad is None


@settings(max_examples=20, deadline=None)
@given(strength=st.floats(0, 3))
def test_reversal_is_the_identity_with_a_negated_slope(strength: float) -> None:
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    y = reverse_gradient(x, strength)
    assert torch.equal(x, y)
    (slope,) = torch.autograd.grad(y.sin().sum(), x)
    torch.testing.assert_close(slope, -strength * x.cos())


def test_reversal_differentiates_twice_and_in_any_precision() -> None:
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((reverse_gradient(x, 2.0) ** 3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    # The slope is -2 * 3 y^2 as a function of the reversed y, so the second one is reversed again.
    torch.testing.assert_close(second, 4 * 6 * x)
    half = torch.randn(3, dtype=torch.bfloat16, requires_grad=True)
    reverse_gradient(half).sum().backward()
    assert half.grad is not None and half.grad.dtype == torch.bfloat16


def test_the_reversals_schedule() -> None:
    assert reversal_strength(0.0) == 0.0
    assert reversal_strength(0.5) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert reversal_strength(1.0) == pytest.approx(0.9999092)
    with pytest.raises(ValueError, match="progress"):
        reversal_strength(1.1)


class Scale(nn.Module):
    """D(x) = w * x, and G with a constant output."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x


@settings(max_examples=20, deadline=None)
@given(w=st.floats(-2, 2), theta=st.floats(-2, 2), steps=st.integers(0, 5))
def test_unrolling_the_bilinear_game_by_hand(w: float, theta: float, steps: int) -> None:
    """V = w (theta - r): w_k = w - k lr (theta - r), so d(-w_k theta)/dtheta has a second term."""
    lr, r = 0.1, 0.5
    critic = Scale(w)
    fake = torch.tensor([theta], dtype=torch.float64, requires_grad=True)
    real = torch.tensor([r], dtype=torch.float64)
    unrolled = Unroll(steps, lr)(critic, [critic], loss=Wasserstein(), real=real, fake=fake)
    Wasserstein().generator(unrolled(fake)).backward()
    assert fake.grad is not None
    expected = -(w - steps * lr * (theta - r)) + steps * lr * theta
    assert fake.grad.item() == pytest.approx(expected, abs=1e-12)
    assert critic.w.grad is None and critic.w.item() == w


def test_unrolling_equals_real_steps_of_descent() -> None:
    """With a closure, batch statistics and a fixed part it answers as a trained critic."""
    layers = [nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)]
    critic = nn.Sequential(*layers).double()
    layers[0].bias.requires_grad_(False)
    condition, real, fake = torch.randn(3, 6, 1, dtype=torch.float64).unbind()
    real, fake = real.expand(6, 2), fake.expand(6, 2)

    def closure(x: Tensor) -> Tensor:
        return critic(torch.cat([condition, x], dim=1))

    loss, before = NonSaturating(), {k: v.clone() for k, v in critic.state_dict().items()}
    unrolled = Unroll(3, 0.1)(closure, [critic], loss=loss, real=real, fake=fake)
    answer = unrolled(fake)
    assert all(torch.equal(v, before[k]) for k, v in critic.state_dict().items())
    assert all(p.grad is None for p in critic.parameters())

    moving = [p for p in critic.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(moving, lr=0.1)
    for _ in range(3):
        sgd.zero_grad()
        loss.discriminator(closure(real), closure(fake)).backward()
        sgd.step()
    torch.testing.assert_close(answer, closure(fake))


def test_noise_anneals_linearly_to_nothing() -> None:
    noise, x = InstanceNoise(std=0.4, until=100), torch.zeros(20_000)
    for move, std in [(0, 0.4), (25, 0.3), (75, 0.1)]:
        assert noise(x, move).std().item() == pytest.approx(std, rel=0.05)
    assert noise(x, 100) is x and noise(x, 500) is x
    with pytest.raises(ValueError, match="until"):
        InstanceNoise(until=0)
