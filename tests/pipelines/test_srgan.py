"""SRGAN: every cost that a recipe can name is paid, and finite."""

import json

import pytest
import torch

from imgan.networks.vgg import VGG19Features
from imgan.pipelines.srgan import SRGAN, chroma, with_detail
from tests.training.runs import recipe, trainer


def rows(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "loss",
    [
        "minimax",
        "non-saturating",
        "maximum-likelihood",
        "least-squares",
        "wasserstein",
        "hinge",
        "relativistic",
    ],
)
def test_every_game_is_played(tmp_path, loss):
    penalty = {"name": "wgan-gp" if loss == "wasserstein" else "dragan", "weight": 1.0}
    trainer(tmp_path, steps=2, adversary__loss=loss, adversary__penalties=[penalty]).run()
    row = rows(tmp_path)[-1]
    assert {"d_loss", "g_adversarial", "accuracy_real", "grad_norm_d", "diversity"} <= row.keys()
    assert penalty["name"].replace("-", "_") in row


@pytest.mark.parametrize(
    "critic",
    [
        {"name": "srgan", "width": 4},
        {"name": "unet", "width": 4},
        {"name": "patch", "width": 4, "layers": 0},
    ],
)
def test_every_critic_takes_part(tmp_path, critic):
    trainer(tmp_path, steps=1, adversary__critic=critic, adversary__penalties=[]).run()
    assert rows(tmp_path)[-1]["d_loss"] > 0


@pytest.mark.parametrize("penalties", [[], [{"name": "r1", "weight": 1.0}]])
def test_a_critic_may_see_what_is_fine_apart(tmp_path, penalties):
    critic = {"name": "patch", "width": 4, "layers": 1, "norm": "none"}
    game = {"critic": critic, "detail": True, "penalties": penalties}
    run = trainer(tmp_path, steps=2, **{f"adversary__{key}": value for key, value in game.items()})
    assert run.pipeline.networks["critic"].body[0].in_channels == 6
    run.run()
    assert rows(tmp_path)[-1]["d_loss"] > 0


def test_the_detail_is_what_the_mean_leaves_out():
    image = torch.full((1, 3, 12, 12), 0.25)
    image[..., 6, 6] = 0.5
    seen = with_detail(image)
    assert torch.equal(seen[:, :3], image)
    fine = seen[0, 3]
    assert fine[:3].abs().max() < 1e-5 and fine.sum().abs() < 1e-3
    assert fine[6, 6] == pytest.approx(0.25 * 24 / 25 / 0.1)


def test_chroma_is_what_grey_lacks():
    grey = torch.rand(2, 1, 4, 5).expand(-1, 3, -1, -1)
    colour = torch.rand(2, 3, 4, 5)
    assert chroma(grey).abs().max() < 1e-6
    torch.testing.assert_close(chroma(colour + grey), chroma(colour))


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_colours_may_cost_apart_from_luma(tmp_path, weight):
    trainer(tmp_path, steps=1, pixel={"chroma": weight}).run()
    assert (rows(tmp_path)[-1].get("chroma", 0.0) > 0) == (weight > 0)


def test_every_generator_learns(tmp_path):
    for norm in (False, True):
        generator = {"name": "srresnet", "width": 8, "blocks": 1, "norm": norm}
        trainer(tmp_path / str(norm), steps=1, generator=generator).run()


def test_several_moves_of_the_critic_for_one_of_the_generator(tmp_path):
    run = trainer(tmp_path, steps=4, adversary__critic_moves=2, train__log_every=1)
    before = {k: v.clone() for k, v in run.pipeline.networks["generator"].state_dict().items()}
    batches = run.batches()
    run.step(batches)
    now = run.pipeline.networks["generator"].state_dict()
    assert all(torch.equal(v, now[k]) for k, v in before.items())
    run.step(batches)
    assert not all(torch.equal(v, now[k]) for k, v in before.items())


def test_features_of_vgg_are_a_cost(tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "vgg.pth"
    torch.save(VGG19Features(["conv1_2"]).state_dict(), weights)
    perceptual = {"layers": {"conv1_2": 1.0}, "weights": str(weights)}
    trainer(tmp_path / "run", steps=1, perceptual=perceptual, data__crop=16).run()
    assert rows(tmp_path / "run")[-1]["perceptual"] > 0


def test_the_realistic_degradation_feeds_training(tmp_path):
    run = trainer(tmp_path, steps=1, data__degradation="realistic", data__crop=16)
    low = run.dataset[3]["low"]
    assert low.shape == (3, 16, 16)
    assert torch.equal(low, run.dataset[3]["low"])
    run.run()


def test_the_preview_shows_input_output_and_truth(tmp_path):
    run = trainer(tmp_path)
    item = run.dataset[0]
    batch = {k: v[None] for k, v in item.items()}
    picture = run.pipeline.preview(run.pipeline.networks, batch)
    assert picture.shape == (3, 16, 48)
    assert torch.equal(picture[:, :, 32:], item["high"].float() / 255)
    assert torch.equal(picture[:, ::2, :16:2], item["low"].float() / 255)


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({}, "l1"),
        ({"pixel": {"kind": "mse"}}, "mse"),
        ({"lpips": {"backbone": "squeeze"}}, "l1 + lpips"),
        ({"pixel": {"kind": "mse", "weight": 0.0}, "lpips": {"backbone": "squeeze"}}, "lpips"),
        ({"lpips": {"backbone": "squeeze"}, "adversary": {}}, "adversarial"),
    ],
)
def test_the_card_says_what_was_paid(changes, cost, monkeypatch) -> None:
    """Nothing but squared error alone may be called the MSE twin's."""
    monkeypatch.setattr("imgan.pipelines.fidelity.LpipsDistance", lambda *_: torch.nn.Identity())
    made = recipe(**({"adversary": None, "data__crop": 16} | changes))
    assert SRGAN(made).card().cost == cost
