"""All five pipelines through a whole comparison, tiny, and what is scored in it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from imgan.averaging import average
from imgan.comparison.arms import plan
from imgan.comparison.compare import compare
from imgan.comparison.models import _kinds, compare_models
from imgan.comparison.runs import Run, keep_data
from imgan.comparison.splits import parts
from imgan.errors import ImganError, Stopped
from imgan.evaluation.nextframe import evaluate_nextframe
from imgan.model_file import Card
from imgan.recipe import load_recipe
from imgan.training.loop import Trainer
from tests.comparison import comparisons
from tests.comparison.comparisons import FRAMES, MAKERS, SCORING, run


@pytest.mark.parametrize("pipeline", MAKERS)
def test_a_pipeline_is_compared(pipeline, tmp_path):
    found = run(tmp_path, pipeline)
    names = [arm.name for arm in found.trained]
    assert names == (
        ["source", "mse", "adversarial"] if pipeline == "dann" else ["mse", "adversarial"]
    )
    assert [arm.kind for arm in found.trained][-2:] == ["mse", "adversarial"]
    assert found.metrics and found.protocol and found.verdict
    for arm in found.trained:
        assert arm.about and arm.steps == 2 and len(arm.seconds) == 1 and arm.charts
        assert {metric.key for metric in found.metrics} == set(arm.figures)
        assert (tmp_path / "out" / arm.runs[0] / "model.safetensors").is_file()
    text = json.dumps(found.to_dict())
    assert any(chart["lines"] for chart in found.to_dict()["arms"][-1]["curves"])
    assert str(tmp_path) not in text  # reports are shown to others
    assert (
        found.hardware["processor"] and found.versions["torch"] == torch.__version__.split("+")[0]
    )
    if pipeline == "dann":
        assert found.plane == ("target1", "distance")
        assert len(found.pictures[0].panes) == 3
        assert found.test.startswith("the test split of each domain")
        models = [
            str(tmp_path / "out" / arm.runs[0] / "model.safetensors") for arm in found.trained
        ]
        domains = [tmp_path / "source.npz", tmp_path / "target.npz"]
        again = compare_models(models, domains, scoring=SCORING)
        assert [arm.figures for arm in again.arms] == [arm.figures for arm in found.arms]
        assert [arm.kind for arm in again.arms] == ["other", "mse", "adversarial"]
        for arm in [*found.trained, *again.arms]:
            titles = {chart.title for chart in arm.charts}
            assert "What features and classifier pay" in titles
            assert not any("generator" in title for title in titles)
        alone = compare_models(models, domains[:1], scoring=SCORING)
        assert alone.verdict and "distance" not in {metric.key for metric in alone.metrics}
    else:
        assert found.plane == ("psnr", "spectrum")
        assert found.arms[0].kind == "baseline"
        assert found.crops and "differ most" in found.crop_rule
        for row in [*found.rows, *found.crops]:
            assert [pane.subject for pane in row.panes][-3:] == ["mse", "adversarial", "truth"]
            assert len({pane.pixels.shape for pane in row.panes}) == 1
        assert set(found.spectra.power) == {arm.name for arm in found.arms}
    assert bool(found.horizons) == (pipeline == "nextframe")


def test_seeds_give_a_spread_and_further_arms_a_row(tmp_path):
    found = run(tmp_path, seeds=2, arms=["l1", "hinge", "wgan-gp"])
    assert found.seeds == [0, 1]
    assert [arm.name for arm in found.trained] == ["mse", "adversarial", "l1", "hinge", "wgan-gp"]
    for arm in found.trained:
        assert len(arm.figures["psnr"]) == 2
        assert arm.spread("psnr") > 0
    models = [tmp_path / "out" / "runs" / f"mse-{seed}" / "model.safetensors" for seed in (0, 1)]
    again = compare_models([str(model) for model in models], [tmp_path / "pairs"], scoring=SCORING)
    values = [arm.mean("psnr") for arm in again.trained]
    assert values == pytest.approx(found.trained[0].figures["psnr"])


def test_finished_runs_are_not_trained_again_and_a_stopped_one_goes_on(tmp_path, monkeypatch):
    trained = []
    step = Trainer.step

    def watched(trainer, batches):
        trained.append(trainer.folder.path.name)
        step(trainer, batches)
        if len(trained) == 3:  # within the second arm
            trainer.ask_to_stop()

    monkeypatch.setattr(Trainer, "step", watched)
    with pytest.raises(Stopped):
        run(tmp_path)
    recipe = tmp_path / "tiny-pix2pix.yaml"
    data = [tmp_path / "pairs"]
    out = tmp_path / "out"
    first = compare(recipe, data, out, scoring=SCORING, devices=["cpu"])
    assert trained == ["mse-0"] * 2 + ["adversarial-0"] * 2
    compare(recipe, data, out, scoring=SCORING, devices=["cpu"])
    assert len(trained) == 4
    straight = compare(recipe, data, tmp_path / "straight", scoring=SCORING, devices=["cpu"])
    assert straight.arms[-1].figures == first.arms[-1].figures
    assert first.data == "pairs"


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Folder, recipe, data and what was found, of trained twins."""
    folder = tmp_path_factory.mktemp("twins")
    recipe, data = comparisons.pairs(folder)
    out = folder / "out"
    return folder, recipe, data, compare(recipe, data, out, scoring=SCORING, devices=["cpu"])


@pytest.mark.parametrize(
    "change",
    [
        "train.steps=1",
        "train.steps=4",
        "train.optimizer.rate=0.1",
        "adversary.penalties=[{name: r1, weight: 10}]",
        "train.accumulate=2",
    ],
)
def test_arms_are_not_mixed_of_several_settings(twins, change):
    folder, recipe, data, _ = twins
    how = {"scoring": SCORING, "devices": ["cpu"]}
    with pytest.raises(ImganError, match=f"another {change.partition('=')[0]}, and arms compare"):
        compare(recipe, data, folder / "out", changes=[change], **how)


def test_runs_without_checkpoints_are_of_their_recipe_too(twins, tmp_path):
    folder, recipe, data, _ = twins
    shutil.copytree(folder / "out", tmp_path / "out")
    for checkpoints in (tmp_path / "out" / "runs").glob("*/checkpoints"):
        shutil.rmtree(checkpoints)
    how = {"scoring": SCORING, "devices": ["cpu"]}
    compare(recipe, data, tmp_path / "out", **how)
    with pytest.raises(ImganError, match="another adversary.weight, and arms compare"):
        compare(recipe, data, tmp_path / "out", changes=["adversary.weight=5"], **how)


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ({"direction": "BtoA"}, "trained to go AtoB; leave out --direction BtoA, or change"),
        ({"horizon": 3}, "--horizon is for next frames, and these are of pix2pix"),
        ({"size": 64}, "--size is for next frames"),
    ],
)
def test_what_scoring_cannot_do_is_told_before_training(tmp_path, scoring, message):
    recipe, data = comparisons.pairs(tmp_path)
    with pytest.raises(ImganError, match=message):
        compare(recipe, data, tmp_path / "out", scoring=replace(SCORING, **scoring))
    assert not (tmp_path / "out").exists()


def test_features_are_compared_as_the_recipe_says(tmp_path):
    recipe, (source, target) = comparisons.domains(tmp_path)
    data = [source, shutil.copy(target, tmp_path / "second.npz"), target]
    changes = ["data.sources=2", "data.target_labels=false"]
    how = {"scoring": SCORING, "devices": ["cpu"]}
    found = compare(recipe, data, tmp_path / "out", changes=changes, **how)
    assert [metric.key for metric in found.metrics] == ["source", "source2", "distance"]
    assert found.plane is None
    assert "scored on cpu in float32" in found.protocol


def test_several_targets_are_named_and_an_attribute_has_one_accuracy(tmp_path):
    recipe, (source, target) = comparisons.domains(tmp_path)
    data = [source, target, shutil.copy(target, tmp_path / "second.npz")]
    found = compare(recipe, data, tmp_path / "out", scoring=SCORING, devices=["cpu"])
    assert [m.key for m in found.metrics] == ["target1", "target2", "source", "distance"]
    said = " ".join(found.verdict)
    assert "In target 1" not in said
    assert "In target " in said and "In second " in said
    arrays = dict(np.load(source)) | {
        f"writer_{split}": np.arange(count) % 2 for split, count in (("train", 24), ("test", 12))
    }
    np.savez(tmp_path / "written.npz", **arrays)
    how = {"scoring": SCORING, "devices": ["cpu"], "changes": ["data.attribute=writer"]}
    found = compare(recipe, [tmp_path / "written.npz"], tmp_path / "writers", **how)
    assert [metric.key for metric in found.metrics] == ["accuracy", "distance"]
    assert found.plane == ("accuracy", "distance")


def test_the_size_of_clips_that_are_scored(tmp_path):
    recipe, data = MAKERS["nextframe"](tmp_path)
    scoring = replace(FRAMES, size=16)
    found = compare(recipe, data, tmp_path / "out", scoring=scoring, devices=["cpu"])
    assert "shorter side 16 pixels" in found.protocol[0]


def test_finished_runs_are_not_scored_as_of_other_data(twins, tmp_path):
    folder, recipe, _, _ = twins
    shutil.copytree(folder / "pairs", tmp_path / "pairs")
    again = compare(
        recipe, [tmp_path / "pairs"], folder / "out", scoring=SCORING, devices=["cpu"]
    )  # the same files elsewhere
    assert again.data == "pairs"
    file = tmp_path / "pairs" / "out" / "data.json"
    runs = [Run("mse", 0, plan(recipe)[0].recipe(0), folder / "out" / "runs" / "mse-0")]
    for _ in range(2):  # what is written into the data is none of it
        keep_data(file, [tmp_path / "pairs"], runs)
    assert json.loads(file.read_text()) == json.loads((folder / "out" / "data.json").read_text())
    (tmp_path / "pairs" / "train" / "0.png").unlink()
    with pytest.raises(ImganError, match="trained on other data; give the same files, or"):
        compare(recipe, [tmp_path / "pairs"], folder / "out", scoring=SCORING, devices=["cpu"])


def test_models_are_called_as_they_are(twins, tmp_path):
    folder, _, data, found = twins
    runs = folder / "out" / "runs"
    models = [tmp_path / "input.safetensors", tmp_path / "truth.safetensors"]
    shutil.copy(runs / "mse-0" / "model.safetensors", models[0])
    shutil.copy(runs / "adversarial-0" / "model.safetensors", models[1])
    again = compare_models([str(model) for model in models], data, scoring=SCORING)
    names = ["input", "input (model)", "truth (model)"]  # the first is the baseline
    assert [arm.name for arm in again.arms] == names
    assert [pane.subject for pane in again.rows[0].panes] == [*names, "truth"]
    assert [arm.figures for arm in again.arms] == [arm.figures for arm in found.arms]
    assert again.seeds == [] and again.recipe["pixel"]["kind"] == "mse"
    changed = again.arms[2].changes
    assert "pixel.kind=l1" in changed and any(one.startswith("adversary.") for one in changed)
    assert again.arms[1].changes == ()
    same = compare_models([str(models[1])] * 2, data, scoring=SCORING)
    assert same.crops and "of truth-1 and truth-2 differ most" in same.crop_rule


def test_a_mean_of_the_twins_is_not_taken_for_the_adversary(twins, tmp_path):
    folder, _, data, found = twins
    for name in ("mse", "adversarial"):
        run = folder / "out" / "runs" / f"{name}-0"
        shutil.copy(run / "model.safetensors", tmp_path / f"{name}.safetensors")
    models = [str(tmp_path / f"{name}.safetensors") for name in ("blend", "mse", "adversarial")]
    assert average(models[1:], models[0], shares=[0.8, 0.2]).cost == "adversarial"
    again = compare_models(models, data, scoring=SCORING)
    assert [arm.kind for arm in again.arms[1:]] == ["other", "mse", "adversarial"]
    assert again.verdict == found.verdict


def arms_of(**models):
    """The kinds by name: a text is a cost, a list what the model is a mean of."""
    cards = [
        Card(
            pipeline="srgan",
            name=name,
            networks={},
            cost="adversarial" if isinstance(made, list) else made,
            mean_of=dict.fromkeys(made if isinstance(made, list) else [], 0.5),
        )
        for name, made in models.items()
    ]
    return _kinds(cards, list(models))


def test_only_a_mean_of_both_twins_is_none():
    twins = {"plain": "l1", "game": "adversarial"}
    assert arms_of(stages=["game", "before"], **twins) == ["adversarial", "mse", "adversarial"]
    assert arms_of(game=["game", "before"], plain="l1") == ["adversarial", "mse"]
    assert arms_of(blend=["elsewhere", "plain"], **twins) == ["other", "mse", "adversarial"]
    assert arms_of(blend=["plain", "game"], game="adversarial") == ["adversarial", "adversarial"]
    assert arms_of(blend=["input", "x"], input="mse") == ["other", "mse"]
    assert arms_of(source="source only", dann="adversarial") == ["other", "adversarial"]


def test_images_of_training_are_not_called_held_out(tmp_path):
    recipe, data = comparisons.pairs(tmp_path)
    shutil.rmtree(data[0] / "val")
    found = compare(recipe, data, tmp_path / "out", scoring=SCORING, devices=["cpu"])
    assert found.test == "the images of training: none of so few were held out"


def test_all_of_a_test_folder_is_scored(tmp_path):
    recipe, data = comparisons.pairs(tmp_path)
    test = tmp_path / "others"
    test.mkdir()
    picture = next((data[0] / "train").iterdir())
    for i in range(21):  # of so many in a folder to train on one is held out
        shutil.copy(picture, test / f"{i}{picture.suffix}")
    found = compare(recipe, data, tmp_path / "out", test=[test], scoring=SCORING, devices=["cpu"])
    assert found.tested == 21 and found.protocol[0].startswith("21 images, ")


@pytest.mark.parametrize("pipeline", MAKERS)
def test_a_fault_of_the_test_data_is_found_before_training(pipeline, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImganError):
        run(tmp_path, pipeline, test=[tmp_path / "empty"])
    recipe, data = MAKERS[pipeline](tmp_path / "more")
    with pytest.raises(ImganError):
        parts(load_recipe(recipe), [tmp_path / "empty"] * len(data), [])
    assert not (tmp_path / "out").exists()


def test_moving_digits_have_their_standard_measure(tmp_path, monkeypatch):
    monkeypatch.setattr("imgan.comparison.judges.SEQUENCES", 3)
    recipe, data = comparisons.moving_digits(tmp_path)
    found = compare(recipe, data, tmp_path / "out", scoring=FRAMES, devices=["cpu"])
    assert found.metric("mse_all").title == "MSE a frame, 1 to 3"
    model = str(tmp_path / "out" / found.arms[1].runs[0] / "model.safetensors")
    report = evaluate_nextframe(
        [model], data, horizon=3, sequences=3, device="cpu", precision="float32"
    )
    for arm, rows in zip(found.arms, report.models.values(), strict=False):  # the copy, then MSE
        own = sum(row["mse"] for row in rows) / 3
        assert arm.mean("mse_all") == pytest.approx(own)
    assert not any("MSE" in lines.title for lines in found.horizons)


def test_faults_of_the_last_arm_are_found_before_the_first_is_trained(tmp_path):
    recipe, data = comparisons.super_resolution(tmp_path)
    missing = ["perceptual={layers: {conv1_2: 1}, weights: none.npz}", "data.crop=16"]
    with pytest.raises(ImganError, match="there is no file of weights none.npz"):
        compare(recipe, data, tmp_path / "o", changes=missing, scoring=SCORING, devices=["cpu"])
    assert not (tmp_path / "o").exists()
