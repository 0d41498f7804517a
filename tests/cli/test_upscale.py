"""`imgan upscale`: names, batches, pipes, and every way it says no."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pil
from typer.testing import CliRunner

import imgan.cli.upscale as command
from imgan.cli import app
from imgan.errors import ImganError, Stopped
from imgan.model_file import Card, NetworkCard, save_model
from imgan.networks.plainsr import PlainSR

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    arguments = {"scale": 4, "width": 4, "blocks": 1}
    network = PlainSR(**arguments)
    card = Card(
        pipeline="srgan",
        name="small",
        networks={"generator": NetworkCard(name="plainsr", arguments=arguments)},
        scale=4,
        reach=network.reach,
    )
    save_model(path, card, {"generator": network.state_dict()})
    return str(path)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(model):
    def invoke(*arguments: str, stdin: bytes | None = None):
        full = ["upscale", "--model", model, "--device", "cpu", *arguments]
        return CliRunner().invoke(app, full, input=stdin)

    return invoke


def photo(path: str | Path, size: tuple[int, int] = (8, 6), **options: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pil.new("RGB", size, (200, 100, 50)).save(path, **options)


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_beside_the_image(here, run) -> None:
    photo("Fotó 猫.png")
    result = run("Fotó 猫.png")
    assert result.exit_code == 0, result.output
    assert pil.open("Fotó 猫_x4.png").size == (32, 24)
    assert "Fotó 猫_x4.png (32x24" in result.stderr


def test_the_label_tells_the_size(here, run) -> None:
    photo("a.jpg")
    photo("b.bmp")
    for options in (["--scale", "2.5"], ["--width", "20"], ["--width", "9", "--height", "9"]):
        assert run("a.jpg", *options).exit_code == 0
    assert run("b.bmp", "--format", "webp", "--scale", "2").exit_code == 0
    assert run("b.bmp", "--height", "12").exit_code == 0
    made = {"a_x2.5.jpg", "a_w20.jpg", "a_9x9.jpg", "b_x2.webp", "b_h12.png"}
    assert files(here) == {"a.jpg", "b.bmp"} | made


def test_one_output_file(here, run) -> None:
    photo("a.jpg")
    assert run("a.jpg", "-o", "new/b.webp").exit_code == 0
    assert pil.open("new/b.webp").format == "WEBP"


def test_folders_patterns_and_links(here, run) -> None:
    photo("in/a.png")
    photo("in/deep/b.jpg")
    photo("c1.png")
    photo("elsewhere/d.png")
    Path("in/notes.txt").write_text("no image")
    Path("in/link").symlink_to(here / "elsewhere")
    Path("in/circle").symlink_to(here / "in")
    result = run("in", "c*.png", "-o", "in/out")
    assert result.exit_code == 0, result.output
    made = {"a_x4.png", "deep/b_x4.jpg", "link/d_x4.png", "c1_x4.png"}
    assert files(here / "in/out") == made
    before = files(here)
    again = run("in", "c*.png", "-o", "in/out")
    assert again.exit_code == 0
    assert "0 written, 4 skipped" in again.stderr
    assert files(here) == before


def test_own_results_are_not_read_again(here, run) -> None:
    photo("in/a.png")
    photo("in/car_x4.png")  # no neighbour car.png: a photo of its own
    assert run("in").exit_code == 0
    assert run("in").exit_code == 0
    assert run("in/*.png").exit_code == 0
    assert files(here / "in") == {"a.png", "a_x4.png", "car_x4.png", "car_x4_x4.png"}


def test_results_named_by_the_shell_are_not_read_again(here, run) -> None:
    photo("a.png")
    photo("car_x4.png")
    for _ in range(2):
        result = run(*sorted(files(here)))
        assert result.exit_code == 0, result.output
    assert "0 written" in result.stderr
    assert files(here) == {"a.png", "a_x4.png", "car_x4.png", "car_x4_x4.png"}
    assert run("a_x4.png").exit_code == 0  # asked for by its name alone
    assert pil.open("a_x4_x4.png").size == (128, 96)


def test_patterns_that_find_earlier_results_too(here, run) -> None:
    photo("in/a.png")
    for pattern in ("*/*.png", "**/*.png"):
        result = run(pattern, "-o", "out")
        assert result.exit_code == 0, result.output
    result = run("in/a.png", "out/a_x4.png", "-o", "out")
    assert result.exit_code == 0
    assert "1 left out, named as results" in result.stderr
    assert files(here / "out") == {"a_x4.png"}
    (here / "out" / "a_x4.png").unlink()
    (here / "out" / "a_x4.png").symlink_to(here / "in" / "a.png")
    result = run("in", "-o", "out", "--overwrite")
    assert "would be written over" in str(result.exception) + result.output


def test_photos_of_one_name_and_several_formats(here, run) -> None:
    photo("in/a.png")
    photo("in/a.bmp")
    photo("in/b.png")
    assert run("in", "-o", "out", "--format", "webp").exit_code == 0
    assert files(here / "out") == {"a_png_x4.webp", "a_bmp_x4.webp", "b_x4.webp"}
    for _ in range(2):  # the results beside them are not taken for photos
        assert run("in", "--format", "webp").exit_code == 0
    assert len(files(here / "in")) == 6


def test_photos_named_like_results_are_told_and_can_be_had(here, run) -> None:
    photo("in/a.png")
    photo("in/a_800x600.png")
    told = run("in", "-o", "out").stderr
    assert f"1 left out, named as results of an earlier run ({Path('in/a_800x600.png')})" in told
    assert "left out" not in run("in", "in/a_800x600.png", "-o", "out").stderr
    assert files(here / "out") == {"a_x4.png", "a_800x600_x4.png"}
    run("in")
    assert "1 left out" in run("in").stderr  # and not the results that it has just found


def test_existing_results(here, run) -> None:
    photo("a.png")
    Path("a_x4.png").write_text("precious")
    result = run("a.png")
    assert isinstance(result.exception, ImganError)
    assert "--overwrite" in str(result.exception)
    assert Path("a_x4.png").read_text() == "precious"
    assert run("a.png", "--overwrite").exit_code == 0
    assert pil.open("a_x4.png").size == (32, 24)


def test_a_bad_file_stops_no_other(here, run) -> None:
    photo("in/a.png")
    Path("in/b.png").write_text("broken")
    photo("in/c.png")
    result = run("in", "-o", "out")
    assert result.exit_code == 1
    assert files(here / "out") == {"a_x4.png", "c_x4.png"}
    assert "2 written, 1 failed" in result.stderr
    assert "in/b.png is not an image" in result.stderr.splitlines()[-1]


def test_an_image_too_large_for_memory_stops_no_other(here, run, monkeypatch) -> None:
    from imgan.inference.upscale import Upscaler

    photo("in/a.png")
    photo("in/b.png")
    real = Upscaler.image

    def image(self, *arguments):
        if not Path("out").exists():
            Path("out").mkdir()
            raise MemoryError
        return real(self, *arguments)

    monkeypatch.setattr(Upscaler, "image", image)
    result = run("in", "-o", "out")
    assert result.exit_code == 1
    assert files(here / "out") == {"b_x4.png"}
    assert "in/a.png does not fit into memory" in result.stderr


def test_pipes(here, run) -> None:
    photo("a.jpg")
    result = run("-", stdin=Path("a.jpg").read_bytes())
    assert result.exit_code == 0, result.output
    out = pil.open(io.BytesIO(result.stdout_bytes))
    assert (out.format, out.size) == ("JPEG", (32, 24))
    result = run("a.jpg", "-o", "-", "--format", "png")
    assert pil.open(io.BytesIO(result.stdout_bytes)).format == "PNG"
    assert run("-", "-o", "b.png", stdin=Path("a.jpg").read_bytes()).exit_code == 0
    assert pil.open("b.png").size == (32, 24)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.png"], "there is no file missing.png"),
        ([""], "an empty name is no file"),
        (["x*.png"], "no file matches"),
        (["empty"], "there are no images in empty"),
        (["a.png", "--scale", "0"], "scale is above 0"),
        (["a.png", "--tile", "1"], "tile is at least"),
        (["a.png", "--device", "abacus"], "no device 'abacus'"),
        (["a.png", "--precision", "half"], "precision is one of"),
        (["a.png", "--format", "heic"], "--format is one of"),
        (["a.png", "--quality", "80"], "and a_x4.png loses nothing; leave it out"),
        (["a.png", "b.png", "-o", "c.png"], "for several images give a folder"),
        (["a.png", "-o", "c.png", "--format", "jpg"], "disagree"),
        (["a.png", "-o", "a.png", "--overwrite"], "would be written over"),
        (["-", "a.png"], "goes with no other input"),
        (["a.png", "b.png", "-o", "-"], "takes one image"),
        (["a.png", "sub/a.png", "-o", "out"], "would both become"),
        (["bad.png"], "bad.png is not an image"),
        (["a.png", "--realism", "0.5"], "cannot go with a named model"),
        (["wide.png", "--format", "webp", "--scale", "16"], "WEBP holds at most"),
    ],
)
def test_refusals_are_one_sentence_and_write_nothing(here, run, arguments, sentence) -> None:
    photo("a.png")
    photo("b.png")
    photo("sub/a.png")
    photo("wide.png", (1100, 1))
    Path("empty").mkdir()
    Path("bad.png").write_text("x")
    before = files(here)
    result = run(*arguments)
    assert isinstance(result.exception, ImganError), result.output
    assert sentence in str(result.exception)
    assert "\n" not in str(result.exception)
    assert files(here) == before


def test_interrupt_leaves_nothing_half_written(here, run, monkeypatch) -> None:
    photo("in/a.png")
    photo("in/b.png")
    real = pil.Image.save

    def save(image, file, *arguments, **options):
        if Path("in/a_x4.png").exists():
            file.write(b"half")
            raise KeyboardInterrupt
        real(image, file, *arguments, **options)

    monkeypatch.setattr(pil.Image, "save", save)
    result = run("in")
    assert isinstance(result.exception, Stopped)
    assert "1 of 2 images written" in str(result.exception)
    assert files(here) == {"in/a.png", "in/b.png", "in/a_x4.png"}


def test_metadata_survives(here, run) -> None:
    exif = pil.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    pil.fromarray(np.zeros((6, 8, 3), np.uint8)).save("a.jpg", exif=exif)
    assert run("a.jpg").exit_code == 0
    out = pil.open("a_x4.jpg")
    assert out.size == (24, 32)
    assert (out.getexif()[0x010F], out.getexif()[0x0112]) == ("Maker", 1)


def test_help_needs_no_torch(run) -> None:
    assert "--realism" in CliRunner().invoke(app, ["upscale", "--help"]).output
    assert "torch" not in vars(command)


def test_a_missing_name_stops_no_other(here, run) -> None:
    photo("a.png")
    long = "x" * 300 + ".png"
    result = run("a.png", "missing.png", "missing.png", "x*.jpg", long, "-o", "out")
    assert result.exit_code == 1, result.output
    assert files(here / "out") == {"a_x4.png"}
    assert "1 written, 3 failed" in result.stderr
    for sentence in (
        "there is no file missing.png",
        "no file matches x*.jpg",
        "File name too long",
    ):
        assert sentence in result.stderr


def test_folders_that_cannot_be_read_are_named(here, run, monkeypatch) -> None:
    photo("in/a.png")
    photo("in/locked/b.png")
    photo("in/lost+found/c.png")
    real = os.scandir  # root may read everything, so the refusal is made

    def scandir(path):
        if str(path).endswith(("locked", "lost+found")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = run("in", "-o", "out")
    assert result.exit_code == 1
    assert files(here / "out") == {"a_x4.png"}
    assert "in/locked cannot be read: Permission denied" in result.stderr
    assert "1 written, 1 failed" in result.stderr
    assert "locked cannot be read" in str(run("in/locked").exception)


def test_a_phones_jpeg_stays_one_through_a_pipe(here, run) -> None:
    pil.new("RGB", (8, 6)).save(
        "a.jpg", "MPO", save_all=True, append_images=[pil.new("RGB", (8, 6))]
    )
    assert pil.open("a.jpg").format == "MPO"
    result = run("-", stdin=Path("a.jpg").read_bytes())
    assert pil.open(io.BytesIO(result.stdout_bytes)).format == "JPEG"


def test_pages_of_several_sizes(here, run) -> None:
    pages = [pil.new("RGB", (8, 6)), pil.new("RGB", (5, 9))]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    assert run("a.tif").exit_code == 0
    with pil.open("a_x4.tif") as made:
        assert made.n_frames == 2
        assert made.size == (32, 24)
        made.seek(1)
        assert made.size == (20, 36)
    assert "no pages of several sizes" in str(run("a.tif", "--format", "webp").exception)
    assert files(here) == {"a.tif", "a_x4.tif"}


@pytest.mark.parametrize(
    ("closed", "arguments", "sentence"),
    [
        ("<&-", "- -o b.png", "standard input is closed"),
        (">&-", "a.png -o -", "standard output is closed"),
    ],
)
def test_closed_pipes_are_one_sentence(here, model, closed, arguments, sentence) -> None:
    photo("a.png")
    command = f"{sys.executable} -m imgan upscale --model {model} {arguments} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"imgan: {sentence}")
    assert files(here) == {"a.png"}


def test_without_standard_error_it_works_all_the_same(here, model) -> None:
    photo("a.png")
    command = f"{sys.executable} -m imgan upscale --model {model} --device cpu a.png 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    assert files(here) == {"a.png", "a_x4.png"}


def test_a_folder_that_may_be_listed_alone_stops_no_other(here, run, monkeypatch) -> None:
    photo("in/a.png")
    photo("in/ro/b.png")
    photo("in/ro/b_x4.png")
    real = os.stat

    def stat(path, **options):
        if "ro/" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    result = run("in", "-o", "out")
    assert result.exit_code == 0 or "in/ro" in result.stderr
    assert "a_x4.png" in {p.name for p in (here / "out").iterdir()}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none")
def test_pipes_in_a_folder_are_not_waited_for(here, run) -> None:
    photo("in/a.png")
    os.mkfifo("in/b.png")
    result = run("in", "-o", "out")
    assert result.exit_code == 1
    assert files(here / "out") == {"a_x4.png"}
    assert "in/b.png is a pipe and no file" in result.stderr
    assert "in/b.png is a pipe" in str(run("in/b.png", "-o", "c.png").exception)


def test_what_a_training_run_drew_is_no_photo(here, run) -> None:
    photo("in/a.png")
    photo("in/run/previews/0.png")
    for name in ("recipe.yaml", "metrics.jsonl"):
        Path("in/run", name).touch()
    assert run("in", "-o", "out").exit_code == 0
    assert files(here / "out") == {"a_x4.png"}
    assert run("in/run", "-o", "other").exit_code == 0  # who names it means it
    assert files(here / "other") == {"previews/0_x4.png"}


def test_a_phones_files_in_a_folder(here, run) -> None:
    pil.new("RGB", (8, 6)).save("b.jpg")
    Path("in").mkdir()
    Path("b.jpg").rename("in/b.mpo")
    assert run("in", "-o", "out").exit_code == 0
    assert files(here / "out") == {"b_x4.jpg"}


def test_nothing_to_do_needs_no_model(here, run, monkeypatch) -> None:
    from imgan.inference import upscale as library

    photo("in/a.png")
    assert run("in").exit_code == 0
    monkeypatch.setattr(library, "Upscaler", None)
    result = run("in")
    assert result.exit_code == 0, result.output
    assert "0 written, 1 skipped" in result.stderr


def test_a_killed_command_leaves_nothing_half_written(here, model) -> None:
    photo("in/a.png", (600, 600))
    code = (
        "import os, signal, sys; from PIL import Image; from imgan.cli import main\n"
        "def save(image, file, *_, **__):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGTERM)\n"
        "Image.Image.save = save; main()"
    )
    command = [sys.executable, "-c", code, "upscale", "in", "--model", model, "--device", "cpu"]
    assert subprocess.run(command, check=False).returncode == 143
    assert files(here) == {"in/a.png"}


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ([], {"tta": False, "tile": 340, "batch": 1, "device": "cpu", "precision": "auto"}),
        (["--tta"], {"tta": True}),
        (["--tile", "64"], {"tile": 64}),
        (["--batch", "3"], {"batch": 3}),
        (["--precision", "float32"], {"precision": "float32"}),
    ],
)
def test_settings_are_passed_on(here, run, monkeypatch, arguments, setting) -> None:
    from imgan.inference import upscale as library

    seen = {}
    real = library.Upscaler.__init__

    def init(self, **settings) -> None:
        seen.update(settings)
        real(self, **settings)

    monkeypatch.setattr(library.Upscaler, "__init__", init)
    photo("a.png")
    assert run("a.png", *arguments).exit_code == 0
    assert setting.items() <= seen.items()


@pytest.mark.parametrize("format", ["jpg", "webp", "avif"])
def test_quality_is_worth_bytes(here, run, format) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    pil.fromarray(noise).save("a.png")
    for quality in (20, 60, 95):
        result = run("a.png", "-o", f"{quality}.{format}", "--quality", str(quality))
        assert result.exit_code == 0, result.output
    low, middle, high = (Path(f"{q}.{format}").stat().st_size for q in (20, 60, 95))
    assert low < middle < high


@pytest.mark.parametrize(
    ("arguments", "quality", "told"),
    [
        ([], 60, True),
        ([], 90, False),
        (["--model", "x2-mse"], 60, False),
        (["--restore"], 60, False),
    ],
)
def test_compressed_photos_are_told_of_restoring(here, arguments, quality, told):
    photo("a.jpg", quality=quality)
    result = CliRunner().invoke(app, ["upscale", "a.jpg", "--device", "cpu", *arguments])
    assert result.exit_code == 0, result.output
    advice = f"it was compressed to a quality of about {quality}: try --restore"
    assert (advice in result.stderr) == told
    if told:  # what the advice makes lies beside
        more = CliRunner().invoke(app, ["upscale", "a.jpg", "--restore", "--device", "cpu"])
        assert "-> a_x4_restored.jpg" in more.stderr
    again = CliRunner().invoke(app, ["upscale", "a.jpg", "--device", "cpu", *arguments])
    assert "exists; --overwrite" in str(again.exception)


def test_realism_and_the_twins_that_are_meant_by_default(here) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    pil.fromarray(noise).save("a.png")

    def made(*arguments: str) -> np.ndarray:
        common = ["upscale", "a.png", "-o", "b.png", "--overwrite", "--device", "cpu"]
        result = CliRunner().invoke(app, [*common, *arguments])
        assert result.exit_code == 0, result.output
        return np.asarray(pil.open("b.png"), np.int16)

    default, faithful, real = made(), made("--realism", "0"), made("--realism", "1")
    assert np.array_equal(default, made("--realism", "0.5"))
    assert np.array_equal(faithful, made("--model", "x4-mse"))
    assert np.array_equal(real, made("--model", "x4-adversarial"))
    assert not np.array_equal(faithful, real)
    smaller = [made("--scale", "2", *more) for more in (["--realism", "1"], [])]
    assert np.array_equal(smaller[0], made("--model", "x2-adversarial"))
    assert not np.array_equal(*smaller)


def test_a_stopped_batch_of_several_formats_goes_on_with_its_quality(here, run) -> None:
    photo("a.jpg")
    photo("b.png")
    command = ("a.jpg", "b.png", "--quality", "80")
    assert run(*command).exit_code == 0
    Path("b_x4.png").unlink()  # as if it had been stopped before
    assert run(*command).exit_code == 0
    assert Path("b_x4.png").exists()
    result = run("a.jpg", "-o", "-", "--format", "png", "--quality", "80")
    assert "png to the standard output loses nothing" in str(result.exception)


def test_what_comes_to_be_meanwhile_is_not_replaced(here, run, monkeypatch) -> None:
    from imgan.inference.upscale import Upscaler

    def image(self, *arguments):
        photo("a_x4.png", (3, 3))
        return whole(self, *arguments)

    whole = Upscaler.image
    monkeypatch.setattr(Upscaler, "image", image)
    photo("a.png")
    assert "has been written meanwhile" in str(run("a.png").exception)
    assert pil.open("a_x4.png").size == (3, 3)
    assert run("a.png", "--overwrite").exit_code == 0
    assert pil.open("a_x4.png").size == (32, 24)


def test_an_animation_that_memory_does_not_hold_is_refused_at_once(here, run, monkeypatch) -> None:
    monkeypatch.setattr("imgan.inference.memory.free_memory", lambda device: 7 * 4 * 160**2 - 1)
    frames = [pil.new("RGB", (40, 40), (20 * i, 0, 0)) for i in range(4)]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:])
    photo("b.png", (40, 40))
    result = run("a.gif", "b.png")
    assert result.exit_code == 1
    assert "a_x4.gif: its 4 frames take 0.0 GB of memory" in result.stderr
    assert Path("b_x4.png").exists()
