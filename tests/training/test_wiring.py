"""Every setting of a recipe arrives where it has its effect."""

from __future__ import annotations

import pytest
import torch

from imgan.core import R1, Dragan, MinibatchStdDev, NonSaturating
from imgan.networks import PatchCritic
from tests.training.runs import trainer


def steps(run, count: int = 1) -> dict[str, torch.Tensor]:
    batches = run.batches()
    for _ in range(count):
        run.step(batches)
    return {k: v.clone() for k, v in run.pipeline.networks["generator"].state_dict().items()}


def test_the_game_is_that_of_the_recipe(tmp_path) -> None:
    run = trainer(
        tmp_path,
        adversary__weight=0.3,
        adversary__label_smoothing=0.1,
        adversary__critic_moves=2,
        adversary__optimizer={"clip": 0.7},
        adversary__penalties=[
            {"name": "r1", "weight": 2.0, "every": 3},
            {"name": "dragan", "weight": 5.0},
        ],
        train__optimizer={"clip": 0.4},
    )
    game = run.game
    assert (game.weight, game.clip_g, game.clip_d, game.generator_every) == (0.3, 0.4, 0.7, 2)
    assert game.loss == NonSaturating(smoothing=0.1)
    assert game.penalties == (R1(2.0, 3), Dragan(5.0, 1))
    assert game.noise is not None
    assert game.noise.std == 0.1


def test_the_critic_is_that_of_the_recipe(tmp_path) -> None:
    critic = {"name": "patch", "width": 4, "layers": 2, "norm": "none", "minibatch_stddev": True}
    run = trainer(tmp_path, 2, adversary__critic=critic)
    steps(run, 2)
    assert isinstance(run.pipeline.networks["critic"], PatchCritic)
    assert any(isinstance(m, MinibatchStdDev) for m in run.pipeline.networks["critic"].modules())


def test_weight_of_the_adversary_reaches_the_generator(tmp_path) -> None:
    """Without a pixel cost the gradient is the weight's multiple."""

    def norm(weight: float) -> float:
        changes = {"adversary__noise": 0.0, "pixel": {"weight": 0}, "adversary__history": 0}
        run = trainer(tmp_path / str(weight), adversary__weight=weight, **changes)
        seen = []
        add = run.health.add
        run.health.add = lambda log: (seen.append(float(log["grad_norm_g"])), add(log))
        steps(run)
        return seen[0]

    assert norm(0.5) == pytest.approx(10 * norm(0.05), rel=1e-3)


@pytest.mark.parametrize("player", ["train", "adversary"])
def test_a_clip_bounds_what_moves(tmp_path, player) -> None:
    """The norm itself is looked at: the first step of Adam does not depend on it."""
    norms = []

    def run(name: str, clip: float | None) -> None:
        section = {"name": "adam", "rate": 1e-3, "clip": clip}
        changes = {"train__optimizer": {"name": "adam", "rate": 1e-3}}
        made = trainer(tmp_path / name, **(changes | {f"{player}__optimizer": section}))
        optimizer = made.optimizers[player == "adversary"]
        whole = optimizer.step

        def step(*arguments):
            grads = [p.grad for g in optimizer.param_groups for p in g["params"]]
            norms.append(float(torch.nn.utils.get_total_norm(grads)))
            return whole(*arguments)

        optimizer.step = step
        steps(made)

    run("free", None)
    run("clipped", norms[0] / 4)
    assert norms[1] == pytest.approx(norms[0] / 4, rel=1e-2)


@pytest.mark.parametrize("wanted", [True, False])
def test_channels_last(tmp_path, wanted) -> None:
    run = trainer(tmp_path, train__channels_last=wanted)
    for network in run.pipeline.networks.values():
        weights = [p for p in network.parameters() if p.ndim == 4 and p.shape[1] > 1]
        weights = [p for p in weights if p.shape[2] > 1]
        assert weights
        layout = torch.channels_last if wanted else torch.contiguous_format
        assert all(p.is_contiguous(memory_format=layout) for p in weights)


def test_label_smoothing_changes_the_critics_move(tmp_path) -> None:
    plain = trainer(tmp_path / "plain")
    smooth = trainer(tmp_path / "smooth", adversary__label_smoothing=0.2)
    steps(plain), steps(smooth)
    critics = [run.pipeline.networks["critic"].state_dict() for run in (plain, smooth)]
    assert any(not torch.equal(a, b) for a, b in zip(*(c.values() for c in critics), strict=True))
