import json
import shutil
import subprocess
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from imgan.cli import app
from imgan.cli.compare import _folder, _models
from imgan.errors import ImganError
from tests.comparison import comparisons

RUN = CliRunner()


def invoke(*words):
    return RUN.invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_a_recipe_is_compared_into_a_page_figures_and_a_picture(tmp_path):
    recipe, data = comparisons.super_resolution(tmp_path)
    out = tmp_path / "out"
    words = ["compare", recipe, *data, "-o", out, "--seeds", 2, "--lpips", "none"]
    words += ["--device", "cpu", "--figure", tmp_path / "f.png", "--json", tmp_path / "c.json"]
    done = invoke(*words)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(out / "index.html")
    assert "+-" in done.stdout and "Bicubic" in done.stdout
    found = json.loads((tmp_path / "c.json").read_text())
    assert found == json.loads((out / "comparison.json").read_text())
    assert [arm["name"] for arm in found["arms"]] == ["bicubic", "mse", "adversarial"]
    assert found["data"] == "files/photos"
    assert len(found["arms"][1]["figures"]["psnr"]) == 2
    assert sorted(run.name for run in (out / "runs").iterdir()) == [
        *("adversarial-0", "adversarial-1", "mse-0", "mse-1"),
    ]
    page = (out / "index.html").read_text()
    assert all(line in page for line in found["verdict"][:1])
    assert Image.open(tmp_path / "f.png").width > 1000
    again = invoke(*words, "--resume")
    assert "4 of 4 runs are trained already" in again.output


def test_models_that_are_there_are_compared(tmp_path, photos):
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in sorted(photos.iterdir())[:2]:
        Image.open(photo).resize((96, 64)).save(folder / f"{photo.stem}.png")
    words = ["compare", "--models", "x2-mse", "x2-adversarial", folder, "--lpips", "none"]
    done = invoke(*words, "-o", tmp_path / "o", "--device", "cpu")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "o" / "comparison.json").read_text())
    assert [arm["kind"] for arm in found["arms"]] == ["baseline", "mse", "adversarial"]
    assert found["arms"][1]["steps"] > 0
    assert "64 photographs" in found["data"]
    first, second = found["arms"][1:]
    assert first["mean"]["psnr"] > second["mean"]["psnr"]


def test_what_cannot_be_written_is_one_sentence(tmp_path, photos):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.open(sorted(photos.iterdir())[0]).resize((48, 48)).save(folder / "one.png")
    (tmp_path / "file").write_text("")
    words = ["compare", "--models", "x2-mse", "x2-adversarial", folder, "--lpips", "none"]
    words += ["-o", tmp_path / "o", "--device", "cpu", "--figure", tmp_path / "file" / "f.png"]
    with pytest.raises(ImganError, match="file.* cannot be written .*trains nothing again"):
        invoke(*words)
    assert (tmp_path / "o" / "index.html").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pix2pix"], "give a recipe and its data: imgan compare RECIPE DATA"),
        (["--models", "x4-mse"], "give models and the data to score them on"),
        (["--models", "x4-mse", "x4-adversarial", "D", "--arm", "l1"], "leave out --models"),
        (["--models", "x4-mse", "nextframe", "D"], "srgan and nextframe; only those of one"),
        (["--models", "x4-mse", "x2-mse", "D"], "enlarge 2 and 4 times; compare those of one"),
        (["x4-mse", "D"], "has no adversary to compare"),
        (["pix2pix", "D", "--arm", "none"], "knows no arm none: there are mse, l1, adversarial"),
        (["pix2pix", "D", "--resume"], "there is no comparison in .* to resume"),
        (["pix2pix", "nowhere"], "data set nowhere"),
        (["pix2pix", "D", "--lpips", "none", "--lpips-weights", "f"], "give one"),
        (["colourise", "D", "--lpips-weights", "f.pth"], "there is no file of weights f.pth"),
        (["colourise", "D", "--inception", "f.pth"], "torch-fidelity"),
        (["x4-adversarial", "ONE"], "nothing can be held out of it; give more, or --test"),
    ],
)
def test_what_cannot_be_is_one_sentence_before_any_work(words, sentence, tmp_path, photos):
    (tmp_path / "D").mkdir()
    (tmp_path / "ONE").mkdir()
    photo = sorted(photos.iterdir())[0]
    shutil.copy(photo, tmp_path / "D")
    shutil.copy(photo, tmp_path / "ONE")
    given = [tmp_path / word if word in ("D", "ONE") else word for word in words]
    with pytest.raises(ImganError, match=sentence):
        invoke("compare", *given, "-o", tmp_path / "o", "--device", "cpu")
    assert not (tmp_path / "o").exists()


def test_faults_of_a_recipe_cost_no_import_of_torch(tmp_path):
    code = (
        "import sys; sys.argv = ['imgan', 'compare', 'x4-mse', '.']\n"
        "import imgan.cli\n"
        "try: imgan.cli.main()\n"
        "except SystemExit as end: print('code', end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "code 2 False"
    assert "has no adversary" in done.stderr


@pytest.mark.parametrize(
    ("words", "models"),
    [
        (["x4-mse", "x4-adversarial", "D"], 2),
        (["a.safetensors", "x4-mse", "D", "E"], 2),  # two domains
        (["a.safetensors", "D"], 1),
        (["neither", "nor", "D"], 2),
        (["x4-mse", "x4-adversarial"], 1),
    ],
)
def test_models_end_where_data_begins(words, models):
    assert _models(words) == models
    assert len(_folder(["RECIPE", *("photo.png" for _ in range(99))], False)) <= 100
