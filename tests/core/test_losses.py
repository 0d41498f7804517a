"""Each loss against its closed form in float64, at its optimum, and far from zero."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from imgan.core import (
    GanLoss,
    Hinge,
    LeastSquares,
    MaximumLikelihood,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    Wasserstein,
)

LOSSES: list[GanLoss] = [
    Minimax(),
    NonSaturating(),
    NonSaturating(smoothing=0.1),
    MaximumLikelihood(),
    LeastSquares(),
    LeastSquares(real_target=1, fake_target=-1, generator_target=0),
    Wasserstein(),
    Hinge(),
    RelativisticAverage(),
]
logits = st.lists(st.floats(-15, 15), min_size=1, max_size=8).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)


def log_d(x: Tensor) -> Tensor:
    return torch.log(torch.sigmoid(x))


def log_not_d(x: Tensor) -> Tensor:
    return torch.log(torch.sigmoid(-x))


def closed_form(loss: GanLoss, real: Tensor, fake: Tensor) -> tuple[float, float]:
    """The papers' equations, written naively with sigmoid and log."""
    match loss:
        case Minimax() | MaximumLikelihood() | NonSaturating():
            s = loss.smoothing if isinstance(loss, NonSaturating) else 0.0
            d = -((1 - s) * log_d(real) + s * log_not_d(real)).mean() - log_not_d(fake).mean()
            odds = torch.sigmoid(fake) / torch.sigmoid(-fake)
            costs = {Minimax: log_not_d(fake), MaximumLikelihood: -odds}
            g = costs.get(type(loss), -log_d(fake)).mean()
        case LeastSquares(real_target=b, fake_target=a, generator_target=c):
            d = ((real - b) ** 2).mean() / 2 + ((fake - a) ** 2).mean() / 2
            g = ((fake - c) ** 2).mean() / 2
        case Wasserstein():
            d, g = fake.mean() - real.mean(), -fake.mean()
        case Hinge():
            d = -torch.minimum(real - 1, 0 * real).mean()
            d, g = d - torch.minimum(-fake - 1, 0 * fake).mean(), -fake.mean()
        case _:
            over, under = real - fake.mean(), fake - real.mean()
            d = -log_d(over).mean() - log_not_d(under).mean()
            g = -log_d(under).mean() - log_not_d(over).mean()
    return d.item(), g.item()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@settings(max_examples=30, deadline=None)
@given(real=logits, fake=logits)
def test_both_costs_equal_the_closed_form(loss: GanLoss, real: Tensor, fake: Tensor) -> None:
    d, g = closed_form(loss, real, fake)
    assert loss.discriminator(real, fake).item() == pytest.approx(d, rel=1e-9, abs=1e-9)
    assert loss.generator(fake, real).item() == pytest.approx(g, rel=1e-9, abs=1e-9)


GOLDEN = [  # at real = [2, -1], fake = [0.5, -3], from the plain math module
    (Minimax(), 1.2314270, -0.5113323),
    (NonSaturating(), 1.2314270, 1.7613323),
    (NonSaturating(smoothing=0.1), 1.2814270, 1.7613323),
    (MaximumLikelihood(), 1.2314270, -0.8492542),
    (LeastSquares(), 3.5625, 4.0625),
    (Wasserstein(), -1.75, 1.25),
    (Hinge(), 1.75, 1.25),
    (RelativisticAverage(), 0.6684392, 4.1684392),
]


@pytest.mark.parametrize(("loss", "d", "g"), GOLDEN, ids=repr)
def test_golden_values(loss: GanLoss, d: float, g: float) -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    assert loss.discriminator(real, fake).item() == pytest.approx(d, abs=1e-6)
    assert loss.generator(fake, real).item() == pytest.approx(g, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=3),
    n=st.integers(1, 4),
)
def test_maps_and_lists_average(loss: GanLoss, sizes: list[tuple[int, int]], n: int) -> None:
    real = [torch.randn(n, 1, h, w) for h, w in sizes]
    fake = [torch.randn(n, 1, h, w) for h, w in sizes]
    each_d = [loss.discriminator(x, y) for x, y in zip(real, fake, strict=True)]
    each_g = [loss.generator(y, x) for x, y in zip(real, fake, strict=True)]
    torch.testing.assert_close(loss.discriminator(real, fake), torch.stack(each_d).mean())
    torch.testing.assert_close(loss.generator(fake, real), torch.stack(each_g).mean())
    flat = loss.discriminator(real[0].flatten(), fake[0].flatten())
    torch.testing.assert_close(each_d[0], flat)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_half_precision_logits_are_judged_in_float32(loss: GanLoss) -> None:
    real, fake = torch.randn(16).bfloat16(), torch.randn(16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        cost = loss.discriminator(real, fake), loss.generator(fake, real)
    assert cost[0].dtype == cost[1].dtype == torch.float32
    torch.testing.assert_close(cost[0], loss.discriminator(real.float(), fake.float()))
    assert loss.generator(fake.double(), real.double()).dtype == torch.float64


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("logit", [-1e4, -40.0, 40.0, 1e4])
def test_costs_and_slopes_stay_finite_far_from_zero(loss: GanLoss, logit: float) -> None:
    real = torch.tensor([-logit], requires_grad=True)
    fake = torch.tensor([logit], requires_grad=True)
    for cost in (loss.discriminator(real, fake), loss.generator(fake, real)):
        assert cost.isfinite()
        slopes = torch.autograd.grad(cost, (real, fake), materialize_grads=True)
        assert all(slope.isfinite().all() for slope in slopes)


def test_a_rejected_fake_costs_its_logit() -> None:
    fake = torch.tensor([-40.0], requires_grad=True)
    cost = NonSaturating().generator(fake)
    assert cost.item() == 40.0  # log(sigmoid(x) + 1e-8) would say 18.4, without a slope
    cost.backward()
    assert fake.grad is not None and fake.grad.item() == -1.0


def test_maximum_likelihood_continues_along_its_tangent() -> None:
    loss = MaximumLikelihood(limit=2.0)
    fake = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64, requires_grad=True)
    values = torch.stack([loss.generator(x) for x in fake])
    expected = [-math.e, -math.exp(2), -math.exp(2) * 4]
    torch.testing.assert_close(values, torch.tensor(expected, dtype=torch.float64))
    (slope,) = torch.autograd.grad(values[2], fake)
    assert slope[2].item() == pytest.approx(-math.exp(2))


# Discrete distributions over five symbols: a critic is one logit a symbol.
P = torch.tensor([0.4, 0.3, 0.2, 0.05, 0.05], dtype=torch.float64)
Q = torch.tensor([0.1, 0.1, 0.2, 0.2, 0.4], dtype=torch.float64)
OPTIMA: list[tuple[GanLoss, Tensor]] = [
    (Minimax(), (P / Q).log()),  # D* = p / (p + q)
    (NonSaturating(), (P / Q).log()),
    (NonSaturating(smoothing=0.2), (0.8 * P / (0.2 * P + Q)).log()),
    (MaximumLikelihood(), (P / Q).log()),
    (LeastSquares(), P / (P + Q)),  # Mao et al., eq. 5
    (LeastSquares(2, -1, 0), (2 * P - Q) / (P + Q)),
    (Hinge(), torch.sign(P - Q)),
]


@pytest.mark.parametrize(("loss", "optimum"), OPTIMA, ids=repr)
@settings(max_examples=25, deadline=None)
@given(shift=st.lists(st.floats(-2, 2), min_size=5, max_size=5))
def test_the_optimal_critic_is_the_minimum(
    loss: GanLoss, optimum: Tensor, shift: list[float]
) -> None:
    # Both distributions as samples: p and q are multiples of 1/20.
    real = torch.arange(5).repeat_interleave((20 * P).round().long())
    fake = torch.arange(5).repeat_interleave((20 * Q).round().long())

    def cost(critic: Tensor) -> Tensor:
        return loss.discriminator(critic[real], critic[fake])

    best = optimum.clone().requires_grad_()
    other = cost(optimum + torch.tensor(shift, dtype=torch.float64))
    assert cost(best).item() <= other.item() + 1e-12
    if not isinstance(loss, Hinge):  # a kink, not a stationary point
        (slope,) = torch.autograd.grad(cost(best), best)
        torch.testing.assert_close(slope, torch.zeros_like(slope))


def test_the_generators_of_the_optimal_critic() -> None:
    """At D*, minimax measures Jensen-Shannon, and maximum likelihood descends KL(data || model)."""
    critic = (P / Q).log()
    real, fake = [(20 * d).round().long() for d in (P, Q)]
    cost = Minimax().discriminator(critic.repeat_interleave(real), critic.repeat_interleave(fake))
    middle = (P + Q) / 2
    js = 0.5 * (P * (P / middle).log()).sum() + 0.5 * (Q * (Q / middle).log()).sum()
    torch.testing.assert_close(-cost, 2 * js - math.log(4))
    # d/dtheta E_q[-exp(critic)] = sum dq * (-p/q), which is d/dtheta KL(p || q).
    theta = Q.log().requires_grad_()
    kl = (P * (P / theta.softmax(0)).log()).sum()
    surrogate = (theta.softmax(0) * -critic.exp()).sum()
    slopes = [torch.autograd.grad(value, theta)[0] for value in (kl, surrogate)]
    torch.testing.assert_close(slopes[0], slopes[1])


def test_impossible_arguments_are_refused() -> None:
    x = torch.zeros(2)
    with pytest.raises(ValueError, match="needs the real logits"):
        RelativisticAverage().generator(x)
    with pytest.raises(ValueError, match="2 scales of real"):
        RelativisticAverage().discriminator([x, x], [x])
    with pytest.raises(ValueError, match="empty list"):
        Hinge().discriminator([], [])
    with pytest.raises(ValueError, match="smoothing"):
        NonSaturating(smoothing=1.0)
