"""Per sample, in float32, differentiable, and blind to how the critic shapes its logits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imgan.core import R1, R2, Dragan, Penalty, WganGP, gradient_norms

PENALTIES: list[Penalty] = [R1(), R2(), WganGP(), Dragan()]


def small_critic() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1))


def value_and_slopes(penalty: Penalty, critic: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    torch.manual_seed(1)
    value = penalty(critic, x, y)
    return [value, *torch.autograd.grad(value, list(critic.parameters()))]


@pytest.mark.parametrize("penalty", [WganGP(), Dragan()], ids=repr)
@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 8), scale=st.floats(0.1, 10))
def test_a_1_lipschitz_critic_pays_nothing(penalty: Penalty, n: int, scale: float) -> None:
    direction = torch.randn(3, 4, 4, dtype=torch.float64)
    direction /= direction.norm()
    real, fake = scale * torch.randn(2, n, 3, 4, 4, dtype=torch.float64)
    value = penalty(lambda x: (x * direction).sum((1, 2, 3)), real, fake)
    assert abs(value.item()) < 1e-20


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 8), steep=st.floats(0.1, 5))
def test_values_on_a_linear_critic(n: int, steep: float) -> None:
    """grad D = steep everywhere, whatever the batch size."""
    real, fake = torch.randn(2, n, 1, dtype=torch.float64)

    def critic(x: Tensor) -> Tensor:
        return steep * x

    for zero_centered in (R1(weight=3.0), R2(weight=3.0)):
        assert zero_centered(critic, real, fake).item() == pytest.approx(1.5 * steep**2)
    for one_centered in (WganGP(weight=3.0), Dragan(weight=3.0)):
        value = one_centered(critic, real, fake).item()
        assert value == pytest.approx(3 * (steep - 1) ** 2, abs=1e-12)


def test_points_where_each_penalty_looks() -> None:
    """D(x) = x^2 / 2 has the slope x, which shows where a penalty was taken."""
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [5.0]])
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x**2 / 2

    assert R1(weight=2.0)(critic, real, fake).item() == pytest.approx((1 + 9) / 2)
    assert R2(weight=2.0)(critic, real, fake).item() == pytest.approx(25)
    WganGP()(critic, real, fake)
    assert ((seen[-1] > real) & (seen[-1] < fake)).all()
    share = (seen[-1] - real) / (fake - real)
    assert share[0] != share[1]  # a place of its own for each sample
    Dragan(spread=0.0)(critic, real, fake)
    torch.testing.assert_close(seen[-1], real)


def test_dragans_noise_is_a_share_of_the_batchs_spread() -> None:
    """Of the whole batch as one set of numbers, and blind to its mean."""
    real, seen = 7 + 3 * torch.randn(400, 3, 8, 8), []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach() - real)
        return x**2

    Dragan(spread=0.25)(critic, real, real)
    assert seen[0].std().item() == pytest.approx(0.25 * 3, rel=0.02)
    assert seen[0].mean().item() == pytest.approx(0, abs=0.02)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 4), w=st.floats(-3, 3))
def test_double_backward_equals_the_analytic_slope(n: int, w: float) -> None:
    """D(x) = w x^2 / 2: R1 = 5 w^2 E x^2, hence dR1/dw = 10 w E x^2."""
    weight = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    real = torch.randn(n, 1, dtype=torch.float64)
    value = R1(weight=10.0)(lambda x: weight * x**2 / 2, real, real)
    value.backward()
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(10 * w * real.square().mean().item(), abs=1e-12)
    # D(x) = w x: WGAN-GP = 10 (|w| - 1)^2.
    weight.grad = None
    WganGP(weight=10.0)(lambda x: weight * x, real, real + 1).backward()
    assert weight.grad is not None
    if abs(w) > 1e-6:  # |w| has a kink at 0
        slope = 20 * (abs(w) - 1) * (1 if w > 0 else -1)
        assert weight.grad.item() == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_autocast_changes_nothing(penalty: Penalty) -> None:
    critic, (real, fake) = small_critic(), torch.randn(2, 4, 3, 8, 8)
    plain = value_and_slopes(penalty, critic, real, fake)
    with torch.autocast("cpu", torch.bfloat16):
        cast = value_and_slopes(penalty, critic, real, fake)
    for a, b in zip(plain, cast, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_half_precision_samples_are_penalized_in_float32(penalty: Penalty) -> None:
    real, fake = torch.randn(2, 4, 3, 8, 8).bfloat16()
    assert penalty(small_critic(), real, fake).dtype == torch.float32


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_the_score_of_maps_and_lists_is_their_mean(penalty: Penalty) -> None:
    critic, (real, fake) = small_critic(), torch.randn(2, 4, 3, 8, 8)
    values = []
    for shaped in (
        critic,
        lambda x: critic(x).mean((1, 2, 3)),
        lambda x: [critic(x)[:, :, :4], critic(x)[:, :, 4:]],
    ):
        torch.manual_seed(1)
        values.append(penalty(shaped, real, fake))
    torch.testing.assert_close(values[1], values[0])
    torch.testing.assert_close(values[2], values[0])


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_every_parameter_gets_a_gradient(penalty: Penalty) -> None:
    """No slope depends on the last bias, yet DDP wants a gradient for it."""
    critic = small_critic()
    penalty(critic, *torch.randn(2, 2, 3, 4, 4)).backward()
    assert all(p.grad is not None for p in critic.parameters())


def test_samples_and_their_graph_are_left_alone() -> None:
    fake = torch.randn(2, 3, 4, 4, requires_grad=True)
    for penalty in PENALTIES:
        penalty(small_critic(), torch.randn(2, 3, 4, 4), fake).backward()
    assert fake.grad is None


def test_a_dead_critic_has_finite_slopes() -> None:
    dead = nn.Linear(3, 1)
    nn.init.zeros_(dead.weight)
    WganGP()(dead, torch.randn(2, 3), torch.randn(2, 3)).backward()
    assert dead.weight.grad is not None and dead.weight.grad.isfinite().all()


@pytest.mark.parametrize("kind", [WganGP, Dragan])
def test_an_own_random_source_repeats(kind: type[WganGP] | type[Dragan]) -> None:
    critic, (real, fake) = small_critic(), torch.randn(2, 4, 3, 8, 8)
    before = torch.get_rng_state()
    first, second = [
        kind(rng=torch.Generator().manual_seed(3))(critic, real, fake) for _ in range(2)
    ]
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_norms_are_per_sample() -> None:
    squares, zero = gradient_norms(
        lambda x: x.square().sum(1) / 2, torch.tensor([[3.0, 4], [0, 1]])
    )
    torch.testing.assert_close(squares, torch.tensor([25.0, 1.0]))
    assert zero.item() == 0


def test_unequal_shapes_have_no_lines_between_them() -> None:
    with pytest.raises(ValueError, match="differ"):
        WganGP()(small_critic(), torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 5))


@pytest.mark.parametrize("counts", [(2, 7), (7, 2)])
def test_unequal_counts_meet_at_random(counts: tuple[int, int]) -> None:
    real, fake = (torch.randn(n, 5) for n in counts)
    seen = []

    def critic(samples: Tensor) -> Tensor:
        seen.append(samples)
        return samples.sum(1)

    torch.testing.assert_close(WganGP(1.0)(critic, real, fake), torch.tensor((5**0.5 - 1) ** 2))
    assert seen[0].shape == real.shape
