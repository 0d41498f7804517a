import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from imgan.errors import ImganError
from imgan.model_file import load_model, read_card
from imgan.pipelines import choosing, scatter
from imgan.recipe import load_recipe, parse_recipe
from tests.pipelines.domain_runs import bars, content, make_domains, rows, trainer


@pytest.fixture(scope="module")
def domains(tmp_path_factory) -> list[Path]:
    return make_domains(tmp_path_factory.mktemp("domains"))


def test_reversal_trains_and_tells_which_checkpoint_it_chose(domains, tmp_path):
    run = trainer(tmp_path / "run", domains[:2], content())
    assert run.pipeline.critics == ()
    model = load_model(run.run())
    card = model.card
    assert (card.pipeline, card.cost) == ("dann", "adversarial")
    assert sorted(model.networks) == ["classifier", "features"]
    assert card.data["classes"] == ["0", "1"] and card.data["domains"] == ["light", "dark"]
    last = rows(tmp_path / "run")[-1]
    assert {"class", "domain", "domain_accuracy", "information", "accuracy dark"} <= last.keys()
    ((told, scores),) = card.scores.items()
    assert "chosen by information" in told and 0 <= scores["information"] <= 1
    with torch.no_grad():
        features = model.networks["features"](torch.zeros(2, 3, 16, 16))
        assert model.networks["classifier"](features).shape == (2, 2)


class Paid:
    """A step that moves nothing and keeps what would be paid."""

    def generator(self, critic, fake, extra):
        self.costs = extra
        return {}


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(
    ("steepness", "at", "strength"), [(None, 0, 1), (10.0, 0, 0), (10.0, 2, 1)]
)
def test_the_critic_pays_in_full_and_the_features_its_reverse(
    domains, tmp_path, steepness, at, strength, conditional
):
    adversary = {
        "critic": {"width": 8}, "steepness": steepness, "weight": 3.0, "conditional": conditional,
    }  # fmt: skip
    run = trainer(tmp_path / "run", domains[:2], content(adversary=adversary))
    nets, step = run.pipeline.networks, Paid()
    items = [run.dataset[8 * at + i] for i in range(8)]
    batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    run.pipeline.move(nets, nets, batch, step)
    images, told = choosing.unit(batch["image"].flatten(0, 1)), batch["domain"].flatten()
    features = nets["features"](images)
    shares = nets["classifier"](features).softmax(1).detach()
    seen = torch.einsum("nf,nk->nfk", features, shares).flatten(1) if conditional else features
    plain = nn.functional.cross_entropy(nets["critic"](seen), told)
    torch.testing.assert_close(step.costs["domain"], plain)
    if strength:  # that of the schedule half of the way through
        strength = 1.0 if steepness is None else 2 / (1 + math.exp(-steepness / 2)) - 1
    for role, factor in (("critic", 1.0), ("features", -3.0 * strength)):
        own = list(nets[role].parameters())
        found = torch.autograd.grad(step.costs["domain"], own, retain_graph=True)
        expected = torch.autograd.grad(plain, own, retain_graph=True)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, factor * other, rtol=1e-3, atol=1e-5)
    (own,) = torch.autograd.grad(step.costs["class"], [nets["classifier"].weight])
    assert own.abs().sum() > 0


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("game", ["reversal", "moves"])
def test_several_domains_and_a_conditional_critic(domains, tmp_path, game, conditional):
    adversary = {"game": game, "critic": {"width": 8}, "conditional": conditional}
    run = trainer(tmp_path / "run", domains, content(adversary=adversary))
    assert run.pipeline.networks["critic"](torch.zeros(1, 64 if conditional else 32)).shape == (
        1,
        3,
    )
    before = {k: v.clone() for k, v in run.pipeline.networks["critic"].state_dict().items()}
    run.run()
    now = run.pipeline.networks["critic"].state_dict()
    assert any(not torch.equal(v, now[k]) for k, v in before.items())
    last = rows(tmp_path / "run")[-1]
    assert ("d_2" in last and "g_2" in last) if game == "moves" else "domain" in last


def test_moves_take_the_losses_and_penalties_of_the_core(domains, tmp_path):
    adversary = {
        "game": "moves", "critic": {"width": 8}, "loss": "wasserstein", "critic_moves": 2,
        "penalties": [{"name": "wgan-gp", "weight": 1.0}],
    }  # fmt: skip
    run = trainer(tmp_path / "run", domains[:2], content(adversary=adversary))
    run.run()
    assert "wgan_gp_0" in rows(tmp_path / "run")[-1]


def test_the_twins(domains, tmp_path):
    plain = content(adversary=None)
    run = trainer(tmp_path / "source", domains[:2], plain)
    assert read_card(run.run()).cost == "source only"
    matched = content(adversary=None, moments={"means": 1.0, "covariances": 1.0})
    assert read_card(trainer(tmp_path / "mse", domains[:2], matched).run()).cost == "mse"
    assert {"means", "covariances"} <= rows(tmp_path / "mse")[-1].keys()
    one = trainer(tmp_path / "one", domains[:1], plain)  # the ceiling: one domain with classes
    assert read_card(one.run()).data["domains"] == ["light"]


def test_source_only_never_looks_at_the_target(domains, tmp_path):
    weights = []
    for name, target in (("a", domains[1]), ("b", domains[2])):
        recipe = content(adversary=None, choose="last")
        model = load_model(trainer(tmp_path / name, [domains[0], target], recipe).run())
        weights.append(model.networks["features"].state_dict())
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())


def test_the_targets_classes_do_not_reach_training(domains, tmp_path):
    wrong = bars(48, True, 4)
    wrong["labels"] = 1 - wrong["labels"]
    np.savez(tmp_path / "dark.npz", **wrong)
    target = {"consistency": 1.0, "threshold": 0.1, "entropy": 0.1, "diversity": 0.1}
    weights = []
    for name, data in (("a", domains[1]), ("b", tmp_path / "dark.npz")):
        recipe = content(target=target, jitter={"shift": 0.1})
        model = load_model(trainer(tmp_path / name, [domains[0], data], recipe).run())
        weights.append(model.networks["features"].state_dict())
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())
    assert {"consistency", "sure", "target_entropy", "target_diversity"} <= rows(tmp_path / "a")[
        -1
    ].keys()


def test_test_splits_reach_neither_training_nor_the_choice(domains, tmp_path):
    weights = []
    for name, seed in (("a", 7), ("b", 8)):
        data = []
        for domain, invert in (("light", False), ("dark", True)):
            own, test = bars(48, invert, 1), bars(16, invert, seed)
            file = tmp_path / name / f"{domain}.npz"
            file.parent.mkdir(exist_ok=True)
            np.savez(
                file, x_train=own["images"], y_train=own["labels"],
                x_test=test["images"], y_test=test["labels"],
            )  # fmt: skip
            data.append(file)
        recipe = content(target={"consistency": 1.0, "threshold": 0.1, "diversity": 0.1})
        run = trainer(tmp_path / name / "run", data, recipe)
        assert {len(shelf) for shelf in run.pipeline.data.test.values()} == {16}
        weights.append(load_model(run.run()).networks["features"].state_dict())
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())


def test_invariance_to_an_attribute_of_one_set(tmp_path):
    data = bars(48, False, 1) | {"light": np.arange(48) // 24}
    np.savez(tmp_path / "a.npz", **data)
    for game in ("reversal", "moves"):
        recipe = content(
            adversary={"game": game, "critic": {"width": 8}},
            data={"size": 16, "attribute": "light"},
        )
        run = trainer(tmp_path / game, [tmp_path / "a.npz"], recipe)
        run.run()
        assert run.pipeline.data.domains == ["0", "1"]


@pytest.mark.parametrize("game", ["reversal", "moves"])
def test_classes_are_learned_where_a_batch_holds_one_value_of_the_attribute(tmp_path, game):
    np.savez(tmp_path / "a.npz", **bars(48, False, 1), light=(np.arange(48) == 0).astype(int))
    adversary = {"game": game, "critic": {"width": 8}}
    data = {"size": 16, "attribute": "light"}
    run = trainer(tmp_path / "run", [tmp_path / "a.npz"], content(adversary=adversary, data=data))
    before = {k: v.clone() for k, v in run.pipeline.networks["classifier"].state_dict().items()}
    run.run()
    after = run.pipeline.networks["classifier"].state_dict()
    assert not any(torch.equal(v, after[k]) for k, v in before.items())
    assert all("class" in row for row in rows(tmp_path / "run"))


def test_costs_and_scores_of_a_step_are_logged_apart(domains, tmp_path):
    recipe = content(2, target={"entropy": 3.0, "diversity": 1.0})
    run = trainer(tmp_path / "run", domains[:2], recipe)
    run.run()
    (row,) = rows(tmp_path / "run")
    assert 0 < row["target_entropy"] <= 3 * np.log(2) and row["target_diversity"] < 0
    assert 0 <= row["entropy"] <= 1
    parts = ("class", "domain", "target_entropy", "target_diversity")
    assert row["g_loss"] == pytest.approx(sum(row[name] for name in parts), rel=1e-4)


def test_the_preview_colours_by_the_attribute(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", **bars(48, False, 1), light=np.arange(48) // 24)
    data = {"size": 16, "attribute": "light"}
    run = trainer(tmp_path / "run", [tmp_path / "a.npz"], content(data=data))
    seen = []
    draw = scatter.picture
    monkeypatch.setattr(scatter, "picture", lambda *given: seen.append(given) or draw(*given))
    networks = {role: network.eval() for role, network in run.pipeline.networks.items()}
    with torch.no_grad():
        run.pipeline.preview(networks, {})
    (points, ((_, names, groups), _), _) = seen[0]
    held_out = run.pipeline.data.held_out[0]
    assert names == ["0", "1"] and groups.tolist() == held_out.domains.tolist()
    assert len(points) == len(groups) == len(held_out)


@pytest.mark.parametrize("game", ["reversal", "moves"])
def test_a_stopped_run_goes_on_bit_for_bit(domains, tmp_path, game):
    adversary = {"game": game, "critic": {"width": 8}, "steepness": None}
    target = {"consistency": 1.0, "threshold": 0.1, "teacher": 0.9}
    recipe = content(adversary=adversary, target=target, jitter={"shift": 0.1})
    whole = load_model(trainer(tmp_path / "whole", domains[:2], recipe).run())
    half = recipe | {"train": recipe["train"] | {"steps": 2}}
    trainer(tmp_path / "parts", domains[:2], half).run()
    parts = load_model(trainer(tmp_path / "parts", domains[:2], recipe).run())
    assert whole.card.scores == parts.card.scores
    for role, network in whole.networks.items():
        own = parts.networks[role].state_dict()
        assert all(torch.equal(v, own[k]) for k, v in network.state_dict().items())


def test_the_best_checkpoint_becomes_the_model(domains, tmp_path):
    run = trainer(tmp_path / "run", domains[:2], content(6))
    given = iter([0.2, 0.9, 0.1])
    kept = []

    def scores(networks):
        kept.append({k: v.clone() for k, v in networks["features"].state_dict().items()})
        return next(given), {"source": 0.5}

    run.pipeline.scores = scores
    model = load_model(run.run())
    assert all(
        torch.equal(v, kept[1][k]) for k, v in model.networks["features"].state_dict().items()
    )
    assert next(iter(model.card.scores)).startswith("step 4, chosen by")
    assert model.card.steps == 6


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data": {"size": 20}}, "multiples of 8, not 20"),
        ({"adversary": {"loss": "hinge"}}, "set game: moves"),
        ({"adversary": {"optimizer": {"rate": 0.1}}}, "moves by train.optimizer"),
        ({"train": {"steps": 1, "batch": 1}}, "two images of each folder"),
        ({"train": {"steps": 1, "batch": 4, "accumulate": 4}}, "two images of each folder"),
        ({"adversary": None, "choose": "confusion"}, "no critic to confuse"),
        ({"moments": {"means": 0, "covariances": 0}}, "nothing is matched"),
        ({"target": {}}, "nothing is learned; give consistency"),
        ({"target": {"entropy": 1, "teacher": 0.9}}, "a teacher judges for consistency alone"),
        ({"target": {"entropy": 1, "after": 1}}, "less than 1"),
        ({"channels": 1, "features": {"name": "torchvision"}}, "set channels: 3"),
    ],
)
def test_impossible_recipes_are_one_sentence(change, sentence):
    with pytest.raises(ImganError, match=sentence):
        parse_recipe(content() | change, "test")


def test_a_process_with_one_image_of_each_is_refused():
    recipe = parse_recipe(content(train=content()["train"] | {"batch": 2}), "test")
    with pytest.raises(ValueError, match="each process is to see two images.* 4 times"):
        recipe.check_batches(2)


def test_wgan_gp_over_domains_of_several_sizes(domains, tmp_path):
    game = {"game": "moves", "loss": "wasserstein", "critic": {"width": 8}}
    game["penalties"] = [{"name": "wgan-gp", "weight": 10}]
    trainer(tmp_path / "run", domains, content(adversary=game)).run()
    assert all("wgan_gp_0" in row for row in rows(tmp_path / "run"))


@pytest.mark.parametrize("game", [{"game": "reversal"}, {"game": "moves", "critic_moves": 2}])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_teacher_follows_each_move_of_the_features(domains, tmp_path, game, accumulate):
    recipe = content(
        adversary=game | {"critic": {"width": 8}},
        target={"consistency": 1.0, "threshold": 0.1, "teacher": 0.9},
    )
    recipe["train"] |= {"accumulate": accumulate}
    run = trainer(tmp_path / "run", domains[:2], recipe)
    run.run()
    assert run.pipeline._teacher.updates == run.ema.updates == 4 // game.get("critic_moves", 1)


def test_a_single_domain_and_a_target_without_targets(domains, tmp_path):
    with pytest.raises(ImganError, match="single domain"):
        trainer(tmp_path / "a", domains[:1], content())
    lonely = content(adversary=None, target={"entropy": 1.0})
    with pytest.raises(ImganError, match="no folder is a target"):
        trainer(tmp_path / "b", domains[:1], lonely)


def test_the_shipped_recipe_and_its_twins_are_valid():
    recipe = load_recipe("dann")
    assert recipe.adversary.game == "reversal"
    assert load_recipe("dann", ["adversary=null", "moments.means=1"]).moments
    assert load_recipe("dann", ["adversary.game=moves"]).adversary.game == "moves"
