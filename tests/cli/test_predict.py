"""``imgan predict`` from the command line."""

import pytest
from typer.testing import CliRunner

from imgan import shipped
from imgan.cli import app
from imgan.data.video import probe, read_frames
from imgan.errors import ImganError
from tests.inference.frame_models import make_clip, make_model


def run(*arguments):
    return CliRunner().invoke(app, ["predict", *(str(argument) for argument in arguments)])


@pytest.fixture
def clip(tmp_path):
    make_clip(tmp_path / "clip.webm", 10)
    return tmp_path / "clip.webm"


def test_the_shipped_model_is_the_default(clip, tmp_path, monkeypatch):
    model = make_model(tmp_path / "nextframe.safetensors")
    monkeypatch.setattr(shipped, "shipped_models", lambda: {"nextframe": model})
    result = run(clip, "--frames", 2)
    assert result.exit_code == 0, (result.output, result.exception)
    for text in ("clip_next.webm", "4 frames of the clip and 2 predicted", "12.5 frames/s"):
        assert text in result.output
    assert len(list(read_frames(tmp_path / "clip_next.webm"))) == 6
    again = run(clip)
    assert isinstance(again.exception, ImganError)
    assert "exists; --overwrite" in str(again.exception)


def test_models_side_by_side(clip, tmp_path):
    models = [make_model(tmp_path / f"{name}.safetensors") for name in "ab"]
    named = [text for model in models for text in ("--model", model)]
    out = tmp_path / "x.gif"
    result = run(clip, *named, "--compare", "--frames", 3, "-o", out, "--size", 12)
    assert result.exit_code == 0, (result.output, result.exception)
    assert probe(out)[1:] == (4 * 16 + 3 * 4, 12 + 14)


def test_help_tells_what_the_bars_mean():
    text = " ".join(run("--help").output.split())
    assert "blue for frames of the clip, orange for predicted ones" in text
