import numpy as np
import pytest
import torch

from imgan.errors import ImganError
from imgan.evaluation.features import evaluate_features, proxy_distance
from imgan.inference.classify import Classifier
from imgan.model_file import Card, Model, NetworkCard
from imgan.networks import build

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    cards = {
        "features": NetworkCard(name="digits", arguments={"width": 4, "size": 16}),
        "classifier": NetworkCard(name="head", arguments={"features": 32, "classes": 2}),
    }
    data = {"classes": ["a", "b"], "size": 16}
    card = Card(pipeline="dann", name="x", networks=cards, value_range=(-1.0, 1.0), data=data)
    made = {role: build(one.name, one.arguments).eval() for role, one in cards.items()}
    return Classifier(Model(card, made), "cpu")


def images(count):
    return RNG.integers(0, 256, (count, 16, 16), dtype=np.uint8)


def test_the_test_split_is_scored_and_images_of_other_classes_are_not_counted(model, tmp_path):
    labels = np.array(["a", "b", "c", "a"])
    np.savez(
        tmp_path / "one.npz", x_train=images(8), y_train=["a"] * 8, x_test=images(4), y_test=labels
    )
    np.savez(tmp_path / "two.npz", images=images(6))
    report = evaluate_features(model, [tmp_path / "one.npz", tmp_path / "two.npz"])
    assert report.splits == {"one": "test", "two": "train"}
    assert report.counts == {"one": 3, "two": 6} and list(report.accuracies) == ["one"]
    said = np.array(report.answers["one"].said)
    assert report.accuracies["one"] == pytest.approx(np.mean((said == labels)[labels != "c"]))
    assert evaluate_features(model, [tmp_path / "two.npz"], most=3).counts == {"two": 3}
    hidden = evaluate_features(model, [tmp_path / "one.npz"], labelled=0)
    assert not hidden.accuracies and hidden.counts == {"one": 4}
    with pytest.raises(ImganError, match="two has no attribute side"):
        evaluate_features(model, [tmp_path / "two.npz"], attribute="side")


def test_the_distance_of_domains_is_0_where_alike_and_2_where_apart():
    values = RNG.normal(size=(400, 5)).astype(np.float32)
    assert proxy_distance([values[:200], values[200:]]) < 0.5
    assert proxy_distance([values[:200], values[200:] + 20]) == pytest.approx(2)
    assert proxy_distance([values[:100], values[100:200] + 20, values[200:300] - 20]) == 2
