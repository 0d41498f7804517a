"""`imgan train` as a user runs it: stopped, killed, gone on with, and given nonsense."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
import yaml
from typer.testing import CliRunner

from imgan.cli import app
from imgan.data import catalogue
from imgan.training import checkpoint, loop
from tests.training.runs import recipe

STEPS = 150


@pytest.fixture
def command(tmp_path, photos):
    """The arguments of a small run in tmp_path/NAME."""
    file = tmp_path / "recipe.yaml"
    small = recipe(STEPS, train__checkpoint_every=20, train__preview_every=1000)
    file.write_text(yaml.safe_dump(small.model_dump(mode="json")))
    return lambda name: [
        sys.executable, "-m", "imgan", "train", str(file), str(photos),
        "--out", str(tmp_path / name), "--device", "cpu",
    ]  # fmt: skip


def start(arguments):
    return subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def wait_for_checkpoint(process, out):
    deadline = time.monotonic() + 120
    while not checkpoint.found(out / "checkpoints"):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finish(arguments):
    process = start(arguments)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return errors


def test_stopped_or_killed_it_goes_on_bit_for_bit(command, tmp_path):
    for name, number, code in (
        ("stopped", signal.SIGINT, 130),
        ("killed", signal.SIGKILL, -signal.SIGKILL),
    ):
        process = start(command(name))
        wait_for_checkpoint(process, tmp_path / name)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == code
        if number == signal.SIGINT:
            assert "the same command goes on from there" in errors
            assert "Traceback" not in errors
    finish(command("whole"))
    whole = torch.load(checkpoint.found(tmp_path / "whole" / "checkpoints")[0])
    for name in ("stopped", "killed"):
        assert "goes on at step" in finish(command(name))
        again = torch.load(checkpoint.found(tmp_path / name / "checkpoints")[0])
        assert again["step"] == whole["step"] == STEPS
        for role, weights in whole["networks"].items():
            assert all(torch.equal(v, again["networks"][role][k]) for k, v in weights.items())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.yaml", "PHOTOS"], "there is no recipe nothing.yaml"),
        (["x4-mse", "/no/such/folder"], "no folder and no data set /no/such/folder"),
        (["x4-mse", "PHOTOS", "--set", "train.stepz=3"], "did you mean train.steps?"),
        (["x4-mse", "PHOTOS", "--set", "train.batch=6", "--set", "train.accumulate=4"], "divisor"),
        (["x4-mse", "PHOTOS", "--device", "abacus"], "there is no device 'abacus'"),
        (["x4-mse", "PHOTOS", "--resume"], "no checkpoint"),
    ],
)
def test_nonsense_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path, photos):
    given = [str(photos) if a == "PHOTOS" else a for a in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "imgan", "train", *given, "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_data_sets_by_name(monkeypatch, photos, tmp_path):
    asked = []
    monkeypatch.setattr(catalogue, "locate", lambda name, progress: asked.append(name) or photos)
    given = []
    made = SimpleNamespace(run=lambda: None)
    monkeypatch.setattr(loop, "Trainer", lambda _, folders, *__: given.extend(folders) or made)
    done = CliRunner().invoke(
        app, ["train", "cyclegan", str(photos), "horse2zebra"], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert asked == ["horse2zebra"] and given == [photos, photos]


def test_bench_takes_data_sets_by_name(monkeypatch, photos):
    from imgan.evaluation import bench

    given = []
    monkeypatch.setattr(catalogue, "locate", lambda name, progress: photos)
    monkeypatch.setattr(bench, "bench_recipe", lambda _, folders, *__: given.extend(folders) or {})
    CliRunner().invoke(app, ["bench", "train", "cyclegan", str(photos), "horse2zebra"])
    assert given == [photos, photos]
