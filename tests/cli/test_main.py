"""The entry of the command line: how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from PIL import Image
from typer.testing import CliRunner

from imgan import cli
from imgan.errors import ImganError
from imgan.model_file import Card, save_model
from imgan.shipped import resolve, shipped_models


def interrupted():
    raise KeyboardInterrupt


def too_large():
    raise MemoryError


@pytest.mark.parametrize(
    ("work", "code", "sentence"),
    [
        (interrupted, 130, "imgan: stopped; the same command begins anew"),
        (too_large, 2, "imgan: memory does not suffice; take smaller sizes"),
        (lambda: Path("x" * 300).read_bytes(), 2, f"imgan: {'x' * 300}: File name too long\n"),
    ],
)
def test_what_ends_a_command_is_one_sentence(work, code, sentence, monkeypatch, capsys):
    app = typer.Typer()
    app.command()(work)
    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["imgan"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert said.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_names_of_any_bytes_are_printed(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / name / "a.png")
    Image.new("RGB", (16, 16)).save(tmp_path / name / "b.png")
    done = subprocess.run(
        [sys.executable, "-m", "imgan", "data", "check", tmp_path],
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        check=False,
    )
    assert b"caf" in done.stdout, done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [["train", "x4-mse"], ["bench", "train", "x4-mse"], ["evaluate", "bicubic"], ["data", "check"]],
)
def test_over_long_names_are_one_sentence(command):
    done = subprocess.run(
        [sys.executable, "-m", "imgan", *command, "y" * 300],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "yyy" in done.stderr
    assert "Traceback" not in done.stderr


KNOWN = {
    "pipeline": "srgan",
    "name": "mine",
    "scale": 4,
    "cost": "l1",
    "steps": 7000,
    "scores": {"Set5 x4": {"psnr": 30.0}},
    "licence": "CC0-1.0",
    "notes": "Mine.",
    "data": {"photos": 3},
    "recipe": {"name": "x4-mse"},
    "log": [{"step": 1.0}],
}


@pytest.fixture
def saved(tmp_path):
    """A model that was trained on from a mean of others."""
    first = Card(networks={}, **KNOWN | {"name": "first"})
    mean = Card(networks={}, parent=first, **KNOWN | {"mean_of": {"first": 0.5, "other": 0.5}})
    save_model(tmp_path / "mine.safetensors", Card(networks={}, parent=mean, **KNOWN), {})
    return tmp_path / "mine.safetensors"


def card_of(*arguments):
    return yaml.safe_load(CliRunner().invoke(cli.app, ["card", *map(str, arguments)]).output)


@pytest.mark.parametrize("log", [False, True])
def test_a_card_begins_with_what_is_asked_for_first(saved, log):
    content = card_of(saved, *["--log"] * log)
    wanted = [key for key in KNOWN if log or key != "log"]
    wanted.insert(2, "networks")
    assert list(content) == [*wanted, "parents"]


@pytest.mark.parametrize("log", [False, True])
def test_the_models_before_are_a_line_each_or_whole(saved, log):
    assert card_of(saved)["parents"] == [
        "mine, l1, the mean of first and other",
        "first, l1, 7,000 steps",
    ]
    content = card_of(saved, "--parents", *["--log"] * log)
    parents = content["parent"], content["parent"]["parent"]
    assert [one["name"] for one in parents] == ["mine", "first"]
    assert all(("log" in one) == log and one["recipe"] == KNOWN["recipe"] for one in parents)
    assert "parents" not in content


def test_a_mean_says_where_the_logs_are(tmp_path):
    mean = KNOWN | {"mean_of": {"first": 1.0}, "log": [], "steps": 0}
    save_model(tmp_path / "mean.safetensors", Card(networks={}, **mean), {})
    for options, said in (([], False), (["--log"], True), (["--log", "--parents"], False)):
        shown = CliRunner().invoke(cli.app, ["card", str(tmp_path / "mean.safetensors"), *options])
        assert ("--log --parents" in shown.stderr) == said


@pytest.mark.parametrize("options", [[], ["--parents"], ["--log", "--parents"]])
def test_a_model_without_parents(tmp_path, options):
    save_model(tmp_path / "one.safetensors", Card(networks={}, **KNOWN), {})
    content = card_of(tmp_path / "one.safetensors", *options)
    assert content["name"] == "mine"
    assert not {"parent", "parents"} & set(content)


def test_a_parent_is_a_line_however_long(tmp_path):
    long = Card(networks={}, **KNOWN | {"name": "a" * 50 + " " + "b" * 50})
    save_model(tmp_path / "one.safetensors", Card(networks={}, parent=long, **KNOWN), {})
    shown = CliRunner().invoke(cli.app, ["card", str(tmp_path / "one.safetensors")]).output
    assert shown.endswith(f"parents:\n- {long.name}, l1, 7,000 steps\n")


def test_a_shipped_file_that_cannot_be_read_hides_no_other_error(tmp_path, monkeypatch):
    (tmp_path / "broken.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    shipped = shipped_models() | {"broken": tmp_path / "broken.safetensors"}
    monkeypatch.setattr("imgan.shipped.shipped_models", lambda: shipped)
    with pytest.raises(ImganError, match="there is no model x9: give a model file or one of x2-"):
        resolve("x9", "srgan")


@pytest.mark.parametrize(
    ("command", "named", "others"),
    [
        (["upscale", "cat.png", "--model", "x9-mse"], "x4-mse", "colourise"),
        (["translate", "cat.png", "--model", "x9-mse"], "colourise", "x4-mse"),
        (["export", "x9-mse", "out.onnx"], "colourise", "nextframe"),
        (["predict", "clip.mp4", "--model", "x9-mse"], "nextframe", "x4-mse"),
    ],
)
def test_a_model_that_is_not_there_names_those_that_the_command_can_use(command, named, others):
    error = CliRunner().invoke(cli.app, command).exception
    assert isinstance(error, ImganError)
    said = str(error)
    assert said.startswith("there is no model x9-mse: give a model file or one of ")
    assert named in said
    assert others not in said
