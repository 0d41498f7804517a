import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from imgan.errors import ImganError
from imgan.model_file import load_model
from imgan.networks import MultiscaleCritic
from tests.pipelines.translation_runs import PHOTOS, content, make_pairs, trainer


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    return make_pairs(tmp_path_factory.mktemp("data") / "pairs")


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").open()]


def test_pix2pix_leaves_a_model_previews_and_numbers(pairs, tmp_path):
    model = load_model(trainer(tmp_path / "run", [pairs], content("pix2pix")).run())
    card = model.card
    assert (card.pipeline, card.cost, card.value_range) == ("pix2pix", "adversarial", (-1, 1))
    assert (card.channels, card.out_channels, card.size_multiple) == (3, 3, 16)
    assert card.data["pairs"] == 4
    assert card.data["held_out"] == 2
    assert Image.open(tmp_path / "run" / "previews" / "00000004.png").size == (3 * 32, 4 * 32)
    last = rows(tmp_path / "run")[-1]
    assert {"l1", "g_adversarial", "d_loss", "accuracy_real"} <= last.keys()
    with torch.no_grad():
        out = model.generator(torch.zeros(1, 3, 48, 32))
    assert out.shape == (1, 3, 48, 32)
    assert out.abs().max() <= 1


def test_the_twin_without_an_adversary(pairs, tmp_path):
    recipe = content("pix2pix") | {"adversary": None, "pixel": {"kind": "mse", "weight": 1.0}}
    model = load_model(trainer(tmp_path / "run", [pairs], recipe).run())
    assert model.card.cost == "mse"
    assert "d_loss" not in rows(tmp_path / "run")[-1]


@pytest.mark.parametrize("pipeline", ["pix2pix", "cyclegan"])
def test_a_stopped_run_goes_on_bit_for_bit(pairs, tmp_path, pipeline):
    whole = load_model(trainer(tmp_path / "whole", [pairs], content(pipeline, 4)).run())
    first = content(pipeline, 4)
    first["train"]["steps"] = 2
    first["train"]["schedule"] = {"decay": 0.0}
    both = content(pipeline, 4)
    both["train"]["schedule"] = {"decay": 0.0}
    straight = load_model(trainer(tmp_path / "straight", [pairs], both).run())
    trainer(tmp_path / "parts", [pairs], first).run()
    parts = load_model(trainer(tmp_path / "parts", [pairs], both).run())
    assert whole.card.steps == parts.card.steps == 4
    for role, network in straight.networks.items():
        own = parts.networks[role].state_dict()
        assert all(torch.equal(v, own[k]) for k, v in network.state_dict().items())


def test_the_conditional_critic_sees_the_input(pairs, tmp_path):
    run = trainer(tmp_path / "run", [pairs], content("pix2pix"))
    seen = []
    critic = run.pipeline.networks["critic"]
    critic.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    batch = {k: torch.rand(2, 3, 32, 32) * 2 - 1 for k in ("source", "target")}
    run.pipeline.move(run.players, run.exact, batch, run.game)
    assert len(seen) == 3  # real and fake in its own move, fake in the generator's
    assert all(torch.equal(images[:, :3], batch["source"]) for images in seen)
    assert torch.equal(seen[0][:, 3:], batch["target"])


def test_feature_matching_and_the_relativistic_cost(pairs, tmp_path):
    recipe = content("pix2pix")
    recipe["adversary"] = {
        "critic": {"name": "multiscale", "width": 4, "layers": 1, "scales": 2},
        "loss": "relativistic",
        "feature_matching": 10.0,
    }
    recipe["pixel"] = {"weight": 0.0}
    run = trainer(tmp_path / "run", [pairs], recipe)
    assert isinstance(run.pipeline.networks["critic"], MultiscaleCritic)
    run.run()
    assert rows(tmp_path / "run")[-1]["feature_matching"] > 0


def test_cyclegan_saves_both_ways(pairs, tmp_path):
    model = load_model(trainer(tmp_path / "run", [pairs], content("cyclegan")).run())
    assert sorted(model.networks) == ["a_to_b", "b_to_a"]
    last = rows(tmp_path / "run")[-1]
    assert {"cycle_a", "cycle_b", "identity_a", "identity_b", "d_a", "g_b"} <= last.keys()
    assert Image.open(tmp_path / "run" / "previews" / "00000004.png").size == (3 * 32, 6 * 32)


def test_cyclegan_one_way_and_without_critics(pairs, tmp_path):
    one = content("cyclegan") | {"directions": "AtoB"}
    run = trainer(tmp_path / "one", [pairs], one)
    assert run.pipeline.critics == ("critic_b",)
    run.run()
    assert {"cycle_a", "identity_b"} <= rows(tmp_path / "one")[-1].keys()
    assert "cycle_b" not in rows(tmp_path / "one")[-1]
    twin = content("cyclegan") | {"adversary": None, "cycle": {"kind": "mse"}}
    assert load_model(trainer(tmp_path / "twin", [pairs], twin).run()).card.cost == "mse"


def test_identity_in_one_call_equals_two(pairs, tmp_path):
    run = trainer(tmp_path / "run", [pairs], content("cyclegan"))
    batch = {k: torch.rand(2, 3, 32, 32) * 2 - 1 for k in "ab"}
    way = run.pipeline._ways[0]
    generator = run.pipeline.networks["a_to_b"]
    fake, same = run.pipeline._translate(generator, way, batch)
    torch.testing.assert_close(fake, generator(batch["a"]))
    torch.testing.assert_close(same, generator(batch["b"]))


@pytest.mark.parametrize("make", ["colourise", "sharpen", "denoise", "edges"])
def test_pairs_made_from_photos(tmp_path, make):
    recipe = content("pix2pix", 2)
    recipe["data"] |= {"make": make, "resize": "shorter"}
    grey = make in ("colourise", "edges")
    recipe |= {"channels": 1 if grey else 3, "out_channels": 3}
    card = load_model(trainer(tmp_path / "run", [PHOTOS], recipe).run()).card
    assert card.task == make
    assert card.channels == recipe["channels"]


def test_what_holds_no_pairs_is_one_sentence(tmp_path):
    with pytest.raises(ImganError, match="holds no pairs"):
        trainer(tmp_path / "run", [PHOTOS], content("pix2pix"))
    with pytest.raises(ImganError, match="holds one set of images"):
        trainer(tmp_path / "run", [PHOTOS], content("cyclegan"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data": {"size": 40, "load": 40}}, "multiples of 16 and data.size is 40"),
        ({"data": {"size": 32, "load": 30}}, "make load at least size"),
        ({"data": {"make": "colourise", "size": 32}}, "set channels: 1 and out_channels: 3"),
        ({"adversary": {"critic": {"name": "unet"}, "feature_matching": 1}}, "needs a patch"),
        (
            {"adversary": {"critic": {"name": "patch", "layers": 5}}},
            "the patch critic needs 128 pixels and data.size is",
        ),
    ],
)
def test_impossible_recipes_are_one_sentence(change, sentence, tmp_path):
    with pytest.raises(ImganError, match=sentence):
        trainer(tmp_path / "run", [PHOTOS], content("pix2pix") | change)
