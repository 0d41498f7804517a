import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from imgan.cli import app
from imgan.errors import ImganError

RUN = CliRunner()
SMALL = [
    "train.steps=2", "train.batch=4", "data.size=16", "features.width=4", "train.workers=0",
    "train.precision=float32",
]  # fmt: skip


def invoke(*words):
    return RUN.invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def domains(tmp_path):
    rng = np.random.default_rng(0)
    for folder, classes in (("photos", ("a", "b")), ("drawings", (".",))):
        for name in classes:
            for i in range(4):
                file = tmp_path / folder / name / f"{i}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (18, 20, 3), dtype=np.uint8)).save(file)
    return tmp_path / "photos", tmp_path / "drawings"


def test_folders_are_adapted_classified_and_written_as_features(domains, tmp_path):
    changes = [word for change in SMALL for word in ("--set", change)]
    done = invoke(
        "adapt", "--recipe", "dann", *domains, "-o", tmp_path / "run", *changes, "--device", "cpu"
    )
    assert done.exit_code == 0, done.output
    assert "index.html" in done.output
    model = tmp_path / "run" / "model.safetensors"
    out = tmp_path / "p.csv"
    done = invoke("classify", "--model", model, domains[1], "-o", out, "--device", "cpu")
    assert done.exit_code == 0
    rows = out.read_text().splitlines()
    assert rows[0] == "image,class,probability" and len(rows) == 5
    assert {row.split(",")[1] for row in rows[1:]} <= {"a", "b"}
    done = invoke("classify", "--model", model, domains[0], "--device", "cpu")
    assert "with a known class are right" in done.output
    done = invoke("evaluate", model, domains[0], "--device", "cpu", "--json", tmp_path / "e.json")
    assert done.exit_code == 0
    assert "right answers" in done.output
    (found,) = json.loads((tmp_path / "e.json").read_text())["models"].values()
    assert found["images"] == 8
    assert 0 <= found["accuracy"] <= 1
    with pytest.raises(ImganError, match="has none of the classes that .* knows"):
        invoke("evaluate", model, domains[1], "--device", "cpu")
    done = invoke(
        "features", "--model", model, *domains, "-o", tmp_path / "f.npz", "--device", "cpu"
    )
    stored = np.load(tmp_path / "f.npz")
    assert stored["features"].shape == (12, 32)
    assert stored["label"].tolist()[:4] == ["a"] * 4 and stored["label"].tolist()[-1] == ""


def test_what_is_read_is_not_written_over(tmp_path):
    for command, name in (("classify", "a.csv"), ("features", "a.npz")):
        (tmp_path / name).write_text("mine")
        with pytest.raises(ImganError, match="is what is read, and would be lost"):
            invoke(command, "--model", "none", tmp_path / name, "-o", f"{tmp_path}/./{name}")
        assert (tmp_path / name).read_text() == "mine"


def test_wrong_words_are_one_sentence(domains, tmp_path):
    with pytest.raises(ImganError, match="not of domain adaptation"):
        invoke("adapt", "--recipe", "pix2pix", *domains, "-o", tmp_path / "run")
    with pytest.raises(ImganError, match="written as .csv"):
        invoke("classify", "--model", "x", domains[0], "-o", "p.txt")
    with pytest.raises(ImganError, match=r"written as .npz or .parquet"):
        invoke("features", "--model", "x", domains[0], "-o", "p.txt")
    with pytest.raises(ImganError, match="tells no classes"):
        invoke("classify", "--model", "assets/models/x2-mse.safetensors", domains[0])
