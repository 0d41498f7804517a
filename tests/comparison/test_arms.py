"""The arms of a comparison, and that they differ in nothing else."""

import pytest
import torch

from imgan.comparison.arms import arms_of, plan
from imgan.errors import ImganError
from imgan.pipelines import make_pipeline
from imgan.recipe import load_recipe, recipe_names
from imgan.training.loop import Trainer
from tests.comparison import comparisons
from tests.comparison.comparisons import run

ADVERSARIAL = [name for name in recipe_names() if load_recipe(name).adversary]


def test_fewer_moves_of_the_generator_are_told(tmp_path):
    found = run(tmp_path, changes=["adversary.critic_moves=2"])
    told = [arm.about.endswith("; the generator moves in one of 2 steps") for arm in found.trained]
    assert told == [False, True]


def test_arms_start_from_the_same_weights_and_see_the_same_data(tmp_path):
    recipe, data = comparisons.pairs(tmp_path)
    mse, game = (arm.recipe(0) for arm in plan(recipe))
    one, other = (
        Trainer(r, data, tmp_path / r.name, device="cpu", quiet=True) for r in (mse, game)
    )
    own, its = (t.pipeline.networks["generator"].state_dict() for t in (one, other))
    assert all(torch.equal(own[key], its[key]) for key in own)
    for a, b in zip(one.batches(), other.batches(), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_shipped_recipe_has_twins_that_begin_alike(name):
    arms = plan(name, ["init=null"])
    kinds = {arm.name: arm.kind for arm in arms}
    assert kinds["mse"] == "mse" and kinds["adversarial"] == "adversarial"
    mse = next(arm for arm in arms if arm.name == "mse").recipe(0)
    assert mse.adversary is None and mse.train == load_recipe(name).train
    assert next(arm for arm in arms if arm.name == "mse").recipe(3).seed == mse.seed + 3


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_arm_of_a_shipped_recipe_is_a_valid_recipe(name):
    for arm in arms_of(load_recipe(name)):
        plan(name, (), [arm])


def test_mse_is_squared_error_in_every_pipeline():
    for name, key in (("pix2pix", "pixel"), ("x4-adversarial", "pixel"), ("nextframe", "pixel")):
        recipe = plan(name)[0].recipe(0)
        assert getattr(recipe, key).kind == "mse" and getattr(recipe, key).weight
    assert plan("srgan")[0].recipe(0).pixel.weight == 1  # whose own pixel cost weighs nothing
    cycle = plan("cyclegan")[0].recipe(0)
    assert cycle.cycle.kind == cycle.identity.kind == "mse"
    source, mse, _ = (arm.recipe(0) for arm in plan("dann"))
    assert source.moments is None and source.target is None
    assert (
        mse.moments.means and mse.moments.covariances and mse.target == load_recipe("dann").target
    )


def test_the_recipe_may_name_arms_of_its_own(tmp_path):
    recipe, _ = comparisons.pairs(tmp_path)
    text = recipe.read_text()
    recipe.write_text(text + "arms: {strong: {about: more of it, set: [adversary.weight=9]}}\n")
    (strong,) = plan(recipe, (), ["strong"])[2:]
    assert strong.recipe(0).adversary.weight == 9
    assert strong.kind == "other" and strong.about == "more of it"
    digits = plan("moving-digits")
    assert [arm.name for arm in digits] == ["mse", "adversarial"]
    assert digits[1].recipe(0).adversary.weight == 0.02


@pytest.mark.parametrize(
    ("recipe", "extra", "sentence"),
    [
        ("x4-mse", [], "recipe x4-mse has no adversary to compare"),
        ("pix2pix", ["hing"], "recipe pix2pix knows no arm hing: there are mse, l1"),
        ("nothing", [], "there is no recipe nothing"),
        ("TAKEN", ["truth"], "an arm cannot be called truth, as baselines are"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(recipe, extra, sentence, tmp_path):
    if recipe == "TAKEN":
        recipe, _ = comparisons.pairs(tmp_path)
        recipe.write_text(recipe.read_text() + "arms: {truth: {about: none}}\n")
    with pytest.raises(ImganError, match=sentence):
        plan(recipe, (), extra)


def test_the_generator_is_made_before_the_critic_so_that_twins_begin_alike():
    for name in ("pix2pix-quick", "cyclegan-quick", "nextframe", "dann", "x4-adversarial"):
        states = []
        for arm in plan(name, ["init=null", "lpips=null"] if name == "x4-adversarial" else []):
            torch.manual_seed(0)
            networks = make_pipeline(arm.recipe(0)).networks
            states.append({k: n.state_dict() for k, n in networks.items() if "critic" not in k})
        first = states[0]
        for other in states[1:]:
            assert first.keys() == other.keys()
            for role in first:
                assert all(torch.equal(first[role][k], other[role][k]) for k in first[role]), name
