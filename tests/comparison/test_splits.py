"""What is trained on, and what is scored."""

import shutil

import pytest

from imgan.comparison.splits import named, parts
from imgan.errors import ImganError
from imgan.recipe import load_recipe
from tests.comparison import comparisons
from tests.comparison.comparisons import run
from tests.pipelines.translation_runs import make_pairs


def test_what_is_trained_on_is_not_scored(tmp_path):
    recipe, data = comparisons.pairs(tmp_path)
    with pytest.raises(ImganError, match="4 images of --test are trained on, such as .*train"):
        parts(load_recipe(recipe), data, [data[0] / "train"])
    found = parts(load_recipe(recipe), data, data)
    assert found.test == data and found.own  # what it holds out of them
    recipe, data = comparisons.domains(tmp_path)
    with pytest.raises(ImganError, match="here are 2 domains and 1 of --test; give one for each"):
        parts(load_recipe(recipe), data, data[:1])
    with pytest.raises(ImganError, match="source.npz is one domain; give the source and then"):
        parts(load_recipe(recipe), data[:1], [])


def test_of_a_heap_of_pairs_no_image_of_training_is_scored(tmp_path):
    recipe, _ = comparisons.pairs(tmp_path)
    data, other = make_pairs(tmp_path / "a" / "x", train=24), make_pairs(tmp_path / "b" / "x", 24)
    for folder in (data, other):
        shutil.rmtree(folder / "val")
    with pytest.raises(ImganError, match="23 images of --test are trained on"):
        parts(load_recipe(recipe), [data], [data / "train"])
    assert parts(load_recipe(recipe), [data], [other]).own is False  # whatever its name


def test_each_seed_of_clips_would_hold_out_others(tmp_path):
    with pytest.raises(ImganError, match="each seed holds out other clips.*folder test/, or"):
        run(tmp_path, "nextframe", seeds=2)
    assert not (tmp_path / "out").exists()
    (tmp_path / "clips" / "test").mkdir()
    (tmp_path / "clips" / "0.mp4").rename(tmp_path / "clips" / "test" / "0.mp4")
    recipe = load_recipe(tmp_path / "tiny-frames.yaml")
    data = [tmp_path / "clips"]
    assert parts(recipe, data, [], seeds=2).test == data


def test_photos_to_score_on_are_not_trained_on(tmp_path):
    recipe, _ = comparisons.super_resolution(tmp_path)
    (tmp_path / "mine" / "test").mkdir(parents=True)
    for name in ("mine/a.png", "mine/b.png", "mine/test/c.png", "more.png"):
        (tmp_path / name).touch()
    data, test = [tmp_path / "mine"], [tmp_path / "mine" / "test"]
    found = parts(load_recipe(recipe), data, test)
    assert found.train == data and found.test == test  # train/ and test/ are known by their names
    inside = parts(load_recipe(recipe), data, [data[0] / "b.png"])
    assert [photo.name for photo in inside.train] == ["a.png"]
    with pytest.raises(ImganError, match="every photo of the data is one of --test"):
        parts(load_recipe(recipe), test, test)
    held = parts(load_recipe(recipe), [*data, tmp_path / "more.png"], [])
    assert held.about == "the test images of mine (1)"
    assert held.train == [*data, tmp_path / "more.png"]  # of data without its test/
    assert [photo.name for photo in held.test] == ["c.png"]
    held = parts(load_recipe(recipe), [*data, data[0] / "test"], [])
    assert "c.png" not in {photo.name for photo in held.train}
    (data[0] / "test" / "c.png").rename(data[0] / "c.png")
    (data[0] / "test").rmdir()
    held = parts(load_recipe(recipe), data, [])
    assert held.about == "the last photo (1), held out from training" and len(held.train) == 2


def test_data_is_named_without_its_owner(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    folders = [tmp_path / "photos", tmp_path / "Set5" / "x4"]
    assert named(folders) == "photos, Set5/x4"
