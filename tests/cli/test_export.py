"""``imgan export`` from the command line."""

import pytest
from typer.testing import CliRunner

from imgan.cli import app
from imgan.errors import ImganError
from imgan.inference import export
from imgan.model_file import Card


def run(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], (None, False)),
        (["--direction", "AtoB"], ("a_to_b", False)),
        (["--direction", "BtoA", "--overwrite"], ("b_to_a", True)),
    ],
)
def test_prints_what_was_written(tmp_path, monkeypatch, given, passed):
    asked = []

    def fake(model, out, role, *, overwrite):
        asked.append((model, out, role, overwrite))
        card = Card(pipeline="cyclegan", name="horses", networks={})
        return export.Export(out, card, "b_to_a", "RGB in", "RGB out", 2.4e-6, (16, 32))

    monkeypatch.setattr(export, "export_onnx", fake)
    result = run("horses.safetensors", tmp_path / "h.onnx", *given)
    assert result.exit_code == 0, result.output
    assert asked == [("horses.safetensors", tmp_path / "h.onnx", *passed)]
    for text in ("h.onnx", "horses", "b_to_a", "RGB in", "RGB out", "2.4e-06", "32x16"):
        assert text in result.output


def test_a_model_of_one_direction(tmp_path):
    for name in export.NEEDS:
        pytest.importorskip(name)
    error = run("x2-mse", tmp_path / "x2.onnx", "--direction", "BtoA").exception
    assert isinstance(error, ImganError)
    assert "one direction" in str(error)


def test_a_direction_that_does_not_exist(tmp_path):
    assert run("x2-mse", tmp_path / "x.onnx", "--direction", "sideways").exit_code == 2
