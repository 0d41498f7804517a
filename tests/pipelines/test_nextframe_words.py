"""What a model of next frames and its run say of themselves."""

from types import SimpleNamespace

import pytest

from imgan.pipelines.nextframe import NextFrame
from imgan.recipe import parse_recipe
from imgan.report.run_page import _command
from imgan.training.loop import Trainer


@pytest.mark.parametrize(
    ("pixel", "gdl", "cost"),
    [
        ({"kind": "mse", "weight": 0.0}, {}, "gdl"),
        ({"kind": "l1", "weight": 1.0}, {}, "l1"),
        ({"kind": "mse", "weight": 1.0}, None, "mse"),
    ],
)
def test_the_card_names_the_cost_that_is_paid(pixel, gdl, cost):
    recipe = parse_recipe(
        {
            "pipeline": "nextframe",
            "name": "x",
            "pixel": pixel,
            "gdl": gdl,
            "train": {"steps": 1, "batch": 1},
        },
        "test",
    )
    assert NextFrame(recipe).card().cost == cost


@pytest.mark.parametrize(
    ("pipeline", "ends"),
    [
        ("srgan", "imgan upscale --model run/model.safetensors photo.jpg"),
        ("nextframe", "imgan predict --model run/model.safetensors clip.mp4"),
        ("dann", "imgan classify --model run/model.safetensors photo.jpg"),
    ],
)
def test_a_runs_page_tells_the_command(tmp_path, pipeline, ends):
    run = tmp_path / "run"
    run.mkdir()
    assert _command(run, {"pipeline": pipeline}) is None
    (run / "model.safetensors").touch()
    assert _command(run, {"pipeline": pipeline}) == ends


def test_reading_is_told_in_a_word_that_fits_clips_and_images():
    said = []
    trainer = SimpleNamespace(display=SimpleNamespace(say=said.append))
    for done in range(1, 42):
        Trainer._decoding(trainer, done, 41)
    assert said == ["read: 20 of 41", "read: 40 of 41", "read: 41 of 41"]
