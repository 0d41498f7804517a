from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from imgan.adapt import adapt
from imgan.errors import ImganError
from imgan.inference.classify import (
    Answers,
    Classifier,
    classify,
    write_features,
    write_predictions,
)
from imgan.model_file import load_model
from imgan.pipelines.dann import Dann
from imgan.recipe import parse_recipe
from tests.pipelines.domain_runs import bars, content, make_domains, rows


@pytest.fixture(scope="module")
def domains(tmp_path_factory) -> list[Path]:
    return make_domains(tmp_path_factory.mktemp("domains"))


def test_adapt_learns_the_other_domain_and_shows_it(domains, tmp_path):
    recipe = parse_recipe(
        content(60, train=content()["train"] | {"steps": 60, "batch": 16, "validate_every": 20}
                | {"optimizer": {"rate": 5e-3}, "checkpoint_every": 60, "ema": 0.9},
                jitter={"invert": 0.5}), "test",
    )  # fmt: skip
    done = adapt(recipe, domains[:2], tmp_path / "run", device="cpu", quiet=True)
    assert done.report.accuracies["dark"] > 0.8
    assert 0 <= done.report.distance <= 2
    page = done.page.read_text()
    assert "before.png" in page and "after.png" in page
    assert (tmp_path / "run" / "results" / "confusion-dark.csv").is_file()
    again = adapt(recipe, domains[:2], tmp_path / "run", device="cpu", quiet=True)  # finished
    assert again.report.accuracies == done.report.accuracies

    answers = classify(Classifier(done.model, "cpu"), [domains[1]])
    assert answers.accuracy == done.report.accuracies["dark"]
    write_predictions(answers, tmp_path / "p.csv")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "image,class,probability,label" and len(lines) == 49
    write_features(answers, tmp_path / "f.npz")
    stored = np.load(tmp_path / "f.npz")
    assert stored["features"].shape == (48, 32) and stored["probabilities"].shape == (48, 2)
    parquet = pytest.importorskip("pyarrow.parquet")
    write_features(answers, tmp_path / "f.parquet")
    assert len(parquet.read_table(tmp_path / "f.parquet").column("features")[0]) == 32
    with pytest.raises(ImganError, match=r"written as .npz or .parquet"):
        write_features(answers, tmp_path / "f.txt")


def test_invariance_to_an_attribute_is_scored_and_shown_by_its_values(tmp_path):
    light = np.array([f"{i // 24}/x" for i in range(48)])
    np.savez(tmp_path / "a.npz", **bars(48, False, 1), light=light)
    recipe = parse_recipe(content(2, data={"size": 16, "attribute": "light"}), "test")
    done = adapt(recipe, [tmp_path / "a.npz"], tmp_path / "run", device="cpu", quiet=True)
    assert list(done.report.answers) == ["0/x", "1/x"] and 0 <= done.report.distance <= 2
    assert done.report.counts == {"0/x": 24, "1/x": 24}
    made = {file.name for file in (tmp_path / "run" / "results").iterdir()}
    assert {"before.png", "after.png", "confusion-0_x.csv", "confusion-1_x.csv"} <= made


def test_a_targets_classes_are_not_counted_where_they_are_not_to_be(domains, tmp_path):
    data = {"size": 16, "target_labels": False}
    recipe = parse_recipe(content(2, data=data), "test")
    done = adapt(recipe, domains[:2], tmp_path / "run", device="cpu", quiet=True)
    assert list(done.report.accuracies) == ["light"] and done.report.counts["dark"] == 48
    assert not (tmp_path / "run" / "results" / "confusion-dark.csv").exists()
    assert "accuracy dark" not in rows(tmp_path / "run")[-1]


def test_a_target_of_one_image_is_adapted_to_without_a_distance(domains, tmp_path):
    np.savez(tmp_path / "one.npz", images=np.zeros((1, 16, 16), np.uint8))
    recipe, data = parse_recipe(content(2), "test"), [domains[0], tmp_path / "one.npz"]
    done = adapt(recipe, data, tmp_path / "run", device="cpu", quiet=True)
    assert done.report.distance is None and done.report.counts["one"] == 1
    assert (
        "distance"
        not in (tmp_path / "run" / "results" / "results.json").read_text().split('"protocol"')[0]
    )


def test_the_features_before_are_those_of_the_untrained_networks(domains, tmp_path):
    recipe = parse_recipe(content(2), "test")
    pictures = []
    for name in ("a", "b"):
        adapt(recipe, domains[:2], tmp_path / name, device="cpu", quiet=True)
        pictures.append((tmp_path / name / "results" / "before.png").read_bytes())
    model = tmp_path / "a" / "model.safetensors"
    adapt(recipe, domains[:2], tmp_path / "c", before=model, device="cpu", quiet=True)
    shown = (tmp_path / "c" / "results" / "before.png").read_bytes()
    assert pictures[0] == pictures[1] != shown
    whole = [load_model(tmp_path / name / "model.safetensors").networks for name in "ac"]
    for role, network in whole[0].items():  # looking at them changes nothing
        other = whole[1][role].state_dict()
        assert all(torch.equal(v, other[k]) for k, v in network.state_dict().items())


def test_what_cannot_be_written_is_one_sentence(domains, tmp_path):
    answers = Answers(
        ["a"], ["x", "y"], np.ones((1, 2), np.float32), np.ones((1, 3), np.float32), np.zeros(1)
    )
    (tmp_path / "file").write_text("")
    for name, write in (("p.csv", write_predictions), ("f.npz", write_features)):
        (tmp_path / name).mkdir()
        for place in (tmp_path / name, tmp_path / "file" / name):
            with pytest.raises(ImganError, match="cannot be written"):
                write(answers, place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.npz", "file", "p.csv"]


def test_a_module_of_ones_own(domains, tmp_path):
    def net():
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )

    recipe = parse_recipe(content(2, features={"name": "own"}), "test")
    done = adapt(recipe, domains[:2], tmp_path / "run", features=net(), device="cpu", quiet=True)
    with pytest.raises(ImganError, match="trained with a module of the caller's own"):
        Classifier(done.model, "cpu")
    answers = classify(Classifier(done.model, "cpu", features=net()), [domains[1]])
    assert answers.features.shape == (48, 16)
    with pytest.raises(ImganError, match="given from Python"):
        Dann(recipe)
