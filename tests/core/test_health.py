"""Plain words about the game, and a stop before a checkpoint is spoilt."""

import pytest
import torch

from imgan.core import Health, NotFinite, diversity, verdicts


def log(cost: float = 1.0, right: float = 0.7, ratio: float = 1.0) -> dict[str, torch.Tensor]:
    numbers = {
        "g_adversarial": cost,
        "logits_fake": 0.0,
        "accuracy_real": right,
        "accuracy_fake": right,
        "diversity": ratio,
    }
    return {name: torch.tensor(value) for name, value in numbers.items()}


def test_reports_hold_means_since_the_last_one() -> None:
    health = Health()
    for cost in (1.0, 3.0):
        health.add(log(cost))
    health.add({"r1": torch.tensor(0.5)})  # paid less often
    report = health.report()
    assert report.means["g_adversarial"] == 2.0 and report.means["r1"] == 0.5
    health.add(log(7.0))
    assert health.report().means["g_adversarial"] == 7.0
    assert health.report().means == {} and not report.warnings


def test_a_won_game_is_called_after_patience() -> None:
    health, spoken = Health(patience=3), []
    for cost in (4.0, 5.0, 6.0):
        health.add(log(cost, right=0.99))
        spoken.append(health.report().warnings)
    assert spoken[:2] == [[], []]
    assert "the critic has won" in spoken[2][0] and "99%" in spoken[2][0]
    health.add(log(6.0, right=0.8))  # it recovers
    assert health.report().warnings == []


@pytest.mark.parametrize(
    ("health", "costs"),
    [(Health(), (6.0, 5.0, 4.0)), (Health(accuracy=None), (4.0, 5.0, 6.0))],
    ids=["the generator still learns", "switched off"],
)
def test_a_strong_critic_alone_is_no_fault(health: Health, costs: tuple[float, ...]) -> None:
    for cost in costs:
        health.add(log(cost, right=0.99))
        assert health.report().warnings == []


def test_collapse_is_called_for_each_critic_by_its_key() -> None:
    health = Health(patience=2)
    for _ in range(2):
        health.add({f"{k}_a": v for k, v in log(ratio=0.01).items()} | log())
        warnings = health.report().warnings
    assert len(warnings) == 1 and "the generator of 'a' has collapsed" in warnings[0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_stops_the_training(bad: float) -> None:
    health = Health()
    health.add(log())
    health.check()
    health.add(log(cost=bad))
    health.add(log())  # later good ones do not hide it
    for look in (health.check, health.report):
        with pytest.raises(
            NotFinite, match=r"g_adversarial\. Lower learning rates.*bf16"
        ) as caught:
            look()
        # Neither names of this core's arguments, which a recipe does not know, nor a checkpoint,
        # of which whoever saves them says more.
        assert not any(word in str(caught.value) for word in ("clip_", "checkpoint"))
    assert issubclass(NotFinite, FloatingPointError)


def test_diversity() -> None:
    real = torch.randn(64, 3, 8, 8)
    assert diversity(torch.randn(64, 3, 8, 8), real).item() == pytest.approx(1, abs=0.05)
    assert diversity(real[:1].expand(64, -1, -1, -1), real).item() == pytest.approx(0, abs=1e-5)
    assert diversity(real[:1], real).item() == 1
    assert diversity(real, torch.zeros(64, 3, 8, 8)).isfinite()


def test_verdicts() -> None:
    real, fake = torch.tensor([2.0, 0.4, -1.0, 3.0]), torch.tensor([-2.0, 0.6, -1.0, -3.0])
    shares = [verdicts(real, fake, boundary) for boundary in (0.0, 0.5, None)]
    assert [(a.item(), b.item()) for a, b in shares] == [(0.75, 0.75), (0.5, 0.75), (1.0, 1.0)]
    a, b = verdicts([real, real], [fake, -10 + fake], 0.0)  # scales count alike
    assert (a.item(), b.item()) == (0.75, 0.875)
