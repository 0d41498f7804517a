"""All five pipelines through a whole comparison, tiny; the properties that make it a fair one."""

import json
import os
import shutil
import signal

import pytest
import torch

from imgan.comparison import runs as runs_module
from imgan.comparison.arms import arms_of, plan
from imgan.comparison.compare import Scoring, compare, compare_models
from imgan.comparison.runs import Run, keep_data, train_all
from imgan.comparison.splits import named, parts
from imgan.errors import ImganError, Stopped
from imgan.evaluation.nextframe import evaluate_nextframe
from imgan.model_file import load_model
from imgan.pipelines import make_pipeline
from imgan.recipe import load_recipe, recipe_names
from imgan.training.loop import Trainer
from tests.comparison import comparisons

SCORING = Scoring(lpips=None, device="cpu", precision="float32", horizon=3)
MAKERS = {
    "srgan": comparisons.super_resolution,
    "pix2pix": comparisons.pairs,
    "cyclegan": lambda folder: comparisons.pairs(folder, "cyclegan"),
    "nextframe": comparisons.frames,
    "dann": comparisons.domains,
}
ADVERSARIAL = [name for name in recipe_names() if load_recipe(name).adversary]


def run(folder, pipeline="pix2pix", **more):
    recipe, data = MAKERS[pipeline](folder)
    return compare(recipe, data, folder / "out", scoring=SCORING, devices=["cpu"], **more)


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


@pytest.mark.parametrize("change", ["train.steps=1", "train.steps=4", "train.optimizer.rate=0.1"])
def test_arms_are_not_mixed_of_several_settings(twins, change):
    folder, recipe, data, _ = twins
    how = {"scoring": SCORING, "devices": ["cpu"]}
    with pytest.raises(ImganError, match=f"another {change.partition('=')[0]}, and arms compare"):
        compare(recipe, data, folder / "out", changes=[change], **how)


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


def test_what_is_trained_on_is_not_scored(tmp_path):
    recipe, data = comparisons.pairs(tmp_path)
    with pytest.raises(ImganError, match="4 images of --test are trained on, such as .*train"):
        parts(load_recipe(recipe), data, [data[0] / "train"])
    assert parts(load_recipe(recipe), data, data).test == data  # what it holds out of them
    recipe, data = comparisons.domains(tmp_path)
    with pytest.raises(ImganError, match="here are 2 domains and 1 of --test; give one for each"):
        parts(load_recipe(recipe), data, data[:1])
    with pytest.raises(ImganError, match="source.npz is one domain; give the source and then"):
        parts(load_recipe(recipe), data[:1], [])


def test_moving_digits_have_their_standard_measure(tmp_path, monkeypatch):
    monkeypatch.setattr("imgan.comparison.judges.SEQUENCES", 3)
    recipe, data = comparisons.moving_digits(tmp_path)
    found = compare(recipe, data, tmp_path / "out", scoring=SCORING, devices=["cpu"])
    assert found.metric("mse_all").title == "MSE a frame, 1 to 3"
    model = str(tmp_path / "out" / found.arms[1].runs[0] / "model.safetensors")
    report = evaluate_nextframe(
        [model], data, horizon=3, sequences=3, device="cpu", precision="float32"
    )
    for arm, rows in zip(found.arms, report.models.values(), strict=False):  # the copy, then MSE
        own = sum(row["mse"] for row in rows) / 3
        assert arm.mean("mse_all") == pytest.approx(own)
    assert not any("MSE" in lines.title for lines in found.horizons)


def test_fewer_moves_of_the_generator_are_told(tmp_path):
    found = run(tmp_path, changes=["adversary.critic_moves=2"])
    told = [arm.about.endswith("; the generator moves in one of 2 steps") for arm in found.trained]
    assert told == [False, True]


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
    (tmp_path / "data" / "test").mkdir(parents=True)
    for name in ("a.png", "b.png", "test/c.png"):
        (tmp_path / "data" / name).touch()
    data, test = [tmp_path / "data"], [tmp_path / "data" / "test"]
    found = parts(load_recipe(recipe), data, test)
    assert [photo.name for photo in found.train] == ["a.png", "b.png"] and found.test == test
    with pytest.raises(ImganError, match="every photo of the data is one of --test"):
        parts(load_recipe(recipe), test, test)
    held = parts(load_recipe(recipe), data, [])
    assert held.about == "the last photo (1), held out from training" and len(held.train) == 2


def test_data_is_named_without_its_owner(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    folders = [tmp_path / "photos", tmp_path / "Set5" / "x4"]
    assert named(folders) == "photos, Set5/x4"


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


def test_faults_of_the_last_arm_are_found_before_the_first_is_trained(tmp_path):
    recipe, data = comparisons.super_resolution(tmp_path)
    missing = ["perceptual={layers: {conv1_2: 1}, weights: none.npz}", "data.crop=16"]
    with pytest.raises(ImganError, match="there is no file of weights none.npz"):
        compare(recipe, data, tmp_path / "o", changes=missing, scoring=SCORING, devices=["cpu"])
    assert not (tmp_path / "o").exists()


def test_a_fault_names_its_arm(tmp_path):
    recipe, _ = comparisons.pairs(tmp_path)
    runs = [Run("mse", 0, load_recipe(recipe), tmp_path / "o")]
    with pytest.raises(ImganError, match=r"arm mse, seed 0: .*no folder"):
        train_all(runs, [tmp_path / "nothing"], ["cpu"], print)


def test_runs_go_side_by_side_on_several_devices(tmp_path, monkeypatch):
    # As here: sums of more threads differ in their last bits.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    recipe, data = comparisons.pairs(tmp_path)
    arms = plan(recipe)
    # Points in names are no suffixes.
    runs = [Run(a.name, 0, a.recipe(0), tmp_path / "side" / f"0.{a.name}") for a in arms]
    said = []
    train_all(runs, data, ["cpu", "cpu"], said.append)
    alone = [Run(a.name, 0, a.recipe(0), tmp_path / "turn" / a.name) for a in arms]
    train_all(alone, data, ["cpu"], said.append)
    for one, other in zip(runs, alone, strict=True):
        own, its = (load_model(run.model).networks["generator"] for run in (one, other))
        pairs = zip(own.parameters(), its.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert {"mse, seed 0: done", "adversarial, seed 0: done"} <= set(said)


def test_sigterm_ends_the_runs_on_all_devices(tmp_path, monkeypatch):
    recipe, data = comparisons.pairs(tmp_path)
    arms = plan(recipe, ["train.steps=100000"])
    runs = [Run(a.name, 0, a.recipe(0), tmp_path / "side" / a.name) for a in arms]
    started = []
    monkeypatch.setattr(
        runs_module, "_standing", lambda *of: os.kill(os.getpid(), signal.SIGTERM) or "asked"
    )
    monkeypatch.setattr(runs_module, "LINE_EVERY", 0.0)
    start = runs_module._start
    monkeypatch.setattr(
        runs_module, "_start", lambda *of: started.append(start(*of)) or started[-1]
    )
    with pytest.raises(Stopped, match="goes on"):
        train_all(runs, data, ["cpu", "cpu"], lambda text: None)
    assert len(started) == 2
    assert all(worker.process.poll() is not None for worker in started)


def test_a_run_on_another_device_that_fails_is_told_with_its_last_words(tmp_path):
    recipe, data = comparisons.pairs(tmp_path)
    runs = [Run(a.name, 0, a.recipe(0), tmp_path / "side" / a.name) for a in plan(recipe)]
    with pytest.raises(ImganError, match=r"arm \w+, seed 0 on cpu: there is no .*nothing"):
        train_all(runs, [tmp_path / "nothing"], ["cpu", "cpu"], lambda text: None)


def test_the_generator_is_made_before_the_critic_so_that_twins_begin_alike():
    for name in ("pix2pix-quick", "cyclegan-quick", "nextframe", "dann", "x4-adversarial"):
        states = []
        for arm in plan(name, ["init=null", "perceptual=null"] if name == "x4-adversarial" else []):
            torch.manual_seed(0)
            networks = make_pipeline(arm.recipe(0)).networks
            states.append({k: n.state_dict() for k, n in networks.items() if "critic" not in k})
        first = states[0]
        for other in states[1:]:
            assert first.keys() == other.keys()
            for role in first:
                assert all(torch.equal(first[role][k], other[role][k]) for k in first[role]), name
