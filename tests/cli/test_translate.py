"""`imgan translate`: the same names, batches and pipes as `imgan upscale`, and its own options."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pil
from typer.testing import CliRunner

import imgan.cli.translate as command
from imgan.cli import app
from imgan.data.images import read_image, write_image
from imgan.data.pixels import Frame, Image
from imgan.errors import ImganError
from imgan.model_file import Card, NetworkCard, save_model
from imgan.networks import build

torch.set_num_threads(1)


def make_model(path: Path, name: str, *roles: str, channels: int = 3, out_channels: int = 3) -> str:
    arguments = {"width": 4, "blocks": 1, "channels": channels, "out_channels": out_channels}
    card = Card(
        pipeline="cyclegan" if len(roles) > 1 else "pix2pix",
        name=name,
        networks={role: NetworkCard(name="resnet", arguments=arguments) for role in roles},
        channels=channels,
        out_channels=out_channels,
        value_range=(-1, 1),
        size_multiple=4,
    )
    save_model(path, card, {role: build("resnet", arguments).state_dict() for role in roles})
    return str(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("model")
    return {
        "one": make_model(folder / "a.safetensors", "old photos", "generator"),
        "two": make_model(folder / "b.safetensors", "horse2zebra", "a_to_b", "b_to_a"),
        "five": make_model(
            folder / "c.safetensors", "bands", "generator", channels=5, out_channels=5
        ),
    }


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(models):
    def invoke(*arguments: str, model: str = "one", stdin: bytes | None = None):
        full = ["translate", "--model", models[model], "--device", "cpu", *arguments]
        return CliRunner().invoke(app, full, input=stdin)

    return invoke


def photo(path: str | Path, size: tuple[int, int] = (18, 14)) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pil.new("RGB", size, (200, 100, 50)).save(path)


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_names_tell_the_model_and_the_direction(here, run) -> None:
    photo("a.png")
    result = run("a.png")
    assert result.exit_code == 0, result.output
    assert "a_old-photos.png (18x14" in result.stderr
    assert run("a.png", model="two").exit_code == 0
    assert run("a.png", "--direction", "BtoA", "--format", "webp", model="two").exit_code == 0
    made = {"a_old-photos.png", "a_horse2zebra-AtoB.png", "a_horse2zebra-BtoA.webp"}
    assert names(here) == {"a.png"} | made


def test_folders_skip_what_is_done_and_what_they_made(here, run) -> None:
    photo("in/a.png")
    photo("in/deep/b.jpg")
    Path("in/bad.png").write_text("broken")
    np.save("in/c.npy", np.zeros((14, 18, 3), np.float32))
    result = run("in")
    assert result.exit_code == 1
    assert "3 written, 1 failed" in result.stderr
    assert "in/bad.png is not an image" in result.stderr.splitlines()[-1]
    made = {"a_old-photos.png", "deep/b_old-photos.jpg", "c_old-photos.npy"}
    assert names(here / "in") == {"a.png", "deep/b.jpg", "bad.png", "c.npy"} | made
    result = run("in", "in/a.png")
    assert "0 written, 3 skipped" in result.stderr
    assert np.load("in/c_old-photos.npy").dtype == np.float32


def test_existing_results(here, run) -> None:
    photo("a.png")
    Path("a_old-photos.png").write_text("precious")
    with pytest.raises(ImganError, match="--overwrite"):
        raise run("a.png").exception
    assert run("a.png", "--overwrite").exit_code == 0
    assert pil.open("a_old-photos.png").size == (18, 14)


def test_pipes(here, run) -> None:
    photo("a.jpg")
    result = run("-", stdin=Path("a.jpg").read_bytes())
    out = pil.open(io.BytesIO(result.stdout_bytes))
    assert (out.format, out.size) == ("JPEG", (18, 14))
    result = run("a.jpg", "-o", "-", "--format", "npy")
    assert np.load(io.BytesIO(result.stdout_bytes)).shape == (14, 18, 3)


def test_size_and_format(here, run) -> None:
    photo("a.png")
    assert run("a.png", "-o", "b.png", "--size", "28").exit_code == 0
    assert run("a.png", "-o", "c.tiff", "--size", "10x12").exit_code == 0
    assert pil.open("b.png").size == (36, 28)
    assert pil.open("c.tiff").size == (10, 12)


def test_what_the_file_held_stays(here, run) -> None:
    exif = pil.Exif()
    exif[0x010F] = "Maker"
    deep = np.random.default_rng(0).integers(0, 65536, (14, 18, 4), np.uint16)
    write_image("a.png", Image([Frame(deep[:, :, :3], deep[:, :, 3:])], exif=exif.tobytes()))
    assert run("a.png").exit_code == 0
    out = read_image("a_old-photos.png")
    assert out.frames[0].colour.dtype == np.uint16
    np.testing.assert_array_equal(out.frames[0].alpha, deep[:, :, 3:])
    assert pil.open("a_old-photos.png").getexif()[0x010F] == "Maker"
    frames = [pil.effect_noise((18, 14), spread).convert("RGB") for spread in (30, 90)]
    frames[0].save("b.gif", save_all=True, append_images=frames[1:], duration=80)
    assert run("b.gif").exit_code == 0
    assert pil.open("b_old-photos.gif").n_frames == 2


def test_tiles_are_said_to_differ(here, run) -> None:
    photo("a.png", (90, 70))
    result = run("a.png", "--tile", "32")
    assert result.exit_code == 0
    assert result.stderr.count("tiles may differ in tone") == 1
    assert "tone" not in run("a.png", "--overwrite").stderr


@pytest.mark.parametrize(
    ("arguments", "model", "sentence"),
    [
        (["missing.png"], "one", "there is no file missing.png"),
        (["a.png", "--direction", "BtoA"], "one", "was trained to go AtoB"),
        (["a.png", "--direction", "up"], "two", "direction is AtoB or BtoA"),
        (["a.png", "--size", "x"], "one", "size is a number"),
        (["a.png", "--format", "heic"], "one", "--format is one of"),
        (["a.png", "b.png", "-o", "c.png"], "one", "for several images give a folder"),
        (["bad.png"], "one", "bad.png is not an image"),
        (["bands.npy", "--format", "png"], "five", "PNG holds grey or RGB, not 5 channels"),
        (["a.png", "--format", "npy"], "five", "takes images of 5 channels, not 3"),
    ],
)
def test_refusals_are_one_sentence_and_write_nothing(here, run, arguments, model, sentence) -> None:
    photo("a.png")
    photo("b.png")
    Path("bad.png").write_text("x")
    np.save("bands.npy", np.zeros((14, 18, 5), np.uint8))
    before = names(here)
    result = run(*arguments, model=model)
    assert isinstance(result.exception, ImganError), result.output
    assert sentence in str(result.exception)
    assert "\n" not in str(result.exception)
    assert names(here) == before


def test_many_channels(here, run) -> None:
    np.save("bands.npy", np.zeros((14, 18, 5), np.uint16))
    assert run("bands.npy", model="five").exit_code == 0
    out = np.load("bands_bands.npy")
    assert (out.shape, out.dtype) == ((14, 18, 5), np.uint16)


def test_help_needs_no_torch() -> None:
    assert "--direction" in CliRunner().invoke(app, ["translate", "--help"]).output
    assert "torch" not in vars(command)
