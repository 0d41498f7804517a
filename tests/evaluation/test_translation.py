import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgan.errors import ImganError
from imgan.evaluation.distribution import SetDistance
from imgan.evaluation.evaluate import Scores
from imgan.evaluation.metrics import psnr
from imgan.evaluation.translation import evaluate_translation, is_translation
from imgan.perceptual import LpipsDistance
from tests.pipelines.translation_runs import PHOTOS, content, make_pairs, trainer


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    return make_pairs(tmp_path_factory.mktemp("data") / "pairs", val=3)


@pytest.fixture(scope="module")
def models(pairs, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        pipeline: trainer(folder / pipeline, [pairs], content(pipeline, 2)).run()
        for pipeline in ("pix2pix", "cyclegan")
    }


def test_scores_are_those_of_the_kept_images(models, pairs, tmp_path):
    report = evaluate_translation([models["pix2pix"]], [pairs], out=tmp_path, device="cpu")
    copy, model = report.models
    assert copy.model == "input"
    assert list(model.images) == ["0", "1", "2"]
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept["columns"] == ["input", "output", "target"]
    for row in kept["rows"]:
        images = [np.array(Image.open(tmp_path / name)) for name in row["images"]]
        source, output, target = (torch.from_numpy(i).permute(2, 0, 1)[None] / 255 for i in images)
        assert source.shape == target.shape == (1, 3, 32, 32)
        expected = psnr(output, target).item()
        assert model.images[row["name"]]["psnr"] == pytest.approx(expected, abs=0.02)
        expected = psnr(source, target).item()
        assert copy.images[row["name"]]["psnr"] == pytest.approx(expected, abs=0.02)
    assert kept["scores"][str(models["pix2pix"])]["ssim"] <= 1


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_cyclegan_is_scored_by_the_pairs_both_ways(models, pairs, direction):
    report = evaluate_translation([models["cyclegan"]], [pairs], direction=direction, device="cpu")
    assert report.direction == direction
    assert len(report.models[1].images) == 3


def test_photos_of_a_pair_maker(tmp_path):
    recipe = content("pix2pix", 1) | {"channels": 1, "out_channels": 3}
    recipe["data"] |= {"make": "colourise", "resize": "shorter"}
    model = trainer(tmp_path / "run", [PHOTOS], recipe).run()
    report = evaluate_translation([model], [PHOTOS], device="cpu")
    assert [scores.model for scores in report.models] == [str(model)]  # grey is no answer
    assert len(report.models[0].images) == 4


def test_unpaired_sets_have_images_and_no_pair_scores(models, pairs, tmp_path):
    for side, name in (("A", "x"), ("B", "y")):
        (tmp_path / "data" / f"test{side}").mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (50, 40), (9 * i, 50, 90)).save(
                tmp_path / "data" / f"test{side}" / f"{name}{i}.png"
            )
    report = evaluate_translation(
        [models["cyclegan"]], [tmp_path / "data"], out=tmp_path / "out", device="cpu"
    )
    assert report.means() == {str(models["cyclegan"]): {}}
    assert json.loads((tmp_path / "out" / "results.json").read_text())["columns"] == [
        "input",
        "output",
    ]


def test_a_folder_for_each_set_and_heaps_that_nearly_pair_up(models, pairs, tmp_path):
    for side in "AB":
        (tmp_path / side).mkdir()
        for i in range(12):
            Image.new("RGB", (40, 40), (9 * i, 50, 90)).save(tmp_path / side / f"{i:02d}.png")
    folders = [tmp_path / "A", tmp_path / "B"]
    for direction in ("AtoB", "BtoA"):
        report = evaluate_translation(
            [models["cyclegan"]], folders, direction=direction, device="cpu"
        )
        assert report.protocol[0].startswith("12 images, the first")
    own = tmp_path / pairs.name  # as the folder that it was trained on
    own.mkdir()
    for folder in folders:
        folder.rename(own / folder.name)
    report = evaluate_translation([models["cyclegan"]], [own], device="cpu")
    assert report.protocol[0].startswith("1 held-out images")
    (own / "B" / "11.png").unlink()
    assert evaluate_translation([models["cyclegan"]], [own], device="cpu").models


def test_what_was_not_trained_is_refused(models, pairs, tmp_path):
    with pytest.raises(ImganError, match="was trained to go AtoB"):
        evaluate_translation([models["pix2pix"]], [pairs], direction="BtoA", device="cpu")
    one_way = content("cyclegan", 1) | {"directions": "BtoA"}
    model = trainer(tmp_path / "run", [pairs], one_way).run()
    assert evaluate_translation([model], [pairs], device="cpu").direction == "BtoA"
    with pytest.raises(ImganError, match="cannot be scored on the same images"):
        evaluate_translation([models["pix2pix"], model], [pairs], device="cpu")


def test_a_model_is_known_by_its_card(models):
    assert is_translation(models["pix2pix"])
    assert not is_translation("x4-mse")
    with pytest.raises(ImganError, match="there is no model nowhere"):
        is_translation("nowhere.safetensors")


class Backbone(LpipsDistance):
    """A stand-in for LPIPS: the features are the mean colours, positive as behind a ReLU."""

    protocol = "colours"

    def __init__(self, scale=1.0) -> None:
        torch.nn.Module.__init__(self)
        self.__dict__["lpips"] = self  # no submodule: it would be its own
        self.net = lambda x: [x]
        self.scaling_layer = lambda x: scale * (x + 1)


def test_the_kernel_distance_is_about_zero_for_equal_sets_and_grows():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(40, 3, 8, 8, generator=generator)
    found = []
    for shift in (0.0, 0.1, 0.3):
        distance = SetDistance(Backbone())
        distance.add((images[:20] + shift).clamp(0, 1), images[20:])
        found.append(distance.compute())
    assert abs(found[0]) < 5
    assert found[0] < found[1] < found[2]
    loud = SetDistance(Backbone(1000.0))  # the scale of the activations changes nothing
    loud.add((images[:20] + 0.3).clamp(0, 1), images[20:])
    assert loud.compute() == pytest.approx(found[2], rel=1e-3)


def test_few_images_have_no_kernel_distance():
    distance = SetDistance(Backbone())
    distance.add(torch.rand(3, 3, 8, 8), torch.rand(3, 3, 8, 8))
    with pytest.raises(ImganError, match="KID needs 20 images"):
        distance.compute()


def test_the_command_prints_means_and_refuses_mixed_work(models, pairs, tmp_path):
    from typer.testing import CliRunner

    from imgan.cli import app

    run = CliRunner()
    model = str(models["pix2pix"])
    scores = str(tmp_path / "scores.json")
    done = run.invoke(app, ["evaluate", model, str(pairs), "--json", scores, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert "input" in done.output
    assert len(json.loads(Path(scores).read_text())["models"]) == 2
    mixed = run.invoke(app, ["evaluate", model, "x4-mse", str(pairs)])
    assert "different work" in str(mixed.exception)


def test_models_of_any_name_keep_their_own_images(models, pairs, tmp_path, monkeypatch):
    for name in ("input", "target", "model"):
        shutil.copy(models["pix2pix"], tmp_path / f"{name}.safetensors")
    monkeypatch.chdir(tmp_path)
    names = ["input.safetensors", "target.safetensors", "model.safetensors"]
    evaluate_translation(names, [pairs], out=tmp_path / "out", device="cpu")
    columns = json.loads((tmp_path / "out" / "results.json").read_text())["columns"]
    assert columns == ["input", "input-1", "target-2", tmp_path.name, "target"]
    for column in columns:
        assert len(list((tmp_path / "out" / column).iterdir())) == 3


def test_equal_images_are_no_number_in_json(models, tmp_path):
    picture = np.zeros((32, 64, 3), np.uint8)
    (tmp_path / "same" / "val").mkdir(parents=True)
    Image.fromarray(picture).save(tmp_path / "same" / "val" / "0.png")
    report = evaluate_translation([models["pix2pix"]], [tmp_path / "same"], out=tmp_path / "out")
    assert report.to_dict()["models"][0]["mean"]["psnr"] is None
    assert "Infinity" not in (tmp_path / "out" / "results.json").read_text()


def test_the_mean_is_over_the_images_that_have_the_figure():
    scores = Scores("m", images={"large": {"psnr": 20.0, "lpips": 0.2}, "small": {"psnr": 30.0}})
    assert scores.mean == {"psnr": 25.0, "lpips": 0.2}
