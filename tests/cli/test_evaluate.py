"""``imgan evaluate`` and ``imgan bench`` from the command line."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from imgan.cli import app
from imgan.errors import ImganError

ROW = {
    "input": "64x48",
    "output": "256x192",
    "seconds": 0.123,
    "seconds_min": 0.1,
    "megapixels_per_second": 0.4,
    "peak_mb": 300.0,
    "gpu_peak_mb": 0.0,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
}


@pytest.fixture
def folder(tmp_path, photos):
    image = Image.open(photos / "casa-mila.jpg").crop((0, 0, 64, 48))
    (tmp_path / "set").mkdir()
    image.save(tmp_path / "set" / "casa-mila.png")
    return tmp_path / "set"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_table_protocol_and_json(folder, tmp_path):
    result = run("evaluate", "bicubic", folder, "--scale", 2, "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    mean = report["models"][0]["mean"]
    for text in ("casa-mila", f"{mean['psnr']:.2f}", f"{mean['ssim']:.4f}", "no LPIPS", "on Y"):
        assert text in result.output


def test_damage_is_done_and_told(folder):
    result = run("evaluate", "bicubic", folder, "--scale", 2, "--jpeg", 30, "--noise", 5)
    assert result.exit_code == 0, result.output
    assert "noise of 5 grey levels and JPEG of quality 30" in " ".join(result.output.split())


def test_the_table_says_in_which_setting_the_twins_were(folder):
    result = run("evaluate", "imgan", folder, "--jpeg", 50, "--restore", "--realism", 1)
    assert result.exit_code == 0, result.output
    assert "shipped twins that restore, at realism 1" in " ".join(result.output.split())


def test_names_are_no_markup(folder, tmp_path):
    (tmp_path / "b").mkdir()
    shutil.copy(next(folder.glob("*.png")), tmp_path / "b" / "a [edit].png")
    assert "a [edit].png" in run("evaluate", "bicubic", tmp_path / "b", "--scale", 2).output


def test_where_the_work_is_is_no_markup():
    from rich.text import Text

    from imgan.cli.evaluate import _image

    assert Text.from_markup(_image("runs/[/b]/m", 0, 2)).plain == "runs/[/b]/m: image 1 of 2"


def test_figures_are_shown_even_where_the_json_cannot_be_written(folder):
    nowhere = folder / "casa-mila.png" / "out.json"  # in a file
    result = run("evaluate", "bicubic", folder, "--json", nowhere)
    assert "PSNR" in result.output
    assert isinstance(result.exception, ImganError)
    assert f"{nowhere} cannot be written" in str(result.exception)


def test_errors_are_sentences(folder, tmp_path):
    for arguments, message in [
        (["evaluate", folder], "give a model and a folder"),
        (["evaluate", "bicubic", tmp_path / "none"], "is not a folder"),
        (["evaluate", "bicubic", folder, "--lpips-weights", "none.pth"], "none.pth"),
        (["evaluate", "bicubic", folder, "--jpeg", 0], "from 1 to 100, not 0"),
        (["evaluate", "colourise", folder, "--jpeg", 50], "--jpeg and --noise are for models that"),
        (["bench", "upscale", "--size", "big"], "--size big"),
        (["bench", "train", "no-such-recipe", folder], "no-such-recipe"),
    ]:
        error = run(*arguments).exception
        assert isinstance(error, ImganError), arguments
        assert message in str(error)


def test_bench_upscale_shows_what_was_measured(monkeypatch, tmp_path):
    from imgan.evaluation import bench_upscale

    asked = []
    monkeypatch.setattr(bench_upscale, "bench_upscale", lambda *a: asked.append(a) or [ROW])
    result = run(
        "bench", "upscale", "--size", "64x48", "--size", "32", "--json", tmp_path / "b.json"
    )
    assert result.exit_code == 0, result.output
    assert asked == [([(64, 48), (32, 32)], None, "auto", "auto", 5)]
    assert "256x192" in result.output
    assert json.loads((tmp_path / "b.json").read_text()) == [ROW]


def test_bench_train_measures_a_small_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr("imgan.evaluation.bench._PEAK_SECONDS", 0.05)
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(data / "a.png")
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(
        "pipeline: srgan\nname: tiny\nscale: 2\ngenerator: {name: plainsr, width: 8, blocks: 1}\n"
        "data: {crop: 16}\ntrain: {steps: 2, batch: 4, accumulate: 2, workers: 0}\n"
    )
    result = run(
        "bench",
        "train",
        recipe,
        data,
        "--steps",
        2,
        "--device",
        "cpu",
        "--json",
        tmp_path / "b.json",
    )
    assert result.exit_code == 0, (result.output, result.exception)
    row = json.loads((tmp_path / "b.json").read_text())
    assert row["step_images_per_second"] == pytest.approx(4 / row["step_seconds"])
    assert row["loader_images_per_second"] > 0
    assert row["step_gflop"] > 0
    for word in ("loader", "step", "arithmetic", "memory"):
        assert word in result.output
