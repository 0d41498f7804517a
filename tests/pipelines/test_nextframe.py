"""Next-frame training: both twins, exact resume, the costs."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.errors import ImganError
from imgan.model_file import load_model
from imgan.pipelines import nextframe
from imgan.pipelines.nextframe import CHANGE, gradient_difference, roll_out
from imgan.recipe import load_recipe, parse_recipe
from imgan.training.loop import Trainer


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """Forty blobs of 28x28, as an array file."""
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    rng = np.random.default_rng(0)
    images = (rng.random((40, 28, 28)) * 255).astype(np.uint8)
    images[:, :8], images[:, 20:] = 0, 0
    np.savez(path, images=images, labels=np.arange(40) % 10)
    return path


def content(steps: int = 4, **more) -> dict:
    return {
        "pipeline": "nextframe",
        "name": "tiny",
        "past": 3,
        "future": 2,
        "channels": 1,
        "generator": {"name": "simvp", "width": 4, "hidden": 8, "blocks": 1},
        "gdl": {"weight": 1.0},
        "adversary": {"critic": {"name": "patch", "width": 4, "layers": 1, "norm": "none"}},
        "data": {"kind": "moving-digits"},
        "train": {
            "steps": steps,
            "batch": 2,
            "precision": "float32",
            "workers": 0,
            "log_every": 2,
            "preview_every": 2,
            "checkpoint_every": 2,
        },
    } | more


def trainer(out: Path, data: Path, recipe: dict) -> Trainer:
    return Trainer(parse_recipe(recipe, "test"), [data], out, device="cpu", quiet=True)


def test_the_adversarial_twin_leaves_a_model_previews_and_numbers(digits, tmp_path):
    model = load_model(trainer(tmp_path / "run", digits, content()).run())
    card = model.card
    assert (card.pipeline, card.cost, card.value_range) == ("nextframe", "adversarial", (0, 1))
    assert (card.channels, card.input, card.size_multiple) == (1, "grey", 8)
    assert card.task == "3 frames to the next 2"
    assert card.data["held_out"] == 4
    assert Image.open(tmp_path / "run" / "previews" / "00000004.png").size == (5 * 64, 8 * 64)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert {"mse", "gdl", "g_adversarial", "d_loss"} <= json.loads(lines[-1]).keys()
    with torch.no_grad():
        assert model.generator(torch.rand(1, 3, 1, 24, 16)).shape == (1, 2, 1, 24, 16)


def test_the_twin_without_an_adversary_and_a_roll_out(digits, tmp_path):
    recipe = content(adversary=None, gdl=None, future=1, rollout=3)
    model = load_model(trainer(tmp_path / "run", digits, recipe).run())
    assert model.card.cost == "mse"
    assert Image.open(tmp_path / "run" / "previews" / "00000004.png").size == (6 * 64, 8 * 64)


def test_a_stopped_run_goes_on_bit_for_bit(digits, tmp_path):
    whole, half = content(), content(2)
    for recipe in (whole, half):
        recipe["train"]["schedule"] = {"decay": 0.0}
    straight = load_model(trainer(tmp_path / "straight", digits, whole).run())
    trainer(tmp_path / "parts", digits, half).run()
    parts = load_model(trainer(tmp_path / "parts", digits, whole).run())
    own = parts.generator.state_dict()
    assert all(torch.equal(v, own[k]) for k, v in straight.generator.state_dict().items())


def test_the_critic_sees_past_and_future_from_one_random_place_on(digits, tmp_path):
    run = trainer(tmp_path / "run", digits, content())
    seen = []
    run.pipeline.networks["critic"].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    place = torch.arange(64.0).view(1, 1, 1, 1, 64).expand(2, 5, 1, 64, 64)
    for _ in range(6):
        run.pipeline.move(
            run.players, run.exact, {"past": place[:, :3], "future": place[:, 3:]}, run.game
        )
    real = seen[::3]
    assert all(frames.shape[-2:] == (56, 56) for frames in seen)
    assert all((frames[0, :5, 0, 0] == frames[0, 0, 0, 0]).all() for frames in real)
    assert len({float(frames[0, 0, 0, 0]) for frames in real}) > 1


def test_the_critic_sees_the_past_frames(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(nextframe, "shifted", lambda *images: images)
    run = trainer(tmp_path / "run", digits, content())
    seen = []
    critic = run.pipeline.networks["critic"]
    critic.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    batch = {"past": torch.rand(2, 3, 1, 64, 64), "future": torch.rand(2, 2, 1, 64, 64)}
    run.pipeline.move(run.players, run.exact, batch, run.game)
    assert len(seen) == 3  # real and fake in its own move, fake in the generator's
    assert all(torch.equal(frames[:, :3], batch["past"].flatten(1, 2)) for frames in seen)
    future = batch["future"]
    assert torch.equal(seen[0][:, 3:5], future.flatten(1, 2))
    assert torch.equal(seen[0][:, 5:], ((future - batch["past"][:, -1:]) / CHANGE).flatten(1, 2))


@settings(max_examples=10, deadline=None)
@given(past=st.integers(1, 3), future=st.integers(1, 3), count=st.integers(1, 7))
def test_the_network_is_applied_again_on_its_own_frames(past, future, count):
    def counter(frames):  # the next number, and the ones after it
        assert frames.shape[1] == past
        return frames[:, -1:] + torch.arange(1, future + 1).view(1, -1, 1, 1, 1)

    start = torch.arange(past, dtype=torch.float32).view(1, past, 1, 1, 1)
    out = roll_out(counter, start, count)
    assert out.flatten().tolist() == [past + i for i in range(count)]


def test_gradient_difference_by_hand():
    target = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64).view(1, 1, 1, 2, 2)
    blurred = target * 0.5
    assert gradient_difference(target, target) == 0
    # Across: |1 - 0.5| on both rows; down: both are flat.
    assert gradient_difference(blurred, target).item() == pytest.approx(0.5)
    assert gradient_difference(blurred, target, 2).item() == pytest.approx(0.25)
    assert gradient_difference(1 - target, target) == 0  # of the size of gradients, not their sign
    assert math.isclose(gradient_difference(target * 0, target).item(), 1.0)


@pytest.mark.parametrize("name", ["moving-digits", "nextframe"])
def test_the_shipped_recipes_and_their_twins_are_valid(name):
    load_recipe(name)
    load_recipe(name, ["adversary=null", "pixel.kind=l1"])
    load_recipe(name, ["adversary.weight=0.1", "gdl.weight=1"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"channels": 3}, "moving digits are grey"),
        ({"adversary": None, "gdl": None, "pixel": {"weight": 0}}, "nothing is to be minimised"),
        (
            {"data": {"kind": "clips", "side": 64, "crop": 72}, "channels": 1},
            "squares of 72 pixels cannot be cut",
        ),
        ({"data": {"kind": "clips", "crop": 60}, "channels": 1}, "multiples of 8"),
        (
            {"data": {"kind": "clips", "crop": 16}, "adversary": {"critic": {"name": "patch"}}},
            "the patch critic needs 32 pixels and data.crop is 16",
        ),
        ({"adversary": {"history": 50}}, "history keeps frames without the past"),
    ],
)
def test_what_cannot_be_is_one_sentence(change, sentence):
    with pytest.raises(ImganError, match=sentence):
        parse_recipe(content(**change), "test")
