"""The two moves: what is paid, who moves, what is logged, and what is left behind."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imgan.core import (
    R1,
    R2,
    AdversarialStep,
    GanLoss,
    Hinge,
    InstanceNoise,
    LeastSquares,
    MaximumLikelihood,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    Unroll,
    Wasserstein,
    WganGP,
    feature_matching,
    frozen,
)

LOSSES: list[GanLoss] = [
    Minimax(),
    NonSaturating(),
    MaximumLikelihood(),
    LeastSquares(),
    Wasserstein(),
    Hinge(),
    RelativisticAverage(),
]


def players(**arguments: Any) -> tuple[nn.Module, nn.Module, AdversarialStep]:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    critic = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    step = AdversarialStep(
        generator,
        critic,
        torch.optim.Adam(generator.parameters(), lr=0.01),
        torch.optim.Adam(critic.parameters(), lr=0.01),
        **arguments,
    )
    return generator, critic, step


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def same(module: nn.Module, before: list[Tensor]) -> bool:
    return all(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))


def clean(module: nn.Module) -> bool:
    return all(p.grad is None and p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("unroll", [None, Unroll(2, 0.1)], ids=["plain", "unrolled"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_each_move_moves_one_player_and_leaves_no_gradient(
    loss: GanLoss, unroll: Unroll | None
) -> None:
    generator, critic, step = players(loss=loss, unroll=unroll, penalties=[R1(), WganGP()])
    for _ in range(3):
        real, fake = torch.randn(8, 3), generator(torch.randn(8, 2))
        g, d = weights(generator), weights(critic)
        step.discriminator(critic, real=real, fake=fake)
        assert same(generator, g) and not same(critic, d)
        assert clean(generator) and clean(critic)
        d = weights(critic)
        step.generator(critic, fake=fake, real=real)
        assert not same(generator, g) and same(critic, d)
        assert clean(generator) and clean(critic)


def test_the_moves_are_those_of_a_plain_loop() -> None:
    """Golden: the same numbers as the loop that everyone writes by hand."""
    generator, critic, step = players(penalties=[R1(2.0)], weight=0.5)
    g, d = copy.deepcopy(generator), copy.deepcopy(critic)
    adam_g = torch.optim.Adam(g.parameters(), lr=0.01)
    adam_d = torch.optim.Adam(d.parameters(), lr=0.01)
    bce = nn.functional.binary_cross_entropy_with_logits
    for _ in range(5):
        z, real = torch.randn(8, 2), torch.randn(8, 3, requires_grad=True)
        fake = generator(z)
        log = step.discriminator(critic, real=real.detach(), fake=fake)
        log |= step.generator(critic, fake=fake, extra={"l1": fake.abs().mean()})

        fake, scores = g(z), d(real)
        (slope,) = torch.autograd.grad(scores.sum(), real, create_graph=True)
        adversarial = bce(scores, torch.ones(8, 1)) + bce(d(fake.detach()), torch.zeros(8, 1))
        r1 = slope.square().sum(1).mean()
        adam_d.zero_grad()
        (adversarial + r1).backward()
        adam_d.step()
        fooled = bce(d(fake), torch.ones(8, 1))
        adam_g.zero_grad()
        (0.5 * fooled + fake.abs().mean()).backward()
        adam_g.step()
        for name, value in {
            "d_adversarial": adversarial,
            "r1": r1,
            "d_loss": adversarial + r1,
            "g_adversarial": fooled,
            "l1": fake.abs().mean(),
            "g_loss": 0.5 * fooled + fake.abs().mean(),
        }.items():
            torch.testing.assert_close(log[name], value.detach())
    for one, other in ((generator, g), (critic, d)):
        torch.testing.assert_close(weights(one), weights(other))


def test_the_log_holds_detached_scalars() -> None:
    generator, critic, step = players(penalties=[R1(every=2)])
    fake = generator(torch.randn(8, 2))
    log = step.discriminator(critic, real=torch.randn(8, 3), fake=fake)
    log |= step.generator(critic, fake=fake, extra={"l1": fake.abs().mean()})
    assert set(log) == {
        *("d_loss", "d_adversarial", "r1", "grad_norm_d", "logits_real", "logits_fake"),
        *("accuracy_real", "accuracy_fake", "diversity"),
        *("g_loss", "g_adversarial", "l1", "grad_norm_g"),
    }
    assert all(v.shape == () and not v.requires_grad and v.isfinite() for v in log.values())


@settings(max_examples=10, deadline=None)
@given(every=st.integers(1, 4), moves=st.integers(1, 6))
def test_lazy_penalties_are_paid_on_each_nth_move_times_n(every: int, moves: int) -> None:
    generator, critic, step = players(penalties=[R1(1.0, every=every), R2(1.0)])
    for move in range(moves):
        log = step.discriminator(critic, real=torch.randn(4, 3), fake=generator(torch.randn(4, 2)))
        assert ("r1" in log) == (move % every == 0)
        paid = log["d_adversarial"] + log["r2"] + every * log.get("r1", torch.zeros(()))
        torch.testing.assert_close(log["d_loss"], paid)


def test_a_penalty_critic_of_its_own() -> None:
    generator, critic, step = players(penalties=[R1()])
    seen: list[torch.dtype] = []

    def strict(x: Tensor) -> Any:
        seen.append(x.dtype)
        return critic(x)

    def wrapped(x: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return critic(x).float()

    fake = generator(torch.randn(4, 2))
    log = step.discriminator(wrapped, real=torch.randn(4, 3), fake=fake, penalty_critic=strict)
    assert seen == [torch.float32] and "r1" in log


def test_the_condition_reaches_the_critic_by_closure() -> None:
    torch.manual_seed(0)
    generator, discriminator = nn.Linear(2, 3), nn.Linear(5, 1)
    sgd = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (generator, discriminator)]
    step = AdversarialStep(generator, discriminator, *sgd)
    source = torch.randn(8, 2)
    before = discriminator.weight.detach().clone()
    step.discriminator(
        lambda x: discriminator(torch.cat([source, x], dim=1)),
        real=torch.randn(8, 3),
        fake=generator(source),
    )
    # Real and fake share the source: its weights move only as the two verdicts differ, yet they do.
    assert (discriminator.weight[:, :2] != before[:, :2]).all()


def test_the_mse_twin_pays_only_extra() -> None:
    generator = nn.Linear(2, 3)
    step = AdversarialStep(
        generator, None, torch.optim.SGD(generator.parameters(), lr=0.1), loss=None
    )
    fake, before = generator(torch.randn(4, 2)), weights(generator)
    assert step.discriminator(None, real=fake, fake=fake) == {} and step.generator_due
    log = step.generator(fake=fake, extra={"mse": fake.square().mean()})
    assert set(log) == {"mse", "g_loss", "grad_norm_g"} and not same(generator, before)
    assert log["g_loss"] == log["mse"]
    with pytest.raises(ValueError, match="nothing to pay"):
        step.generator(fake=fake)


def test_a_round_without_a_game_pays_only_extra() -> None:
    generator, critic, step = players()
    kept, before = weights(critic), weights(generator)
    log = step.generator({}, fake={}, extra={"l1": generator(torch.randn(4, 2)).abs().mean()})
    assert set(log) == {"l1", "g_loss", "grad_norm_g"}
    assert same(critic, kept) and not same(generator, before)
    with pytest.raises(ValueError, match="nothing to pay"):
        step.generator({}, fake={})


def test_two_critics_and_one_generator_move() -> None:
    """CycleGAN's shape."""
    g = {key: nn.Linear(3, 3) for key in "ab"}
    d = {key: nn.Linear(3, 1) for key in "ab"}
    step = AdversarialStep(
        list(g.values()),
        list(d.values()),
        torch.optim.Adam(chain(*(m.parameters() for m in g.values()))),
        torch.optim.Adam(chain(*(m.parameters() for m in d.values()))),
        loss=RelativisticAverage(),
        penalties=[R1(every=2)],
    )
    real = {key: torch.randn(4, 3) for key in "ab"}
    fake = {"a": g["a"](real["b"]), "b": g["b"](real["a"])}
    log = step.discriminator(d, real=real, fake=fake)
    torch.testing.assert_close(log["d_adversarial"], log["d_a"] + log["d_b"])
    dues = 2 * (log["r1_a"] + log["r1_b"])
    torch.testing.assert_close(log["d_loss"], log["d_adversarial"] + dues)
    log |= step.generator(d, real=real, fake=fake, extra={"cycle": fake["a"].abs().mean()})
    torch.testing.assert_close(log["g_loss"], log["g_a"] + log["g_b"] + log["cycle"])
    assert {"accuracy_real_a", "logits_fake_b", "diversity_b"} <= log.keys()
    assert all(clean(m) for m in chain(g.values(), d.values()))


def test_an_extra_may_not_hide_a_cost_of_one_of_the_critics() -> None:
    generator, critic, step = players()
    critics, fake = nn.ModuleDict({"a": critic}), {"a": generator(torch.randn(4, 2))}
    log = step.discriminator(critics, real={"a": torch.randn(4, 3)}, fake=fake)
    assert "d_a" in log  # a ModuleDict is as good as a dict
    with pytest.raises(ValueError, match="'g_a'"):
        step.generator(critics, fake=fake, extra={"g_a": fake["a"].abs().mean()})
    assert "g_a" in step.generator(critics, fake=fake, extra={"a": fake["a"].abs().mean()})


def test_each_of_two_critics_is_unrolled_in_its_own_game() -> None:
    """The generator's gradients are those of two games with a step each, summed."""
    torch.manual_seed(0)
    g = {key: nn.Linear(3, 3) for key in "ab"}
    d = {key: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)) for key in "ab"}
    x, real = torch.randn(4, 3), {key: torch.randn(4, 3) for key in "ab"}

    def moved(keys: str) -> dict[str, Tensor]:
        players = {key: copy.deepcopy(g[key]) for key in keys}
        critics = {key: copy.deepcopy(d[key]) for key in keys}
        sgd = [
            torch.optim.SGD(chain(*(m.parameters() for m in side.values())), lr=1.0)
            for side in (players, critics)
        ]
        step = AdversarialStep(
            list(players.values()), list(critics.values()), *sgd, unroll=Unroll(2, 0.5)
        )
        fake = {key: players[key](x) for key in keys}
        step.generator(critics, real={key: real[key] for key in keys}, fake=fake)
        assert all(same(critics[key], weights(d[key])) for key in keys)
        return {key: players[key].weight.detach() for key in keys}

    torch.testing.assert_close(moved("ab"), moved("a") | moved("b"))


def test_micro_batches_accumulate_to_one_large_move() -> None:
    whole = players(penalties=[R1(every=2)], clip_d=0.5, clip_g=0.5)
    last = [True]
    parts = players(
        penalties=[R1(every=2)],
        clip_d=0.5,
        clip_g=0.5,
        backward=lambda loss: (loss / 2).backward(),
        sync=lambda: last[0],
    )
    for move in range(4):
        z, real = torch.randn(8, 2), torch.randn(8, 3)
        generator, critic, step = whole
        fake = generator(z)
        step.discriminator(critic, real=real, fake=fake)
        step.generator(critic, fake=fake)
        generator, critic, step = parts
        for half in range(2):
            last[0] = half == 1
            fake = generator(z[4 * half :][:4])
            log = step.discriminator(critic, real=real[4 * half :][:4], fake=fake)
            # The critic moves on the second half only: the generator's first meets the old one.
            assert ("grad_norm_d" in log) == last[0] and ("r1" in log) == (move % 2 == 0)
        assert step.moves == move + 1
        # Whole and parts differ in what the generator met, so compare the critics alone.
        torch.testing.assert_close(weights(whole[1]), weights(parts[1]))
        parts[0].load_state_dict(whole[0].state_dict())


def test_the_generators_micro_batches_keep_the_critics_gradients_apart() -> None:
    """On a micro-batch without a step the critic's own gradients must survive, and only they."""
    last = [False]
    generator, critic, step = players(sync=lambda: last[0])
    fake = generator(torch.randn(4, 2))
    step.discriminator(critic, real=torch.randn(4, 3), fake=fake)
    kept = [p.grad.clone() for p in critic.parameters() if p.grad is not None]
    step.generator(critic, fake=fake)
    for parameter, gradient in zip(critic.parameters(), kept, strict=True):
        assert parameter.grad is not None and torch.equal(parameter.grad, gradient)
    last[0] = True
    step.discriminator(critic, real=torch.randn(4, 3), fake=generator(torch.randn(4, 2)))
    assert clean(critic) and not clean(generator)  # the generator still waits for its own move


def test_clipping_bounds_the_step_and_logs_the_norm_before() -> None:
    def moved(clip: float | None) -> tuple[float, float]:
        torch.manual_seed(0)
        generator, critic = nn.Linear(2, 3), nn.Linear(3, 1)
        sgd = [torch.optim.SGD(m.parameters(), lr=1.0) for m in (generator, critic)]
        step = AdversarialStep(generator, critic, *sgd, clip_g=clip, clip_d=clip)
        before, fake = (
            torch.cat([p.flatten() for p in weights(critic)]),
            generator(torch.ones(4, 2)),
        )
        log = step.discriminator(critic, real=3 * torch.randn(4, 3), fake=fake)
        after = torch.cat([p.flatten() for p in weights(critic)])
        return (after - before).norm().item(), log["grad_norm_d"].item()

    free, norm = moved(None)
    assert free == pytest.approx(norm, rel=1e-5)
    assert moved(0.01) == pytest.approx((0.01, norm), rel=1e-3)


def test_players_by_name_and_what_the_optimizer_does_not_hold() -> None:
    body, head = nn.Linear(3, 4), nn.Linear(4, 1)
    critic, generator = nn.Sequential(body, head), nn.Linear(2, 3)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.0) for m in (generator, head)]
    step = AdversarialStep({"g": generator}, {"d": critic}, *optimizers, clip_d=1e-9)
    norms = []
    for _ in range(3):  # the body's gradients pile up, as nobody clears them, and do not count
        fake = generator(torch.ones(8, 2))
        norms.append(step.discriminator(critic, real=torch.ones(8, 3), fake=fake)["grad_norm_d"])
        step.generator(critic, fake=fake)
    torch.testing.assert_close(norms[2], norms[0])


def test_the_generator_is_due_on_each_nth_move() -> None:
    _, critic, step = players(generator_every=3)
    due = []
    for _ in range(6):
        step.discriminator(critic, real=torch.randn(4, 3), fake=torch.randn(4, 3))
        due.append(step.generator_due)
    assert due == [False, False, True] * 2


def test_resume_is_exact() -> None:
    """Counters decide on penalties, noise and the generator's turn: 3 + resume + 3 = 6 steps."""

    def rounds(step: AdversarialStep, generator: nn.Module, critic: nn.Module, n: int) -> None:
        for _ in range(n):
            fake = generator(torch.randn(4, 2))
            step.discriminator(critic, real=torch.randn(4, 3), fake=fake)
            if step.generator_due:
                step.generator(critic, fake=fake)

    arguments: dict[str, Any] = {
        "penalties": [R1(every=4)],
        "noise": InstanceNoise(0.5, until=6),
        "generator_every": 2,
    }
    generator, critic, step = players(**arguments)
    rounds(step, generator, critic, 3)
    saved = copy.deepcopy(
        [x.state_dict() for x in (generator, critic, step, step.optimizer_g, step.optimizer_d)]
    )
    random = torch.get_rng_state()
    rounds(step, generator, critic, 3)
    again_g, again_d, again = players(**arguments)
    for x, state in zip(
        (again_g, again_d, again, again.optimizer_g, again.optimizer_d), saved, strict=True
    ):
        x.load_state_dict(state)
    torch.set_rng_state(random)
    rounds(again, again_g, again_d, 3)
    assert same(again_g, weights(generator)) and same(again_d, weights(critic))


def test_noise_reaches_the_critic_in_both_moves_but_not_the_penalty() -> None:
    generator, critic, step = players(noise=InstanceNoise(std=1e-3, until=2), penalties=[R1()])
    real, fake, seen = torch.randn(4, 3), generator(torch.randn(4, 2)), []

    def watched(x: Tensor) -> Any:
        seen.append(x.detach())
        return critic(x)

    step.discriminator(watched, real=real, fake=fake)
    step.generator(watched, fake=fake)
    exact = [torch.equal(x, y) for x, y in zip(seen, (real, fake, real, fake), strict=True)]
    assert exact == [False, False, True, False]


def test_feature_matching_through_the_frozen_critic() -> None:
    generator, critic, step = players()
    real, z = torch.randn(4, 3), torch.randn(4, 2)
    features = critic[:2]  # type: ignore[index]

    for context in (frozen(critic), nullcontext()):  # whoever forgets to freeze is safe, too
        fake = generator(z)
        with context:
            extra = {"features": feature_matching([features(real)], [features(fake)])}
        step.generator(critic, fake=fake, extra=extra)
        assert clean(critic)


def test_a_condition_with_a_graph_leaves_no_gradient_either() -> None:
    generator, critic, step = players()
    condition = generator(torch.randn(4, 2))
    step.discriminator(
        lambda x: critic(x + condition), real=torch.randn(4, 3), fake=torch.randn(4, 3)
    )
    assert clean(generator)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s, d, x: s.generator(d, fake=x), "no graph"),
        (lambda s, d, x: s.generator(d, fake=x * s.one), "needs real="),
        (lambda s, d, x: s.generator(None, fake=x), "needs the critic"),
        (lambda s, d, x: s.generator(d, fake=x, extra={"g_loss": x.sum()}), "may not be called"),
        (lambda s, d, x: s.discriminator({"a": d}, real=x, fake={"a": x}), "same keys"),
        (lambda s, d, x: s.discriminator(d, real=x, fake={"a": x}), "same keys"),
    ],
)
def test_impossible_moves_are_refused(act: Callable[..., object], message: str) -> None:
    _, critic, step = players(loss=RelativisticAverage())
    step.one = torch.ones((), requires_grad=True)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=message):
        act(step, critic, torch.randn(4, 3))
    assert clean(critic)  # unfrozen after the error, too


@pytest.mark.parametrize(
    "arguments",
    [{"generator_every": 0}, {"penalties": [R1(every=0)]}, {"penalties": [R1(), R1()]}],
)
def test_impossible_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        players(**arguments)
    with pytest.raises(ValueError, match="needs a critic"):
        AdversarialStep(nn.Linear(1, 1), None, torch.optim.SGD([torch.zeros(1)]))


class Number(nn.Module):
    """A player that is one number: G() = x; D(s) = y s."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, sample: Tensor) -> Tensor:
        return self.value * sample


def test_alternating_moves_stay_at_the_saddle_that_simultaneous_ones_leave() -> None:
    """V(x, y) = x y: simultaneous descent multiplies the radius by sqrt(1 + lr^2) each time."""
    lr, one = 0.1, torch.ones(1, dtype=torch.float64)
    x, y = Number(), Number()
    sgd = [torch.optim.SGD(m.parameters(), lr=lr) for m in (x, y)]
    step = AdversarialStep(x, y, *sgd, loss=Wasserstein())
    radii = []
    for _ in range(300):
        fake = x(one)
        step.discriminator(y, real=0 * one, fake=fake)
        step.generator(y, fake=fake)
        radii.append(torch.hypot(x.value, y.value).item())
    assert min(radii) > 1.3 and max(radii) < 1.6

    a, b = 1.0, 1.0
    for _ in range(300):
        a, b = a + lr * b, b - lr * a
    assert (a * a + b * b) / 2 == pytest.approx((1 + lr**2) ** 300)
